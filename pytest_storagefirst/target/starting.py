"""The local target's processes: how each is started, and how one is known to answer."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib import metadata, util
from pathlib import Path

from pytest_storagefirst.errors import TargetError
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.target.processes import Process, start

LOG = "local.log"
TEMPORARY = "temporary"
ACCOUNT = "000000000000"  # ministack's own
STARTS_WITHIN_S = 30.0
TRIES = 3  # to start on a free port: somebody else may have taken it meanwhile
EMULATOR, THIRD_PARTIES = "emulator", "third parties"
OLDEST = (1, 5, 33)  # older ones know no SQS integration
_INSTALL = "pip install 'pytest-storagefirst[local]'"
PROVIDED = Path(__file__).parent / "emulator" / "provided"  # modules that Lambda gives a function
_KEPT = ("PATH", "LANG", "LC_ALL", "VIRTUAL_ENV", "SYSTEMROOT")
_POLL_S = 0.05


def check_emulator() -> None:
    """Raises TargetError where ministack isn't installed beside this package, or is too old."""
    found = metadata.version("ministack") if util.find_spec("ministack") else ""
    if tuple(int(part) for part in found.split(".")[:3] if part.isdigit()) < OLDEST:
        raise TargetError(
            "the local target needs ministack",
            found=f"ministack {found}" if found else "not installed",
            expected="ministack >= " + ".".join(map(str, OLDEST)),
            remedy=_INSTALL,
        )


def start_third_parties(settings: Settings, place: Path) -> tuple[Process, str]:
    """The process of those that the settings describe, and the URL that it answers at."""
    described = (place / "downstream.json").resolve()
    text = json.dumps([asdict(one) for one in settings.downstreams])
    described.write_text(text, encoding="utf-8")
    process, running = _start(
        THIRD_PARTIES, "downstream", (str(described),), os.environ, place, subprocess.PIPE
    )
    assert running.stdout is not None
    with running.stdout as said:
        line = said.readline().strip()
    if not line.isdigit():
        raise TargetError(
            "the third parties' server does not start",
            where=str(place / LOG),
            found=_last_line(place / LOG),
        )
    return process, f"http://127.0.0.1:{int(line)}"


def start_emulator(
    third_parties: str, region: str, place: Path, began: Callable[[Process, str], None]
) -> None:
    """Start ministack and wait until it answers.

    `began` is told of each try, the process and its URL, before anything can go wrong with it.
    """
    for _ in range(TRIES):
        port = _free_port()
        environment = _environment(port, third_parties, place, region)
        process, running = _start(EMULATOR, "emulator", (), environment, place)
        url = f"http://127.0.0.1:{port}"
        began(process, url)
        until = time.monotonic() + STARTS_WITHIN_S
        while running.poll() is None and time.monotonic() < until:
            if not amiss_at(url):
                return
            time.sleep(_POLL_S)
        process.end()
    raise TargetError(
        "the emulator does not start",
        where=str(place / LOG),
        found=_last_line(place / LOG),
        expected=f"an answer within {STARTS_WITHIN_S:.0f} s",
    )


def amiss_at(url: str) -> str:
    """ "" where an emulator answers; else what is found there."""
    if not url:
        return "it was not started"
    connection = http.client.HTTPConnection(url.partition("//")[2], timeout=5)
    try:
        connection.request("GET", "/_ministack/health")
        answer = connection.getresponse()
        if answer.status == 200 and b'"services"' in answer.read():
            return ""
        server = answer.headers.get("Server") or "something"
        return f"at {url} {server} answers, with {answer.status}, which is no ministack"
    except (OSError, http.client.HTTPException) as error:
        return f"at {url} nothing answers as expected: {error or type(error).__name__}"
    finally:
        connection.close()


def _start(
    what: str,
    module: str,
    arguments: tuple[str, ...],
    environment: Mapping[str, str],
    place: Path,
    output: int | None = None,
) -> tuple[Process, subprocess.Popen[bytes]]:
    """A module of this package as a process that works in `place`, where no module is found."""
    command = [sys.executable, "-m", f"{__package__}.{module}", *arguments]
    paths = [
        str(Path(one).resolve())
        for one in environment.get("PYTHONPATH", "").split(os.pathsep)
        if one
    ]
    own = {**environment, "PYTHONPATH": os.pathsep.join(paths)} if paths else environment
    return start(what, command, own, place, place / LOG, output)


def _environment(port: int, proxy: str, place: Path, region: str) -> dict[str, str]:
    """ministack's environment, which its handlers inherit: all that they call stays here."""
    temporary = (place / TEMPORARY).resolve()
    temporary.mkdir(parents=True, exist_ok=True)
    proxies = {"http_proxy": proxy, "https_proxy": proxy, "no_proxy": "127.0.0.1,localhost"}
    return {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        **proxies,
        **{name.upper(): value for name, value in proxies.items()},
        "HOME": str(temporary),
        "TMPDIR": str(temporary),
        "BIND_HOST": "127.0.0.1",
        # Listeners of their own, which BIND_HOST does not hold to loopback.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "GATEWAY_PORT": str(port),
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": region,
        "LOG_LEVEL": "WARNING",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(PROVIDED)))),
    }


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _last_line(log: Path) -> str:
    with contextlib.suppress(OSError):
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "it said nothing"
    return "it left no log"
