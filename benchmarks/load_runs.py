"""What the load generator shows of a stall, and how much it offers, beside Locust's own users."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LOCUSTFILE = HERE.parent / "tests" / "load" / "locustfile.py"
COMMAND = [sys.executable, "-c", "from pytest_storagefirst.cli import main; main()", "load"]
STALL_AFTER_S = 1.0
STALLED_RATE = 100
SENDERS = 20
SECONDS = 8
AIM_SHARE = 0.8
AIM_SHOWN_S = 2.5

BARE = """
from locust import FastHttpUser, task

class Bare(FastHttpUser):
    def on_start(self):
        self.number = 0

    @task
    def post(self):
        self.number += 1
        self.client.post("/messages", json={"id": f"bare-{id(self)}-{self.number}"})
"""


def open_model() -> Iterator[dict[str, Any]]:
    """The same stall as Locust's closed model sees it, and as the open one does."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with _front_door(STALL_AFTER_S) as url:
            # one user, who waits for each answer before the next request
            closed = _bare(folder, url, 1, 6)
        with _front_door(STALL_AFTER_S) as url:
            shown = _run(folder, url, rate=STALLED_RATE, seconds=6, at_once=1000)
    [p99] = [one["value"] for one in shown["objectives"] if one["expression"].startswith("ingest")]
    yield {
        "figure": "open_model",
        "value": round(p99 / 1000, 2),
        "unit": "s",
        "ratio": round(p99 / max(1.0, closed["response_p99_ms"]), 1),
        "against": "p99 of a FastHttpUser over the same stall",
        "aim": AIM_SHOWN_S,
    }


def offered_load() -> Iterator[dict[str, Any]]:
    """Requests a second, each against a front door of its own process, with as many senders."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with _front_door() as url:
            bare = _bare(folder, url, SENDERS, SECONDS)["requests_per_s"]
        with _front_door() as url:
            report = _run(folder, url, rate=bare * 1.3, seconds=SECONDS, at_once=SENDERS)
    # all but the first and the last second, in which it starts and ends
    rows = report["timeline"][1 : SECONDS - 1]
    ours = sum(row["accepted"] for row in rows) / len(rows)
    yield {
        "figure": "offered_load",
        "value": round(ours),
        "unit": "1/s",
        "ratio": round(ours / bare, 2),
        "against": "a bare FastHttpUser",
        "aim": AIM_SHARE,
    }


def _bare(folder: Path, url: str, users: int, seconds: int) -> dict[str, float]:
    file = folder / "bare.py"
    file.write_text(BARE, encoding="utf-8")
    command = [sys.executable, "-m", "locust", "-f", str(file), "--headless", "--host", url]
    command += ["-u", str(users), "-r", "100", "-t", f"{seconds}s", "--json", "--loglevel", "ERROR"]
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    [stats] = json.loads(answer.stdout)
    times = sorted((float(ms), count) for ms, count in stats["response_times"].items())
    left = 0.01 * stats["num_requests"]
    while left > 0 and times:
        milliseconds, count = times.pop()
        left -= count
    taken = stats["last_request_timestamp"] - stats["start_time"]
    return {
        "requests_per_s": stats["num_requests"] / max(1.0, taken),
        "response_p99_ms": milliseconds,
    }


def _run(folder: Path, url: str, *, rate: float, seconds: int, at_once: int) -> dict[str, Any]:
    (folder / "storagefirst.toml").write_text(
        "[profiles.bench]\n"
        f'phases = [{{ name = "act", seconds = {seconds}, rate = {rate:.0f} }}]\n'
        f"at_once = {at_once}\nmax_requests = 10_000_000\nsettle_seconds = 1\n"
        'objectives = ["ingest.p99<1h"]\n'.replace("1h", "60min"),
        encoding="utf-8",
    )
    command = [*COMMAND, "bench", "--file", str(LOCUSTFILE), "--report", "report"]
    environment = os.environ | {"FRONT_DOOR": url, "PYTHONPATH": str(HERE.parent)}
    answer = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    report = folder / "report" / "report.json"
    if not report.exists():
        raise RuntimeError(answer.stdout + answer.stderr)
    document: dict[str, Any] = json.loads(report.read_text("utf-8"))
    return document


@contextmanager
def _front_door(stall_after_s: float | None = None) -> Iterator[str]:
    command = [sys.executable, str(HERE / "front_door.py")]
    if stall_after_s is not None:
        command.append(str(stall_after_s))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.kill()
