"""The ways out of the process: sockets, names, other processes, the terminal, real-time signals.

No call that leaves the simulation gets through. HTTP clients are served above this level, by
`wire`; what arrives here is a call that no one answers.
"""

from __future__ import annotations

import errno
import io
import socket
from collections.abc import Iterator
from typing import Any, NoReturn

from pytest_storagefirst.simulation.isolation.switch import (
    Act,
    Patch,
    Surroundings,
    current,
    refuse,
    stop_the_unwinding,
)

_PROCESSES = {
    "os.fork": "os.fork()",
    "os.forkpty": "os.forkpty()",
    "os.posix_spawn": "os.posix_spawn()",
    "os.posix_spawnp": "os.posix_spawnp()",
    "os.execv": "os.exec*()",
    "os.execve": "os.exec*()",
    "os.system": "os.system()",
    "os._exit": "os._exit()",
    "os.abort": "os.abort()",
    "os.kill": "os.kill()",
    "subprocess:Popen.__init__": "subprocess",
    "multiprocessing.process:BaseProcess.start": "multiprocessing or ProcessPoolExecutor",
}
_REAL_TIME = ("alarm", "setitimer", "pause", "sigwait", "sigwaitinfo", "sigtimedwait")


def patches() -> Iterator[Patch]:
    for name in ("connect", "connect_ex"):
        yield Patch(f"socket:socket.{name}", _connect_ex if name.endswith("ex") else _connect)
    yield Patch("socket:socket.sendto", _sendto)
    yield Patch("socket:socket.sendmsg", _sendmsg)
    yield Patch("socket:socket.accept", _accept)
    yield Patch("socket.create_connection", _create_connection)
    yield Patch("socket.getaddrinfo", _getaddrinfo)
    for name in ("gethostbyname", "gethostbyname_ex", "gethostbyaddr", "getfqdn"):
        yield Patch(f"socket.{name}", _look_up)
    yield Patch("socket.getnameinfo", _getnameinfo)
    for name, what in _PROCESSES.items():
        yield Patch(name, _refusing(what, "another process"))
    for name in _REAL_TIME:
        yield Patch(f"signal.{name}", _refusing(f"signal.{name}()", "a signal in real time"))


def _refusing(what: str, kind: str) -> Act:
    def act(simulation: Surroundings, original: Act, *arguments: Any, **named: Any) -> NoReturn:
        refuse(
            simulation,
            f"{what} was called; {kind} can't be followed in virtual time",
            "give the function a handler without it under [functions.…] in storagefirst.toml",
        )

    return act


def _told(simulation: Surroundings, address: Any) -> ConnectionRefusedError:
    stop_the_unwinding()
    if isinstance(address, tuple) and len(address) >= 2:
        simulation.refused(str(address[0]), _number(address[1]))
    else:
        simulation.refused(address.decode() if isinstance(address, bytes) else str(address), 0)
    return ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")


def _number(port: Any) -> int:
    return int(port) if str(port).isdigit() else 0


def _connect(simulation: Surroundings, original: Act, this: socket.socket, address: Any, /) -> None:
    raise _told(simulation, address)


def _connect_ex(
    simulation: Surroundings, original: Act, this: socket.socket, address: Any, /
) -> int:
    _told(simulation, address)
    return errno.ECONNREFUSED


def _create_connection(
    simulation: Surroundings, original: Act, address: Any, *arguments: Any, **named: Any
) -> NoReturn:
    raise _told(simulation, address)


def _sendto(
    simulation: Surroundings, original: Act, this: socket.socket, data: Any, *flags_and_address: Any
) -> int:
    return _datagram(simulation, this, flags_and_address[-1], memoryview(data).nbytes)


def _sendmsg(
    simulation: Surroundings,
    original: Act,
    this: socket.socket,
    buffers: Any,
    ancillary: Any = (),
    flags: int = 0,
    address: Any = None,
    /,
) -> int:
    if address is None:
        return int(original(this, buffers, ancillary, flags))
    return _datagram(
        simulation, this, address, sum(memoryview(buffer).nbytes for buffer in buffers)
    )


def _datagram(simulation: Surroundings, this: socket.socket, address: Any, length: int) -> int:
    # In Lambda the X-Ray daemon and agents of its kind listen there; no one waits for an answer.
    if this.type == socket.SOCK_DGRAM and isinstance(address, tuple):
        host = str(address[0])
        if host.startswith("127.") or host in ("::1", "localhost"):
            return length
    raise _told(simulation, address)


def _accept(simulation: Surroundings, original: Act, this: socket.socket) -> Any:
    if this.gettimeout() != 0:
        refuse(simulation, "a server that waits for connections can't be followed in virtual time")
    return original(this)


def _getaddrinfo(
    simulation: Surroundings,
    original: Act,
    host: Any,
    port: Any,
    family: int = 0,
    type: int = 0,
    proto: int = 0,
    flags: int = 0,
) -> Any:
    try:
        # Numbers need no name server.
        return original(host, port, family, type, proto, flags | socket.AI_NUMERICHOST)
    except socket.gaierror:
        stop_the_unwinding()
        simulation.refused(_text(host), _number(port))
        raise _unknown_name() from None


def _look_up(simulation: Surroundings, original: Act, name: Any = "") -> NoReturn:
    stop_the_unwinding()
    simulation.refused(_text(name), 0)
    raise _unknown_name()


def _getnameinfo(simulation: Surroundings, original: Act, address: Any, flags: int, /) -> NoReturn:
    _told(simulation, address)
    raise _unknown_name()


def _text(host: Any) -> str:
    return host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)


def _unknown_name() -> socket.gaierror:
    return socket.gaierror(socket.EAI_NONAME, "Name or service not known")


class NoTerminal(io.TextIOBase):
    """Standard input inside a simulation: there is no one to type."""

    encoding = "utf-8"

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> str:
        return self.readline()

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
        simulation = current()
        if simulation is not None:
            refuse(simulation, "the handler reads standard input, and no one is there to type")
        return ""
