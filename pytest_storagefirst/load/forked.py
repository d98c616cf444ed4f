"""Worker processes that Locust forked, and that nobody else would end.

Imported in the Locust process alone.
"""

from __future__ import annotations

import os
import time

import gevent
import psutil

PARENT_EVERY_S = 0.5


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


def end_with(parent: int, code: int) -> None:
    """End this worker, and at once, when that parent has ended: nobody hears its reports.

    Locust would have it send on for a minute. What it has sent stands in its journal.
    """

    def watch() -> None:
        while os.getppid() == parent:  # whose children get another one when it dies
            gevent.sleep(PARENT_EVERY_S)
        os._exit(code)

    gevent.spawn(watch)


def _is_running(pid: int) -> bool:
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False
