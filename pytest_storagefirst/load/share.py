"""One process's share of a run's messages: sent, and reported of.

Imported in the Locust process alone.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from gevent import get_hub

from pytest_storagefirst.errors import LoadError
from pytest_storagefirst.load.arrivals import arrivals
from pytest_storagefirst.load.journal import Journal, journal_folder
from pytest_storagefirst.load.plan import Plan
from pytest_storagefirst.load.sender import LATENCY, Dispatcher, Send
from pytest_storagefirst.load.standing import journal_of


class Share:
    """Of the worker that `plan.workers` calls `name`; one that isn't there has nothing to send.

    `request` is Locust's event, which its own statistics are made of.
    """

    def __init__(self, plan: Plan, name: str, request: Any) -> None:
        self.plan = plan
        self._number = plan.workers.index(name) if name in plan.workers else None
        self._fire = partial(request.fire, request_type=plan.way.service or "HTTP")
        self._dispatcher: Dispatcher | None = None
        self._problem = ""

    @property
    def has_begun(self) -> bool:
        return self._dispatcher is not None

    def send_all(self, send: Send) -> None:
        """Send each message at its moment; returns when the last is under way. Only once."""
        number, plan = self._number, self.plan
        if number is None or self._dispatcher is not None or self._problem:
            return  # it came too late to be dealt anything, or began before
        count = len(plan.workers)
        path = journal_of(journal_folder(Path.cwd(), plan.run), number)
        expected = plan.profile.expected_requests / count
        try:  # in a thread of its own: on a slow disk this process would seem to be gone
            journal = get_hub().threadpool.apply(Journal, (path, plan.run, number, expected))
        except LoadError as error:
            self._problem = error.line
            return
        self._dispatcher = Dispatcher(
            run=plan.run,
            worker=number,
            due=(one for one in arrivals(plan.profile, plan.run, count) if one.worker == number),
            at_once=plan.profile.at_once,
            send=send,
            journal=journal,
            told=self._tell_locust,
        )
        self._dispatcher.work()

    def stop(self) -> None:
        """No more messages are sent."""
        if self._dispatcher is not None:
            self._dispatcher.stop()

    def finish(self) -> None:
        """Send no more, and wait for the answers to what is under way."""
        if self._dispatcher is not None:
            self._dispatcher.finish(self.plan.profile.timeout_seconds + 1)

    def report(self) -> dict[str, Any] | None:
        """What the master is told; None: nothing yet."""
        if self._problem:
            return {"run": self.plan.run, "worker": self._number, "problem": self._problem}
        return self._dispatcher.report() if self._dispatcher is not None else None

    def _tell_locust(self, what: str, milliseconds: float, failed: Exception | None) -> None:
        late = " from its due moment" if what == LATENCY else ""
        self._fire(
            name=f"{self.plan.way.name}{late}",
            response_time=milliseconds,
            response_length=0,
            exception=failed,
            context={},
        )
