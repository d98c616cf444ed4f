"""A server before moto's that can be told to refuse calls, as AWS does when a token has expired."""

from __future__ import annotations

import contextlib
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

JSON = "application/x-amz-json-1.1"
XML = (
    "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>"
    "</Error><RequestId>x</RequestId></ErrorResponse>"
)
MESSAGE = "The security token included in the request is expired"


class Expiring(ThreadingHTTPServer):
    """`code` "" lets all through; `reads` says whether what only reads is let through, too."""

    daemon_threads = True
    code = ""
    reads = False

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = behind
        self.refused: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Expiring
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server = self.server
        action = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        if not action and b"Action=" in body:
            action = body.partition(b"Action=")[2].partition(b"&")[0].decode()
        is_reading = action.startswith(("Get", "Describe", "List", "Scan", "Query", "Receive"))
        is_reading = is_reading or (not action and self.command == "GET")
        if server.code and not (server.reads and is_reading):
            server.refused.append(action or f"{self.command} {self.path}")
            self._refuse(server.code)
            return
        headers = {name: value for name, value in self.headers.items() if name != "Host"}
        request = urllib.request.Request(
            server.behind + self.path, body or None, headers, method=self.command
        )
        request.add_header("Host", self.headers["Host"])
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                self._answer(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            self._answer(error.code, dict(error.headers), error.read())

    def _refuse(self, code: str) -> None:
        if "x-amz-json" in self.headers.get("Content-Type", "") or self.path.startswith("/20"):
            text = json.dumps({"__type": code, "message": MESSAGE, "Message": MESSAGE})
            self._answer(403, {"x-amzn-ErrorType": code, "Content-Type": JSON}, text.encode())
        else:
            text = XML.format(code=code, message=MESSAGE)
            self._answer(403, {"Content-Type": "text/xml"}, text.encode())

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        own = ("content-length", "connection", "transfer-encoding", "server", "date")
        for name, value in headers.items():
            if name.lower() not in own:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = _serve

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


@contextlib.contextmanager
def before(url: str) -> Iterator[Expiring]:
    server = Expiring(url)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
