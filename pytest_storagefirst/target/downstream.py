"""The scripted third parties of the local target: an HTTP server on loopback, its own process.

`https://payments.example/charge` is called at `http://127.0.0.1:PORT/payments.example/charge`.
It is the handlers' HTTP proxy too, so that what they call by another name stays on this machine:
over http that is answered 200 {}, over https refused. Below `/_storagefirst` it is controlled:

    POST script   {"script": ["outage 60 s", "healthy"], "url": "https://payments.example"}
                  for all whose URL begins so, "" for all; from now on
    GET  script   ?url=…: {"script": …} that was told last for just this URL; null: none. A script
                  of null takes back what was told.
    GET  counts   {"now_s": …, "seconds": [{"at_s": …, "downstream": "https://…", "calls": 4,
                  "taken": 1, "throttled": 1, "failed": 1, "refused": 1}]}; ?since=EPOCH_SECONDS
    GET  calls    [{"began_ms": …, "ended_ms": …, "downstream": "https://…", "answer": "taken",
                  "key": "o-1"}]; ?since=EPOCH_MILLISECONDS
    GET  health   {"storagefirst": "downstream"}
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pytest_storagefirst.errors import FaultError
from pytest_storagefirst.settings import Downstream, Reply
from pytest_storagefirst.target.third_parties import Answer, ThirdParties

CONTROL = "/_storagefirst"
HEALTH = {"storagefirst": "downstream"}


def main() -> None:
    """Serve the third parties of a JSON file; the first line of output is the port."""
    described = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    server = make_server(
        Downstream(**{**one, "reply": Reply(**one["reply"]), "script": tuple(one["script"])})
        for one in described
    )
    print(server.server_address[1], flush=True)
    server.serve_forever()


def make_server(downstreams: Any) -> ThreadingHTTPServer:
    """A server on a free port of loopback, not yet serving."""
    parties = ThirdParties(downstreams)
    handler = type("Handler", (_Handler,), {"parties": parties})
    return _Server(("127.0.0.1", 0), handler)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that has gone away is no error."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    parties: ThirdParties
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # an answer is one packet, and not one a line

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path)
        if path.path.startswith(f"{CONTROL}/") and not path.netloc:
            return self._controlled(path.path.removeprefix(f"{CONTROL}/"), path.query, body)
        arrival, answer = self.parties.arrive(
            self.command, self._url(), dict(self.headers.items()), body
        )
        try:
            time.sleep(answer.delay_s)
            self._tell(answer)
        finally:
            self.parties.leave(arrival)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _serve

    def do_CONNECT(self) -> None:
        """An https call by the third party's own name can't be played."""
        url = f"https://{self.path.removesuffix(':443')}"
        self.parties.refuse(url)
        self.close_connection = True
        text = f"{url} is not called for real: name it as a [[downstream]] in storagefirst.toml"
        self.send_error(403, text)

    def _url(self) -> str:
        """The URL as the stack knows it."""
        if not self.path.startswith("/"):  # called as a proxy
            return self.path
        rest = self.path[1:]
        urls = [f"{scheme}://{rest}" for scheme in ("https", "http")]
        known = [
            url for url in urls if any(url.startswith(one.url) for one in self.parties.downstreams)
        ]
        return (known or urls)[0]

    def _controlled(self, what: str, query: str, body: bytes) -> None:
        since = int(float((parse_qs(query).get("since") or ["0"])[0]))
        if (self.command, what) == ("POST", "script"):
            self._told_script(body)
        elif (self.command, what) == ("GET", "script"):
            url = (parse_qs(query).get("url") or [""])[0]
            self._say(200, {"script": self.parties.told(url), "url": url})
        elif (self.command, what) == ("GET", "counts"):
            self._say(200, self.parties.counts(since))
        elif (self.command, what) == ("GET", "calls"):
            self._say(200, self.parties.calls(since))
        elif (self.command, what) == ("GET", "health"):
            self._say(200, HEALTH)
        else:
            self._say(404, {"error": f"no {self.command} {what}: script, counts, calls, health"})

    def _told_script(self, body: bytes) -> None:
        try:
            told = json.loads(body)
            script, url = told["script"], told.get("url", "")
            if not isinstance(script, list | None) or not isinstance(url, str):
                raise TypeError(f"script is a list or null, url a text: {told!r}")
            self.parties.script(script, url)
        except (FaultError, ValueError, KeyError, TypeError, AttributeError) as error:
            self._say(400, {"error": str(error)})
        else:
            self._say(200, {"script": script, "url": url})

    def _say(self, status: int, value: Any) -> None:
        headers = {"Content-Type": "application/json"}
        self._tell(Answer(status, headers, json.dumps(value).encode()))

    def _tell(self, answer: Answer) -> None:
        if not answer.status:  # reset, so that the caller learns at once that nobody answers
            lingering = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingering)
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:
        """A line for each call would fill the disk of a long run."""


if __name__ == "__main__":
    main()
