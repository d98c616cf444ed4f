"""One template in a process of its own, for the commands that look at many.

What a handler does to its process (a log's level, a patched module, an exit, an endless loop) is
nobody else's. Run as a module it is that process: a function and its arguments come as a pickle on
standard input, what it returns goes as one into the file that it is told.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

PATIENCE_SECONDS = 240.0  # beyond the budget: standing up, single faults, orders

Template = TypeVar("Template")
Answer = TypeVar("Answer")


class NoAnswer(Exception):
    """The process came to no end, or to another one than its function's; its text says which."""


def for_each(
    templates: Sequence[Template], task: Callable[[Template], Answer], processes: int = 0
) -> Iterator[Answer]:
    """What a task, which calls `apart`, makes of each template, in their order.

    So many at a time; 0: as many as there are processors for this process.
    """
    with ThreadPoolExecutor(processes or len(os.sched_getaffinity(0))) as pool:
        yield from pool.map(task, templates)


def apart(function: Callable[..., Answer], *arguments: object, budget_seconds: float) -> Answer:
    """What a function of a module returns when another process calls it. Raises NoAnswer."""
    patience = budget_seconds + PATIENCE_SECONDS
    with TemporaryDirectory(prefix="storagefirst-") as folder:
        file = Path(folder, "answer")
        try:
            done = subprocess.run(
                [sys.executable, "-m", __name__],
                input=pickle.dumps((file, function, arguments)),
                capture_output=True,
                check=False,
                timeout=patience,
            )
            answer: Answer = pickle.loads(file.read_bytes())
        except subprocess.TimeoutExpired:
            raise NoAnswer(f"it did not come to an end within {patience:g} s") from None
        except FileNotFoundError:
            last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise NoAnswer(f"its process ended with {done.returncode}: {last}") from None
        return answer


def _answer() -> None:
    file, function, arguments = pickle.loads(sys.stdin.buffer.read())
    answer = pickle.dumps(function(*arguments))
    Path(file).write_bytes(answer)


if __name__ == "__main__":
    _answer()
