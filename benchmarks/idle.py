"""What `-p storagefirst` adds to a pytest that has nothing for it to do."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROUNDS = 15
AIM_MILLISECONDS = 50


def measure() -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        test = Path(folder) / "test_nothing.py"
        test.write_text("def test_nothing():\n    pass\n", encoding="utf-8")
        # Autoload is off in both, so that one run has the plugin and the other has not.
        plain = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)]
        with_plugin = [*plain, "-p", "storagefirst"]
        _seconds(plain, folder)
        _seconds(with_plugin, folder)
        pairs = [(_seconds(plain, folder), _seconds(with_plugin, folder)) for _ in range(ROUNDS)]
    added = statistics.median(with_it - without for without, with_it in pairs) * 1000
    base = statistics.median(without for without, _ in pairs) * 1000
    yield {
        "figure": "idle",
        "value": round(added, 1),
        "unit": "ms",
        "ratio": round((base + added) / base, 3),
        "against": "plain pytest",
        "aim": AIM_MILLISECONDS,
    }


def _seconds(command: list[str], folder: str) -> float:
    started = time.perf_counter()
    subprocess.run(
        command,
        cwd=folder,
        check=True,
        capture_output=True,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )
    return time.perf_counter() - started
