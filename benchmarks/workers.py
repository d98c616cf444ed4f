"""How much faster two xdist workers are than one: all pairs of faults of examples/orders.

From starting pytest to its end, as a user waits for it, so with what each worker pays for itself:
Python, imports and a stack that stands. Runs of one and of two workers take turns, and the quickest
of each counts: whatever else the machine does can only slow them down. Nothing is drawn, so that
the work is the same in all; that the same was found is checked.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROUNDS = 2
AIM = 1.8
NO_LIMIT_SECONDS = 86_400
ROOT = Path(__file__).parent.parent
TEMPLATE = ROOT / "examples" / "orders" / "template.yaml"


def measure() -> Iterator[dict[str, Any]]:
    seconds: dict[int, list[float]] = {1: [], 2: []}
    found = []
    for _ in range(ROUNDS):
        for workers, taken in seconds.items():
            spent, stack = _sweep(workers)
            taken.append(spent)
            found.append(stack)
    if any(stack != found[0] for stack in found):
        raise AssertionError(f"who shares the work must not change what is found: {found}")
    one, two = (min(taken) for taken in seconds.values())
    yield {
        "figure": "workers",
        "value": round(one / two, 2),
        "unit": "x",
        "ratio": round(one / two, 2),
        "against": "one worker",
        "aim": AIM,
        "seconds": {"one": round(one, 1), "two": round(two, 1)},
        "pairs": found[0]["coverage"]["pairs_tried"],
        "cores": len(os.sched_getaffinity(0)),
    }


def _sweep(workers: int) -> tuple[float, dict[str, Any]]:
    """Seconds of real time, and what report.json says of the stack."""
    with tempfile.TemporaryDirectory(prefix="storagefirst-workers-") as folder:
        command = [
            *(sys.executable, "-m", "pytest", "-q", "-p", "storagefirst"),
            *("-p", "benchmarks.pairs_only", "-p", "no:cacheprovider", "-n", str(workers)),
            *("--rootdir", str(TEMPLATE.parent), "-c", os.devnull),
            f"--storagefirst-budget={NO_LIMIT_SECONDS}",
            f"--storagefirst-report={folder}/report",
            str(TEMPLATE),
        ]
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "HYPOTHESIS_STORAGE_DIRECTORY": f"{folder}/hypothesis",
        }
        started = time.perf_counter()
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        spent = time.perf_counter() - started
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
        report = json.loads(Path(folder, "report", "report.json").read_text(encoding="utf-8"))
        (stack,) = report["stacks"]
        del stack["seconds"]
        return spent, stack
