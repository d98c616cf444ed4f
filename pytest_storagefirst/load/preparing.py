"""What has to be so before a run begins, what is found then, and the message that is sent ahead.

Imported in the Locust process alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pytest_storagefirst.errors import LoadError
from pytest_storagefirst.ledger.circuit import CLOSED
from pytest_storagefirst.load.arrivals import GOOD, message_id
from pytest_storagefirst.load.http_client import NoAnswer, NotSent
from pytest_storagefirst.load.journal import Journal
from pytest_storagefirst.load.outcomes import ACCEPTED
from pytest_storagefirst.load.plan import Plan
from pytest_storagefirst.load.profiles import Profile
from pytest_storagefirst.load.sending import sending
from pytest_storagefirst.load.standing import PILOT, journal_of
from pytest_storagefirst.report.covered import counted
from pytest_storagefirst.target.observe import Sample


def make_folder(folder: Path) -> None:
    """Raises LoadError where no report could be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LoadError(
            "the report can't be written",
            where=str(folder),
            found=error.strerror or str(error),
        ) from None


@dataclass(frozen=True)
class FoundBefore:
    """What stood in the target already when a run began, in words; "" for nothing.

    `in_the_way` is that of it by which the run's own messages can come late or fail.
    """

    told: str = ""
    in_the_way: str = ""


def found_before(sample: Sample | None, profile: Profile) -> FoundBefore:
    """What one look shows before anything is sent; dead letters matter where they are redriven."""
    if sample is None:
        return FoundBefore()
    waiting = (sample.visible or 0) + (sample.in_flight or 0)
    ahead: list[str] = []
    aside: list[str] = []
    if waiting:
        ahead.append(f"the queues were not empty: {counted(waiting, 'message')}")
    if sample.dead:
        redrives = any(one.kind == "redrive" for one in profile.actions)
        (ahead if redrives else aside).append(f"dead-letter queues held {sample.dead}")
    if sample.circuit not in (CLOSED, None):
        ahead.append(f"the circuit was {sample.circuit}")
    return FoundBefore(_when_it_began([*ahead, *aside]), _when_it_began(ahead))


def _when_it_began(found: list[str]) -> str:
    return f"when it began, {', '.join(found)}" if found else ""


def send_pilot(plan: Plan, folder: Path) -> None:
    """Send one message ahead, which is accounted for like all others, in a journal in `folder`.

    Raises LoadError where the journal can't be kept, or the front door does not take it.
    """
    journal = Journal(journal_of(folder, PILOT), plan.run, PILOT, plan.profile.expected_requests)
    journal.sending(0)
    outcome = b""
    try:
        answer = sending(plan)(message_id(plan.run, PILOT, 0), GOOD)
        outcome, found = answer.outcome, f"{answer.why} {_short(answer.content)}"
        journal.answered(0, outcome)
    except (NotSent, NoAnswer) as error:
        found = str(error)
    finally:
        journal.close()
    if outcome != ACCEPTED:
        way = plan.way
        raise LoadError(
            f"the endpoint does not take a message of {way.name}",
            where=way.url or way.service,
            found=found,
            expected="an answer of 2xx that tells of no failure",
            remedy="see that the stack is up, and that [[entry]] in storagefirst.toml has a "
            "body that it takes",
        )


def _short(content: bytes) -> str:
    text = " ".join(content.decode("utf-8", "replace").split())
    return text if len(text) <= 120 else text[:119] + "…"
