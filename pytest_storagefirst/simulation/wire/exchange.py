"""An HTTP exchange as data: the call, its answer, and what can become of either on the way."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class HttpCall:
    """One attempt to send a request; what a client sends again is a call of its own.

    `url` is what the client asked for, whatever proxy it was told to use. Names in `headers` are in
    lower case. They hold the client's version (User-Agent): keep them out of a history.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


def _nobody_asks(came: bool) -> None:
    pass


@dataclass(frozen=True)
class HttpAnswer:
    """What the other side answers, `delay_seconds` of virtual time after it got the request.

    A client whose read timeout is shorter gives up when that has passed. `on_end` is told when it
    is over, and whether the client has the answer.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay_seconds: float = 0.0
    on_end: Callable[[bool], None] = _nobody_asks


class WireFault(Exception):
    """Raised by who answers the calls: this one or its answer doesn't get through."""


class ConnectionRefused(WireFault):
    """No one listens there. No effect."""


class NameNotFound(WireFault):
    """The host has no address. No effect."""


class ConnectTimeout(WireFault):
    """No connection within the client's connect timeout, which passes. No effect."""


class ConnectionResetAfterEffect(WireFault):
    """The request was served, and the connection closes before any of the answer has arrived."""


class ReadTimeout(WireFault):
    """The request was served; no answer comes within the client's read timeout, which passes."""


Respond = Callable[[HttpCall], HttpAnswer]

# What a client without a timeout waits: longer than any Lambda function may run.
FOR_EVER_SECONDS = 901.0
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection"})


def patience_seconds(timeout: float | None) -> float:
    return FOR_EVER_SECONDS if timeout is None else timeout


def may_have_body(status: int) -> bool:
    """Whether an answer of this status has a body (RFC 9110, section 6.4.1)."""
    return status >= 200 and status not in (204, 304)


def unframed_headers(answer: HttpAnswer) -> list[tuple[str, str]]:
    """The answer's headers without those that say where its body ends."""
    return [(name, text) for name, text in answer.headers.items() if name.lower() not in _FRAMING]


def to_bytes(answer: HttpAnswer) -> bytes:
    """The answer as HTTP/1.1 on a connection that then closes."""
    reason = http.client.responses.get(answer.status, "")
    lines = [f"HTTP/1.1 {answer.status} {reason}"]
    lines += [f"{name}: {text}" for name, text in unframed_headers(answer)]
    body = answer.body if may_have_body(answer.status) else b""
    if may_have_body(answer.status):
        lines.append(f"Content-Length: {len(body)}")
    lines += ["Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
