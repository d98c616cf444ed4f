"""A running drill's sign of life in the stack's lock, by which other machines see that it runs.

On its own machine the journal says so: it is held open. Elsewhere nothing can, but the moment at
which Systems Manager last took the lock's parameter: both that and the present are told by the
service's clock, so that two machines need not agree on the time.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from pytest_storagefirst.chaos import lock
from pytest_storagefirst.chaos.interruptions import Interruptions
from pytest_storagefirst.chaos.journal import is_held
from pytest_storagefirst.errors import DrillError
from pytest_storagefirst.target.target import Target

EVERY_S = 10.0
FRESH_S = 60.0


class SignOfLife:
    """Renews the lock from a thread of its own, as long as the drill is not over.

    A lock that is gone or another's, or that could not be renewed until others may take it for a
    dead drill's, ends the drill: `interruptions` then say why.
    """

    def __init__(self, target: Target, mine: Mapping[str, Any], to: Interruptions) -> None:
        self._target, self._mine, self._interruptions = target, mine, to
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="sign of life", daemon=True)

    def start(self) -> None:
        self._target.session().client("ssm")  # made here: boto3 makes no clients in two threads
        self._thread.start()

    def end(self) -> None:
        """Returns once the lock is renewed no more: whoever lets go of it then is not undone."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _renew(self) -> None:
        renewed_at = time.monotonic()
        while not self._over.wait(EVERY_S):
            with contextlib.suppress(Exception):  # the network may come back
                if not lock.renew(self._target, self._mine):
                    self._interruptions.stop("the stack's lock was taken away from it")
                    return
                renewed_at = time.monotonic()
            if time.monotonic() - renewed_at >= FRESH_S:
                self._interruptions.stop(f"the stack's lock could not be renewed for {FRESH_S:g} s")
                return


def refuse_if_alive(target: Target, name: str, path: Path) -> None:
    """Raises DrillError where the drill `name` holds the lock and is still running elsewhere than
    with the journal `path`.
    """
    found = lock.holder(target)
    if found is None or found.get("id") != name:
        return
    theirs = Path(str(found.get("path", "")))
    is_this_machine = found.get("host") == socket.gethostname()
    if is_this_machine and theirs == path.resolve() and path.is_file():
        return  # who opens it sees whether it is held
    held = is_held(theirs) if is_this_machine else None
    age_s = _silent_for_s(target)
    if held is False or (held is None and age_s >= FRESH_S):
        return
    raise DrillError(
        "the drill that is to be undone is still running",
        where=lock.lock_name(target.stack_name),
        found=f"{found.get('drill')} by {found.get('who')} on {found.get('host')} since "
        f"{found.get('began')}; it gave a sign of life {age_s:.0f} s ago",
        remedy="wait until it ends, or end it there with Ctrl-C: it undoes what it did"
        + ("" if held else f"; if its process is gone, run this again in {FRESH_S - age_s:.0f} s"),
    )


def _silent_for_s(target: Target) -> float:
    """How long ago the lock was renewed."""
    answer = target.session().client("ssm").get_parameter(Name=lock.lock_name(target.stack_name))
    said = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    now = parsedate_to_datetime(said) if said else datetime.now(UTC)
    renewed: datetime = answer["Parameter"]["LastModifiedDate"]
    return max(0.0, (now - renewed).total_seconds())
