"""A cold process to the verdicts of the first example, all its single faults tried."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROUNDS = 3
AIM_SECONDS = 5
TEMPLATE = Path(__file__).parent.parent / "examples" / "orders" / "template.yaml"


def measure() -> Iterator[dict[str, Any]]:
    yield {
        "figure": "first_verdict",
        "value": round(statistics.median(_seconds() for _ in range(ROUNDS)), 2),
        "unit": "s",
        "aim": AIM_SECONDS,
    }


def _seconds() -> float:
    started = time.perf_counter()
    subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("-p", "storagefirst", "--storagefirst-budget=0", str(TEMPLATE)),
        ],
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - started
