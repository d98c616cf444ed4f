"""Connections of http.client and urllib3 that end here.

The socket of a connection is replaced by one that gathers the request and hands out the answer, so
everything above the socket is the client's own code.
"""

from __future__ import annotations

import errno
import functools
import http.client
import io
import os
import socket
from collections.abc import Callable
from types import ModuleType
from typing import Any

from pytest_storagefirst.simulation import isolation
from pytest_storagefirst.simulation.isolation import switch
from pytest_storagefirst.simulation.wire import exchange
from pytest_storagefirst.simulation.wire.exchange import (
    FOR_EVER_SECONDS,
    HttpAnswer,
    HttpCall,
    Respond,
)

Active = Callable[[], Respond | None]

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Wire:
    """The socket of one connection: good for one request and its answer."""

    def __init__(
        self, connection: Any, scheme: str, respond: Respond, module: ModuleType | None
    ) -> None:
        self._connection = connection
        self._scheme = scheme
        self._respond = respond
        self._module = (
            module  # urllib3.connection, whose exceptions say that there is no connection
        )
        self._timeout = _seconds(connection.timeout)
        self._head: list[bytes] | None = None
        self._received = bytearray()
        self._reply: bytes | None = None
        self._delay_seconds = 0.0
        self._on_end = HttpAnswer.on_end

    # -- the request --------------------------------------------------------------------------

    def sendall(self, data: Any, flags: int = 0) -> None:
        if self._reply is not None:
            return
        self._received += data
        if self._head is None:
            head, end, body = bytes(self._received).partition(b"\r\n\r\n")
            if not end:
                return
            self._head = head.split(b"\r\n")
            self._received = bytearray(body)
        call = self._whole_call(self._head)
        if call is not None:
            self._deliver(call)

    def _whole_call(self, head: list[bytes]) -> HttpCall | None:
        headers: dict[str, str] = {}
        for line in head[1:]:
            name, _, text = line.decode("latin-1").partition(":")
            key, text = name.strip().lower(), text.strip()
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        if "chunked" in headers.get("transfer-encoding", "").lower():
            body = _unchunked(bytes(self._received))
        elif len(self._received) >= int(headers.get("content-length") or 0):
            body = bytes(self._received)
        else:
            body = None
        if body is None:
            return None
        method, target = head[0].decode("latin-1").split(" ")[:2]
        return HttpCall(method, self._url(target), headers, body)

    def _url(self, target: str) -> str:
        if target.lower().startswith(("http://", "https://")):
            return target  # meant for a proxy, which would have gone there
        connection = self._connection
        host = connection._tunnel_host or connection.host
        port = connection._tunnel_port if connection._tunnel_host else connection.port
        host = f"[{host}]" if ":" in host else host
        usual = 443 if self._scheme == "https" else 80
        return f"{self._scheme}://{host}{'' if port in (None, usual) else f':{port}'}{target}"

    def _deliver(self, call: HttpCall) -> None:
        try:
            answer = self._respond(call)
        except exchange.ConnectionRefused:
            raise self._unconnected(
                ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
            ) from None
        except exchange.NameNotFound:
            raise self._unconnected(
                socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            ) from None
        except exchange.ConnectTimeout:
            isolation.pause(exchange.patience_seconds(_seconds(self._connection.timeout)))
            raise self._unconnected(TimeoutError("timed out")) from None
        except exchange.ConnectionResetAfterEffect:
            self._reply = b""
        except exchange.ReadTimeout:
            self._reply, self._delay_seconds = b"", FOR_EVER_SECONDS
        else:
            self._reply = exchange.to_bytes(answer)
            self._delay_seconds, self._on_end = answer.delay_seconds, answer.on_end

    def _unconnected(self, error: OSError) -> Exception:
        """What the client raises when it finds no connection."""
        connection, module = self._connection, self._module
        if module is None:
            return error
        if isinstance(error, TimeoutError):
            raised = module.ConnectTimeoutError(
                connection,
                f"Connection to {connection.host} timed out. "
                f"(connect timeout={connection.timeout})",
            )
        elif isinstance(error, socket.gaierror) and hasattr(module, "NameResolutionError"):
            raised = module.NameResolutionError(connection.host, connection, error)
        else:
            raised = module.NewConnectionError(
                connection, f"Failed to establish a new connection: {error}"
            )
        raised.__cause__ = error
        assert isinstance(raised, Exception)
        return raised

    # -- the answer ---------------------------------------------------------------------------

    def makefile(self, mode: str = "rb", buffering: int | None = None) -> io.BufferedReader:
        if self._reply is None:  # the client asked for leave to send its body
            return io.BufferedReader(_Answer(_CONTINUE, 0.0, None))
        answer = _Answer(self._reply, self._delay_seconds, self._timeout, self._on_end)
        return io.BufferedReader(answer)

    # -- what else is asked of a socket -------------------------------------------------------

    def settimeout(self, timeout: float | None) -> None:
        self._timeout = timeout

    def close(self) -> None:
        pass

    def fileno(self) -> int:
        """A descriptor that is always readable: an answer, or leave to go on, is always there."""
        return _always_readable()


