"""A replay file played again: the same story on any machine, or "fixed"."""

from __future__ import annotations

from pathlib import Path

from pytest_storagefirst.explore.exploration import describe_entries
from pytest_storagefirst.explore.judge import Judge
from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.explore.result import ReplayResult
from pytest_storagefirst.explore.witness import find_template, read_witness, told
from pytest_storagefirst.ledger.properties import select
from pytest_storagefirst.ledger.verdict import UNKNOWN, VIOLATED
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.settings_file import load_settings


def replay(file: Path, settings: Settings) -> ReplayResult:
    """Play a replay file's schedule and judge it by its property.

    Raises ReplayError when the file or its template can't be used; StorageFirstError as exploring
    the template does. A fault of the file that does not strike any more gives "unknown": then the
    code has changed so far that the schedule no longer says anything.
    """
    named, name, bad, schedule = read_witness(file)
    select([name])
    template = find_template(named, file)
    prepared = prepare(template, load_settings(template, settings))
    judge = Judge(prepared.deployed, [name])
    describe_entries(judge, prepared.deployed.entries)
    judged = judge.judge(schedule, bad)
    verdict = judged.verdicts[name]
    observation = judged.played.observation
    unfired = sorted(set(observation.faults_required) - set(observation.faults_fired))
    value, why = verdict.value, verdict.why
    if value != VIOLATED and unfired:
        value = UNKNOWN
        why = f"the fault {unfired[0]!r} does not strike any more: run the whole test again"
    return ReplayResult(named.as_posix(), name, value, why, told(judged, verdict))
