"""One HTTP request a call, on kept connections, that tells "not sent" from "no answer".

Locust's own clients don't: what they raise while connecting and while waiting is the same, and
some of their versions send a POST again by themselves when a kept connection turns out closed.
Imported in the Locust process alone.
"""

from __future__ import annotations

import select
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

import gevent
import gevent.socket
from geventhttpclient.response import HTTPResponse

from pytest_storagefirst.errors import LoadError
from pytest_storagefirst.load.plan import UNIQUE


class NotSent(Exception):
    """No connection: the request can't have arrived."""


class NoAnswer(Exception):
    """Sent, in part at least, and not answered."""


class _Reply(HTTPResponse):
    def __init__(self, method: str) -> None:
        super().__init__(method)
        self.content = bytearray()

    def _on_body(self, buf: bytearray) -> None:
        self.content += buf


class HttpClient:
    """Requests to one URL's host; each waits `timeout_s` at most, connecting included.

    TLS is verified. As many connections are open as requests are under way.
    """

    def __init__(
        self, url: str, timeout_s: float, method: str = "POST", headers: Mapping[str, str] = {}
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise LoadError("nothing can be sent there", found=url, expected="an http(s) URL")
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host = parts.hostname
        self._port = parts.port or (443 if self._tls else 80)
        self._method = method
        self._timeout_s = timeout_s
        self._idle: list[gevent.socket.socket] = []
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        host = parts.netloc.rpartition("@")[2]
        told = {"Host": host, "User-Agent": "storagefirst", "Accept": "*/*"} | dict(headers)
        lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        self._head = f"{method} {target} HTTP/1.1\r\n{lines}"

    def send(self, body: bytes, message: str = "") -> tuple[int, bytes]:
        """Status and body of the answer. Raises NotSent or NoAnswer.

        {unique} in the URL's path and in headers is the message's id.
        """
        head = f"{self._head.replace(UNIQUE, message)}Content-Length: {len(body)}\r\n\r\n"
        deadline = gevent.Timeout.start_new(self._timeout_s)
        connection = None
        try:
            connection = self._connected()
            reply = self._exchange(connection, head.encode("latin-1") + body)
        except gevent.Timeout as timeout:
            if timeout is not deadline:
                raise
            self._drop(connection)
            waited = f"timed out after {self._timeout_s:g} s"
            raise (NoAnswer(waited) if connection else NotSent(f"connecting {waited}")) from None
        except BaseException:
            self._drop(connection)
            raise
        finally:
            deadline.close()
        if reply.should_close():
            self._drop(connection)
        else:
            self._idle.append(connection)
        return reply.status_code, bytes(reply.content)

    def _connected(self) -> gevent.socket.socket:
        while self._idle:
            connection = self._idle.pop()
            # One that its server closed meanwhile can be read from: nothing was asked of it.
            if not select.select([connection], [], [], 0)[0]:
                return connection
            connection.close()
        try:
            connection = gevent.socket.create_connection((self._host, self._port))
            connection.setsockopt(gevent.socket.IPPROTO_TCP, gevent.socket.TCP_NODELAY, 1)
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_hostname=self._host)
        except OSError as error:  # TLS that can't be verified too
            raise NotSent(f"no connection to {self._host}:{self._port}: {error}") from None
        return connection

    def _exchange(self, connection: gevent.socket.socket, request: bytes) -> _Reply:
        reply = _Reply(self._method)
        try:
            connection.sendall(request)
            while not reply.message_complete or reply.status_code < 200:
                data = connection.recv(16_384)
                reply.feed(data)
                if not data and not reply.message_complete:
                    raise NoAnswer("the connection was closed before an answer")
        except (OSError, ValueError) as error:
            raise NoAnswer(str(error) or type(error).__name__) from None
        except Exception as error:
            if isinstance(error, NoAnswer):
                raise
            raise NoAnswer(f"no HTTP: {error}") from None
        return reply

    @staticmethod
    def _drop(connection: gevent.socket.socket | None) -> None:
        if connection is not None:
            connection.close()