@functools.cache
def _always_readable() -> int:
    return os.open(os.devnull, os.O_RDONLY)


class _Answer(io.RawIOBase):
    """An answer that is under way until it is read."""

    def __init__(
        self,
        content: bytes,
        delay_seconds: float,
        timeout: float | None,
        on_end: Callable[[bool], None] = HttpAnswer.on_end,
    ) -> None:
        self._content = io.BytesIO(content)
        self._delay_seconds = delay_seconds
        self._timeout = timeout
        self._on_end = on_end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        delay_seconds, self._delay_seconds = self._delay_seconds, 0.0
        patience_seconds = exchange.patience_seconds(self._timeout)
        if delay_seconds:
            isolation.pause(min(delay_seconds, patience_seconds))
        came = delay_seconds <= patience_seconds and delay_seconds < FOR_EVER_SECONDS
        on_end, self._on_end = self._on_end, HttpAnswer.on_end
        on_end(came)
        if not came:
            raise TimeoutError("timed out")
        return self._content.readinto(buffer)


def _seconds(timeout: Any) -> float | None:
    """A connection's timeout in seconds; None when it has none."""
    if timeout is None or isinstance(timeout, int | float):
        return timeout
    return socket.getdefaulttimeout()  # the default is told by a bare object()


def _unchunked(received: bytes) -> bytes | None:
    """The body that was sent in chunks (RFC 9112, section 7.1), or None while it is not whole."""
    if not received.endswith(b"\r\n\r\n"):
        return None
    body, position = bytearray(), 0
    while True:
        line_end = received.find(b"\r\n", position)
        if line_end < 0:
            return None
        size = int(received[position:line_end].split(b";")[0], 16)
        if size == 0:
            return bytes(body)
        start = line_end + 2
        body += received[start : start + size]
        position = start + size + 2


Restore = Callable[[], None]


def patch_http_client(active: Active) -> list[Restore]:
    """Patch the connections of http.client, and how every kind of them sends."""
    send = http.client.HTTPConnection.send

    @functools.wraps(send)
    def send_over_wire(self: Any, data: Any) -> None:
        served = active() is not None
        if self.sock is not None and served is not isinstance(self.sock, Wire):
            # Kept alive since before the simulation, or since one that is over.
            self.sock.close()
            self.sock = None
            if served:
                self.connect()
        send(self, data)

    return [
        _replace(http.client.HTTPConnection, "send", send_over_wire),
        _patch_connect(http.client.HTTPConnection, "http", None, active),
        _patch_connect(http.client.HTTPSConnection, "https", None, active),
    ]


def patch_urllib3(active: Active, module: ModuleType) -> list[Restore]:
    """Patch the connections of one `urllib3.connection`, of version 1 or 2."""
    restores = [_patch_connect(module.HTTPConnection, "http", module, active)]
    if "connect" in vars(module.HTTPSConnection):  # without ssl it is a dummy
        restores.append(_patch_connect(module.HTTPSConnection, "https", module, active))
    return restores


def _patch_connect(kind: Any, scheme: str, module: ModuleType | None, active: Active) -> Restore:
    original = kind.connect

    @functools.wraps(original)
    def connect(self: Any) -> None:
        respond = active()
        if respond is None:
            original(self)
            return
        self.sock = Wire(self, scheme, respond, module)
        if module is not None:
            # Else urllib3 warns of an unverified host, and blames failures on a proxy.
            self.is_verified, self.proxy = True, None

    return _replace(kind, "connect", connect)


def _replace(kind: Any, name: str, function: Callable[..., Any]) -> Restore:
    restore = switch.restoring(kind, name)
    setattr(kind, name, function)
    return restore
