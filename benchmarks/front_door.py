"""A front door as fast as one Python process can be: what is measured is who sends.

Prints its port. Every POST is taken. GET /state and /count tell what it has, as tests/load asks.
With a number as argument it answers nothing for 3 seconds, that many seconds after the first.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time

STALL_S = 3.0
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"ok":true}'
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
ID = re.compile(rb'"id": "([^"]+)"')


class Door:
    def __init__(self, stall_after_s: float | None) -> None:
        self.messages: list[str] = []
        self.stall_after_s = stall_after_s
        self.began: float | None = None

    def wait_s(self) -> float:
        now = time.monotonic()
        self.began = self.began or now
        if self.stall_after_s is None or now - self.began < self.stall_after_s:
            return 0.0
        return max(0.0, self.began + self.stall_after_s + STALL_S - now)


class Connection(asyncio.Protocol):
    def __init__(self, door: Door) -> None:
        self.door = door
        self.data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data
        while b"\r\n\r\n" in self.data:
            head, _, rest = self.data.partition(b"\r\n\r\n")
            found = LENGTH.search(head)
            length = int(found[1]) if found else 0
            if len(rest) < length:
                return
            body, self.data = rest[:length], rest[length:]
            self.answer(head, body)

    def answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET"):
            told = json.dumps(
                len(self.door.messages)
                if b" /count " in head
                else {"effects": dict.fromkeys(self.door.messages, 1)}
            ).encode()
            self.transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(told) + told
            )
            return
        found = ID.search(body)
        if found:
            self.door.messages.append(found[1].decode())
        wait_s = self.door.wait_s()
        if wait_s:
            asyncio.get_running_loop().call_later(wait_s, self.transport.write, ANSWER)
        else:
            self.transport.write(ANSWER)


async def serve(stall_after_s: float | None) -> None:
    door = Door(stall_after_s)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(door), "127.0.0.1", 0, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1]) if len(sys.argv) > 1 else None))
