"""A replay file played again: the same story on any machine, or "fixed"."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_storagefirst.errors import ReplayError
from pytest_storagefirst.explore.bodies import describe_entries
from pytest_storagefirst.explore.content import play_for_content
from pytest_storagefirst.explore.judge import Judge, Judged
from pytest_storagefirst.explore.keys import play_for_keys
from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.explore.result import ReplayResult
from pytest_storagefirst.explore.stand_in import stand_in
from pytest_storagefirst.explore.witness import (
    Witness,
    find_template,
    named,
    read_witness,
    told,
)
from pytest_storagefirst.ledger.verdict import NOT_APPLICABLE, OK, UNKNOWN, VIOLATED, Verdict
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.settings_file import load_settings

REDRIVE = "redrive-completes"
AGAIN = "run the whole test again"


def replay(file: Path, settings: Settings) -> ReplayResult:
    """Play a replay file's schedule and judge it by its property.

    Raises ReplayError when the file or its template can't be used; StorageFirstError as exploring
    the template does. Where the code has changed so far that the schedule no longer says anything
    (its fault strikes nothing, its bad message is no longer bad), the verdict is "unknown".
    """
    witness = read_witness(file)
    template = find_template(witness.template, file)
    settings = load_settings(template, settings)
    settings = replace(settings, parameters={**witness.parameters, **settings.parameters})
    prepared = prepare(template, settings, _stand_ins(witness, settings))
    judge = Judge(prepared.deployed, [witness.property_name])
    _check_entries(judge, witness, file)
    describe_entries(judge, prepared.deployed.entries)
    judged = _judged(judge, witness)
    verdict = judged.verdicts[witness.property_name]
    observation = judged.played.observation
    unfired = sorted(set(observation.faults_required) - set(observation.faults_fired))
    value, why = verdict.value, named(verdict.why, judged)
    if value != VIOLATED and unfired:
        value = UNKNOWN
        why = f"the fault “{unfired[0]}” does not strike any more: {AGAIN}"
    elif value == NOT_APPLICABLE and witness.property_name == REDRIVE and _is_clean(judged):
        value, why = OK, "all that was sent is processed, so that there is nothing to redrive"
    elif value == NOT_APPLICABLE:
        value = UNKNOWN
        why = f"this schedule does not show it any more ({why}): {AGAIN}"
    elif value == UNKNOWN and _is_refused_to_all(judged):
        harm = "changed" if witness.kept else "lost"
        value = OK
        why = f"no sender was told yes any more, so that nothing acknowledged can be {harm}"
    return ReplayResult(
        witness.template.as_posix(),
        witness.property_name,
        value,
        why,
        told(judged, verdict, witness.bad),
    )


def _is_clean(judged: Judged) -> bool:
    return judged.account is not None and judged.account.clean


def _is_refused_to_all(judged: Judged) -> bool:
    """Whether the front door says what is so, where it said yes before.

    By a definite no or by a failure of its own (5xx): both make a sender send again. One that says
    so to everybody, without any fault, was refused when its entries were described. A run that is
    judged by content, or by its key, has no account: its one message is refused, or no answer came.
    """
    if judged.account is None:
        kinds = {event.kind for event in judged.played.observation.history}
        return "rejected" in kinds and "acknowledged" not in kinds
    account = judged.account
    return account is not None and bool(account.attempted) and not account.acknowledged


def _stand_ins(witness: Witness, settings: Settings) -> dict[str, Callable[..., Any] | str]:
    """For the functions that had one; the user may have given a better one meanwhile."""
    return {name: stand_in for name in witness.stand_ins if name not in settings.functions}


def _judged(judge: Judge, witness: Witness) -> Judged:
    if witness.schedule.names_keys:
        judged = play_for_keys(judge, witness.schedule)
        nothing = Verdict(UNKNOWN, f"an object with such a key says nothing any more: {AGAIN}")
        verdict = next(iter(judged.verdicts.values()), nothing)
        return replace(judged, verdicts={witness.property_name: verdict})
    if witness.kept:
        return play_for_content(judge, witness.schedule, witness.kept)
    return judge.judge(witness.schedule, witness.bad)


def _check_entries(judge: Judge, witness: Witness, file: Path) -> None:
    known = [entry.name for entry in judge.deployed.entries]
    for send in witness.schedule.workload:
        if send.entry not in known:
            raise ReplayError(
                "the replay file sends through an entry that the stack no longer has",
                where=str(file),
                found=send.entry,
                expected=", ".join(known),
                remedy=f"{AGAIN}; it writes a new file",
            )
