"""What one run says, for a test: of a stack played by hand, or of a schedule that was drawn."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from pytest_storagefirst.errors import SimulationError
from pytest_storagefirst.explore.guessed import SHOWS_NOTHING
from pytest_storagefirst.explore.judge import Judged, shows_nothing
from pytest_storagefirst.explore.result import PropertyResult
from pytest_storagefirst.explore.standing import standing
from pytest_storagefirst.explore.targeting import guide
from pytest_storagefirst.explore.witness import told, witness_document
from pytest_storagefirst.ledger.properties import select
from pytest_storagefirst.ledger.verdict import NOT_APPLICABLE, OK, UNKNOWN, VIOLATED
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.settings_file import load_settings
from pytest_storagefirst.simulation.schedule import Schedule
from pytest_storagefirst.stack.locating import template_path


def result_of(
    name: str, judged: Judged, in_vain: Collection[str] = (), *, drawn: bool = False
) -> PropertyResult:
    """What one run says of a property.

    `in_vain` are the entries through which a body came that was guessed and leaves no effect: a run
    with one shows nothing, as in an exploration. `drawn`: nobody chose the faults, so that to show
    nothing is no fault of the stack's.
    """
    verdict = judged.verdicts[name]
    if drawn and verdict.value == UNKNOWN and shows_nothing(judged, verdict):
        verdict = replace(verdict, value=NOT_APPLICABLE)
    if verdict.value == OK and in_vain:
        verdict = replace(verdict, value=UNKNOWN, why=SHOWS_NOTHING)
    return PropertyResult(
        name,
        verdict.value,
        verdict.why,
        runs=1,
        faults_tried=len(judged.played.observation.faults_fired),
        lost=verdict.messages,
        story=told(judged, verdict) if verdict.value in (VIOLATED, UNKNOWN) else (),
    )


def judge(
    schedule: Schedule, properties: tuple[str, ...], settings: Settings
) -> list[PropertyResult]:
    """Play a schedule that `schedules(template)` drew, and say what each property makes of it.

    A fault of the schedule that finds nothing to strike in this run says nothing against the stack,
    so it is not asked for.
    """
    if not isinstance(schedule, Schedule) or not schedule.template:
        raise SimulationError(
            "this is no schedule of a template",
            where="storagefirst.verify(schedule)",
            found=repr(schedule)[:100],
            expected='what @given(schedule=schedules("template.yaml")) draws',
            remedy='for a run by hand, write: with storagefirst("template.yaml") as stack',
        )
    entries = select(properties)
    found = standing(
        schedule.template, load_settings(template_path(schedule.template), settings)
    ).free()
    judged = found.judge.judge(schedule)
    struck = judged.played.observation.faults_fired
    if len(struck) < len(schedule.plan):
        plan = tuple(fault for fault in schedule.plan if str(fault) in struck)
        judged = found.judge.judge(replace(schedule, plan=plan))
    guide(judged)
    template = template_path(schedule.template)
    in_vain = found.guessed_in(schedule.workload)
    results = [result_of(entry.name, judged, in_vain, drawn=True) for entry in entries]
    return [_with_witness(result, judged, template) for result in results]


def _with_witness(result: PropertyResult, judged: Judged, template: Path) -> PropertyResult:
    if result.verdict != VIOLATED:
        return result
    document = witness_document(template, result.name, judged, frozenset(), result.story)
    return replace(result, witness=document)
