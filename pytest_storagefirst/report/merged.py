"""Several report.json become one: shards of a stack are put together, other stacks side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_storagefirst.errors import ReportError
from pytest_storagefirst.explore.outcome import Outcome, write_replays
from pytest_storagefirst.explore.result import PropertyResult, StackResult
from pytest_storagefirst.ledger.verdict import NOT_APPLICABLE, OK, VIOLATED
from pytest_storagefirst.report.json import write_report
from pytest_storagefirst.report.reading import ReadStack, read_report


@dataclass(frozen=True)
class Merged:
    """What `write_report` takes: the outcome of each template, and what was expected of it."""

    outcomes: Mapping[str, Outcome]
    expected: Mapping[str, tuple[str, ...]]

    @property
    def passes(self) -> bool:
        """Whether every property of every stack was shown to hold, or does not apply."""
        return all(
            one.verdict in (OK, NOT_APPLICABLE)
            for template, outcome in self.outcomes.items()
            for one in outcome.judged(self.expected[template])
        )


def merge_reports(files: Sequence[Path]) -> Merged:
    """Read and merge. Raises ReportError for what can't be read or does not go together."""
    if len(files) < 2:
        raise ReportError(
            "there is nothing to merge",
            where="storagefirst merge",
            found=", ".join(map(str, files)) or "no file",
            expected="two reports or more",
            remedy="storagefirst merge one/report.json two/report.json --report merged",
        )
    known: dict[Path, Path] = {}
    for file in files:
        whole = file.resolve()
        if whole in known:
            raise ReportError(
                "the same file is given twice",
                where="storagefirst merge",
                found=f"{known[whole]} and {file}" if file != known[whole] else str(file),
                expected="each report once",
                remedy="name the report of another shard in its place",
            )
        known[whole] = file
    by_template: dict[str, list[ReadStack]] = {}
    for file in files:
        for stack in read_report(file):
            by_template.setdefault(stack.template, []).append(stack)
    outcomes = {template: _merge(parts) for template, parts in sorted(by_template.items())}
    expected = {
        template: tuple(dict.fromkeys(name for part in parts for name in part.properties))
        for template, parts in by_template.items()
    }
    return Merged(outcomes, expected)


def write_merged(merged: Merged, directory: Path) -> Merged:
    """Write report.json and the replay files into `directory`; return what names the latter there.

    So the folder is whole by itself. A replay file that did not come along with its report is
    still named by where it would be.
    """
    outcomes = {}
    for template, outcome in merged.outcomes.items():
        result = outcome.result or StackResult(template, ())
        told = replace(result, properties=result.properties + outcome.audits)
        written = write_replays(told, directory / "replays")
        outcomes[template] = replace(outcome, replays={**outcome.replays, **written})
    write_report(outcomes, merged.expected, directory)
    return replace(merged, outcomes=outcomes)


def _merge(parts: Sequence[ReadStack]) -> Outcome:
    """One stack's outcome. A part that was refused is as good as missing, and told."""
    _check_divisions(parts)
    judged = [(part, part.outcome.result) for part in parts if part.outcome.result is not None]
    audits, replays = _audits(parts)
    if not judged:
        found = parts[0].outcome
        return replace(found, audits=audits, replays={**found.replays, **replays})
    merged = _merge_judged([result for _, result in judged])
    refused = tuple(
        f"{part.file}: refused: {part.outcome.refusal.splitlines()[0]}"
        for part in parts
        if part.outcome.result is None
    )
    merged = replace(merged, notes=merged.notes + refused)
    replays = {**_replays(merged, judged), **replays}
    return Outcome(result=merged, replays=replays, audits=audits)


def _audits(parts: Sequence[ReadStack]) -> tuple[tuple[PropertyResult, ...], dict[str, str]]:
    """Each audit once, as each shard makes all of them; and where its replay file lies."""
    chosen: dict[str, PropertyResult] = {}
    replays: dict[str, str] = {}
    for part in parts:
        for one in part.outcome.audits:
            known = chosen.get(one.name)
            if known is None or (known.verdict != VIOLATED and one.verdict == VIOLATED):
                chosen[one.name] = one
                if one.name in part.outcome.replays:
                    replays[one.name] = part.outcome.replays[one.name]
    return tuple(chosen.values()), replays


def _merge_judged(results: Sequence[StackResult]) -> StackResult:
    """What is given twice, two runs of one shard, is counted once; what either found is kept."""
    from pytest_storagefirst.explore.merging import merge_results

    found = merge_results(results)
    once = {result.shard: result for result in reversed(results)}
    if len(once) == len(results):
        return found
    counted = merge_results(list(once.values()))
    runs = {one.name: (one.runs, one.faults_tried) for one in counted.properties}
    return replace(
        counted,
        properties=tuple(
            replace(one, runs=runs[one.name][0], faults_tried=runs[one.name][1])
            if one.name in runs
            else one
            for one in found.properties
        ),
        notes=found.notes,
        interrupted=found.interrupted,
    )


def _replays(
    merged: StackResult, judged: Sequence[tuple[ReadStack, StackResult]]
) -> dict[str, str]:
    """Where the replay file of each property lies: in the part that its story comes from."""
    found: dict[str, str] = {}
    for one in merged.properties:
        for part, result in judged:
            same = any(_told(one) == _told(other) for other in result.properties)
            if same and one.story and one.name in part.outcome.replays:
                found.setdefault(one.name, part.outcome.replays[one.name])
    return found


def _told(one: PropertyResult) -> tuple[object, ...]:
    return one.name, one.verdict, one.story


def _check_divisions(parts: Sequence[ReadStack]) -> None:
    """Raise ReportError for shards that leave gaps: of other numbers, or of other versions.

    Another version may try other faults, which it then divides in another way.
    """
    divisions = {part.shard[1]: part for part in parts}
    if len(divisions) > 1:
        raise ReportError(
            "the reports divide this stack in different ways",
            where=parts[0].template,
            found=", ".join(
                f"{part.file}: shard {part.shard[0]}/{part.shard[1]}" for part in divisions.values()
            ),
            expected="shards of one number N, --storagefirst-shard=1/N to N/N",
            remedy="merge the shards of each number apart, or run them again with one N",
        )
    versions = {part.plugin: part for part in parts if part.shard[1] > 1}
    if len(versions) > 1:
        raise ReportError(
            "shards of this stack are from different versions of pytest-storagefirst",
            where=parts[0].template,
            found=", ".join(
                f"{part.file}: {plugin or 'not told'}" for plugin, part in versions.items()
            ),
            expected="one version for all shards, as each divides the faults that it knows",
            remedy="run all shards with the same version",
        )
