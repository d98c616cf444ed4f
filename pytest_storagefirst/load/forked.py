"""Worker processes that Locust forked, and that nobody else would end.

Imported in the Locust process alone.
"""

from __future__ import annotations

import os
import time

import psutil


def end_forked_workers(within_s: float = 3.0) -> None:
    """End those that never met their master: Locust leaves them running, waiting for it.

    They are not waited for here, as Locust does that.
    """
    until = time.monotonic() + within_s
    for child in psutil.Process().children():
        while time.monotonic() < until and _is_running(child.pid):
            time.sleep(0.05)
        if _is_running(child.pid):
            child.kill()


def _is_running(pid: int) -> bool:
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False
