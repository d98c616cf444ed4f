"""httpx's transports, answered here.

httpcore below them is bypassed, so its one rule that a fault can meet is followed here: the
transport's `retries` for connections that could not be made.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from pytest_storagefirst.simulation import isolation
from pytest_storagefirst.simulation.wire import exchange
from pytest_storagefirst.simulation.wire.exchange import FOR_EVER_SECONDS, HttpCall, Respond

Active = Callable[[], Respond | None]

_BACKOFF_SECONDS = 0.5  # httpcore's RETRIES_BACKOFF_FACTOR


def patch_httpx(active: Active, httpx: ModuleType) -> list[Callable[[], None]]:
    """Patch the transports of `httpx`, synchronous and asynchronous."""
    plain, asynchronous = httpx.HTTPTransport, httpx.AsyncHTTPTransport
    handle, handle_async = plain.handle_request, asynchronous.handle_async_request

    @functools.wraps(handle)
    def handle_request(self: Any, request: Any) -> Any:
        respond = active()
        if respond is None:
            return handle(self, request)
        request.read()
        for seconds, outcome in _attempts(httpx, self, request, respond):
            isolation.pause(seconds)
            last = outcome
        return _given(last)

    @functools.wraps(handle_async)
    async def handle_async_request(self: Any, request: Any) -> Any:
        respond = active()
        if respond is None:
            return await handle_async(self, request)
        await request.aread()
        for seconds, outcome in _attempts(httpx, self, request, respond):
            await asyncio.sleep(seconds)
            last = outcome
        return _given(last)

    plain.handle_request = handle_request
    asynchronous.handle_async_request = handle_async_request
    return [
        functools.partial(setattr, plain, "handle_request", handle),
        functools.partial(setattr, asynchronous, "handle_async_request", handle_async),
    ]


def _given(outcome: Any) -> Any:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _attempts(
    httpx: ModuleType, transport: Any, request: Any, respond: Respond
) -> Iterator[tuple[float, Any]]:
    """Each attempt's outcome (a response or an exception), and how long it takes to come."""
    call = HttpCall(
        request.method,
        str(request.url),
        {name.lower(): text for name, text in request.headers.items()},
        request.content,
    )
    retries_left = getattr(transport._pool, "_retries", 0)
    pause_seconds = 0.0
    while True:
        seconds, outcome, ended = _attempt(httpx, call, request, respond)
        no_connection = isinstance(outcome, httpx.ConnectError | httpx.ConnectTimeout)
        if not no_connection or retries_left <= 0:
            yield seconds, outcome
            ended()
            return
        retries_left -= 1
        yield seconds + pause_seconds, outcome
        pause_seconds = pause_seconds * 2 or _BACKOFF_SECONDS


def _attempt(
    httpx: ModuleType, call: HttpCall, request: Any, respond: Respond
) -> tuple[float, Any, Callable[[], None]]:
    timeouts = request.extensions.get("timeout", {})
    read_seconds = exchange.patience_seconds(timeouts.get("read"))
    try:
        answer = respond(call)
    except exchange.ConnectionRefused:
        return 0.0, httpx.ConnectError("[Errno 111] Connection refused", request=request), _nothing
    except exchange.NameNotFound:
        message = "[Errno -2] Name or service not known"
        return 0.0, httpx.ConnectError(message, request=request), _nothing
    except exchange.ConnectTimeout:
        connect_seconds = exchange.patience_seconds(timeouts.get("connect"))
        return connect_seconds, httpx.ConnectTimeout("timed out", request=request), _nothing
    except exchange.ConnectionResetAfterEffect:
        message = "Server disconnected without sending a response."
        return 0.0, httpx.RemoteProtocolError(message, request=request), _nothing
    except exchange.ReadTimeout:
        return read_seconds, httpx.ReadTimeout("timed out", request=request), _nothing
    if min(answer.delay_seconds, FOR_EVER_SECONDS) > read_seconds:
        gave_up = httpx.ReadTimeout("timed out", request=request)
        return read_seconds, gave_up, functools.partial(answer.on_end, False)
    has_body = exchange.may_have_body(answer.status) and call.method != "HEAD"
    response = httpx.Response(
        answer.status,
        headers=exchange.unframed_headers(answer),
        content=answer.body if has_body else b"",
        request=request,
        extensions={"http_version": b"HTTP/1.1"},
    )
    return answer.delay_seconds, response, functools.partial(answer.on_end, True)


def _nothing() -> None:
    """Who answered knows already how it ended."""
