"""A front door with its whole stack behind it, in one process: what load runs are tried against.

    python front_door.py '{"lose_every": 1000}'

Prints its port. POST takes a message whose JSON body has an id; GET /state tells what it was sent
and what it did with it, and what its third party was told by POST …/script; GET /count how many
took effect.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Stack:
    """`told` may say: lose_every, double_every, reset_every, reject_every, fail_every (of messages,
    by number), stall_from_s and stall_s, held (messages in its queues), at_work_s (since the first
    message), count_s (for how long it counts), status and says (of every answer)."""

    def __init__(self, told):
        self.told = told
        self.lock = threading.Lock()
        self.began = None
        self.number = 0
        self.requests, self.answered, self.effects = {}, {}, {}
        self.lost = []
        self.scripts = []  # what the third party was told

    def take(self, message):
        """What is to be answered: a status, or None for no answer at all."""
        with self.lock:
            now = time.monotonic()
            self.began = self.began or now
            self.number += 1
            number = self.number
            self.requests[message] = self.requests.get(message, 0) + 1
        stalls_s = self.told.get("stall_from_s", 0) + self.told.get("stall_s", 0)
        since_s = now - self.began
        if self.told.get("stall_from_s", 0) <= since_s < stalls_s:
            time.sleep(stalls_s - since_s)
        status = self.told.get("status", 200)
        if self.is_due("reject_every", number):
            status = 429
        elif status == 200:
            with self.lock:
                if self.is_due("lose_every", number):
                    self.lost.append(message)
                elif self.is_due("double_every", number):
                    self.effects[message] = 2
                else:
                    self.effects.setdefault(message, 1)
        if self.is_due("reset_every", number):
            return None
        if self.is_due("fail_every", number):
            status = 500
        if status == 200:
            with self.lock:
                self.answered[message] = status
        return status

    def is_due(self, name, number):
        every = self.told.get(name)
        return bool(every) and number % every == 0

    def count(self):
        time.sleep(self.told.get("count_s", 0))
        since_s = time.monotonic() - (self.began or 0)
        rests = since_s >= self.told.get("at_work_s", 0)
        return {"effects": len(self.effects), "held": self.told.get("held", 0), "rests": rests}

    def state(self):
        with self.lock:
            return {
                "requests": dict(self.requests),
                "accepted": list(self.answered),
                "effects": dict(self.effects),
                "lost": list(self.lost),
                "scripts": list(self.scripts),
            }


def message_in(body):
    """The id in a JSON body, in one that SQS was given, or at the end of any other."""
    if not body.startswith(b"{"):
        return body.decode().split()[-1]
    told = json.loads(body)
    return json.loads(told["MessageBody"])["id"] if "MessageBody" in told else told["id"]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    stack: Stack

    def do_GET(self):
        counts = self.path == "/count"
        told = self.stack.count() if counts else self.stack.state()
        self.answer(200, json.dumps(told).encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.endswith("/script"):
            self.stack.scripts.append(json.loads(body)["script"])
            self.answer(200, b"{}")
            return
        message = message_in(body)
        status = self.stack.take(message)
        if status is None:
            self.close_connection = True
        else:
            says = self.stack.told.get("says", {"ok": True})
            self.answer(status, json.dumps(says).encode())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def main():
    told = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    handler = type("Bound", (Handler,), {"stack": Stack(told)})
    server = Server(("127.0.0.1", 0), handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
