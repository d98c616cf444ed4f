"""What is mutated, and what must come of each mutant: an error of ours, or a verdict."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from mutations.mutating import STRANGE, changed_data, changed_text
from pytest_storagefirst.errors import StorageFirstError
from pytest_storagefirst.explore.outcome import explore_template, replay_schedule
from pytest_storagefirst.explore.refused_bodies import toml
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.stack.document import read_document

ROOT = Path(__file__).parent.parent
QUICK = Settings(budget_seconds=0, max_faults=0)
ERROR, VERDICT = "error", "verdict"
_MOST_COPIED = 20_000_000  # bytes of what lies beside a template


class Defect(AssertionError):
    """Something that a user must never see."""


@dataclass(frozen=True)
class Subject:
    """A kind of file. `mutant` writes one into a folder, `judged` says what came of it: "error" or
    "verdict". Both may be called for any of the `sources`. Raises Defect."""

    name: str
    sources: tuple[Path, ...]
    mutant: Callable[[Path, Path, Random], Path]
    judged: Callable[[Path], str]


def subjects(templates: tuple[Path, ...], replays: Path, reports: Path) -> dict[str, Subject]:
    """All kinds. `replays` and `reports` hold files of a run, made beforehand."""
    settings = tuple(
        path / "storagefirst.toml"
        for path in sorted({one.parent for one in templates})
        if (path / "storagefirst.toml").is_file()
    )
    drills = tuple(sorted((ROOT / "chaos").glob("*.toml")))
    known = (
        Subject("template", templates, _template, _explored),
        Subject("settings", settings, _settings, _explored),
        Subject("body", settings, _body, _explored),
        Subject("sample event", settings, _sample, _begun),
        Subject("message", templates[:1], _number, _sent),
        Subject("replay", tuple(sorted(replays.glob("*.json"))), _beside, _replayed),
        Subject("report", (reports / "one.json",), _shards, _merged),
        Subject("profiles", (ROOT / "load/profiles.toml",), _alone, _profiles),
        Subject("drill", drills, _alone, _drill),
    )
    return {one.name: one for one in known}


# --- mutants -------------------------------------------------------------------------------------


def _stack(template: Path, folder: Path) -> Path:
    """A copy of a template with what lies beside it."""
    size = sum(path.stat().st_size for path in template.parent.rglob("*") if path.is_file())
    ignored = shutil.ignore_patterns(".git", "node_modules", "__pycache__", ".storagefirst")
    if size < _MOST_COPIED:
        shutil.copytree(template.parent, folder, dirs_exist_ok=True, ignore=ignored)
    else:
        shutil.copy(template, folder)
    return folder / template.name


def _template(source: Path, folder: Path, random: Random) -> Path:
    copied = _stack(source, folder)
    if random.random() < 0.4:
        copied.write_bytes(changed_text(copied.read_text(encoding="utf-8-sig"), random))
    else:
        changed = changed_data(read_document(copied).value, random)
        copied.write_text(json.dumps(changed), encoding="utf-8")  # JSON is YAML
    return copied


def _settings(source: Path, folder: Path, random: Random) -> Path:
    template = _stack(_template_beside(source), folder)
    _change(folder / source.name, random)
    return template


def _body(source: Path, folder: Path, random: Random) -> Path:
    """The settings as they are, with a body that is strange in part, or wholly."""
    template = _stack(_template_beside(source), folder)
    table = tomllib.loads((folder / source.name).read_text(encoding="utf-8"))
    for entry in table["entry"]:
        body = entry.get("body", {"id": "{unique}"})
        if random.random() < 0.2:
            body = random.choice((*STRANGE, "é" * 150_000, "{" * 5_000, '{"a": NaN}', "\udc80"))
        elif isinstance(body, dict):
            body = changed_data(body, random)
        entry["body"] = body if body is not None else "null"
    (folder / source.name).write_bytes(_toml(table).encode("utf-8", "surrogatepass"))
    return template


def _sample(source: Path, folder: Path, random: Random) -> Path:
    template = _stack(_template_beside(source), folder)
    table = tomllib.loads((folder / source.name).read_text(encoding="utf-8"))
    (folder / source.name).unlink()
    body = json.dumps(table["entry"][0].get("body", {"id": "1"})).replace("{unique}", "o-1")
    sqs = {"eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:1:Queue"}
    event = random.choice(
        (
            {"Records": [{**sqs, "body": body}]},
            {"httpMethod": "POST", "resource": "/messages", "body": body},
            {"source": "a", "detail-type": "b", "detail": json.loads(body)},
            json.loads(body),
        )
    )
    (folder / "event.json").write_text(json.dumps(event))
    _change(folder / "event.json", random)
    return template


def _beside(source: Path, folder: Path, random: Random) -> Path:
    """A replay file beside the template that it names."""
    _stack(ROOT / "examples/orders_broken/template.yaml", folder)
    return _alone(source, folder, random)


def _number(source: Path, folder: Path, random: Random) -> Path:
    """What is sent can be no file: the number that it is drawn by is written down."""
    drawn = folder / "message.txt"
    drawn.write_text(str(random.getrandbits(32)))
    return drawn


def _shards(source: Path, folder: Path, random: Random) -> Path:
    """The report of one shard, changed, and that of the other, as it was."""
    shutil.copy(source.with_name("other.json"), folder)
    return _alone(source, folder, random)


def _alone(source: Path, folder: Path, random: Random) -> Path:
    copied = folder / source.name
    shutil.copy(source, copied)
    _change(copied, random)
    return copied


def _change(file: Path, random: Random) -> None:
    """Change a TOML or JSON file, as text or as data."""
    text = file.read_text(encoding="utf-8")
    if random.random() < 0.4:
        file.write_bytes(changed_text(text, random))
        return
    if file.suffix == ".json":
        changed = changed_data(json.loads(text), random)
        file.write_text(json.dumps(changed), encoding="utf-8")
    else:
        changed = changed_data(tomllib.loads(text), random)
        file.write_bytes(_toml(changed).encode("utf-8", "surrogatepass"))


def _toml(table: dict[str, Any]) -> str:
    return (
        "".join(
            f"{toml({name: value})[2:-2]}\n" for name, value in table.items() if value is not None
        )
        .replace("NaN", "nan")
        .replace("Infinity", "inf")
    )


def _template_beside(settings: Path) -> Path:
    return next(
        path
        for name in ("template.yaml", "template.yml", "template.json")
        if (path := settings.parent / name).is_file()
    )


# --- judgements ----------------------------------------------------------------------------------


def _explored(template: Path) -> str:
    outcome = explore_template(template, template.name, QUICK, template.parent / "replays")
    if outcome.defect:
        raise Defect(outcome.trace)
    for one in outcome.result.properties if outcome.result else ():
        if " crashed: " in one.why:
            raise Defect(f"{one.name}: {one.why}")
    return ERROR if outcome.refusal else VERDICT


def _replayed(file: Path) -> str:
    outcome = replay_schedule(file, QUICK)
    if outcome.defect:
        raise Defect(outcome.trace)
    return ERROR if outcome.refusal else VERDICT


_ENDLESS: list[Any] = []
_ENDLESS.append(_ENDLESS)
_MESSAGES: tuple[Any, ...] = (
    *STRANGE,
    *(b"bytes", "\ud800", "é" * 150_000, "x" * 1_100_000, {"id": "\udc80"}, {1: 2}, {"a": {1, 2}}),
    *(_ENDLESS, object, ("a", 1), {"id": float("nan")}, "[" * 100_000, '{"id": 1e999}', {"": None}),
)


def _sent(drawn: Path) -> str:
    """Messages from Python, to one stack of ours or the other."""
    from pytest_storagefirst.explore.result import PropertyFailure
    from pytest_storagefirst.explore.stack import open_stack
    from pytest_storagefirst.stack.locating import blueprint_names

    random = Random(int(drawn.read_text()))
    blueprint = f"blueprint:{random.choice(blueprint_names())}"

    def send() -> None:
        with open_stack(blueprint, QUICK) as stack:
            for _ in range(random.choice((1, 2))):
                body = random.choice(_MESSAGES)
                if random.random() < 0.3:
                    body = {"id": "{unique}", "field": body}
                stack.send(random.choice(stack.entries), body)
            stack.run()
            try:
                stack.verify()
            except PropertyFailure as failure:
                if " crashed: " in str(failure):
                    raise Defect(str(failure)) from None

    return _raising(send)


def _begun(template: Path) -> str:
    from pytest_storagefirst.init import command

    return _raising(lambda: list(command.init(template, template.parent, force=False)))


def _merged(file: Path) -> str:
    from pytest_storagefirst.report.merged import merge_reports, write_merged
    from pytest_storagefirst.report.terminal import stack_lines, story_lines

    def merge() -> None:
        both = merge_reports([file, file.with_name("other.json")])
        merged = write_merged(both, file.parent / "merged")
        for template, outcome in merged.outcomes.items():
            list(stack_lines(template, outcome, merged.expected[template], verbosity=2))
            list(story_lines(outcome))

    return _raising(merge)


def _profiles(file: Path) -> str:
    from pytest_storagefirst.load.profiles import for_run, read_profiles

    def read() -> None:
        for profile in read_profiles([(file, ())]).values():
            for_run(profile, objectives=("ingest.p99<300ms",), seconds=60)

    return _raising(read)


def _drill(file: Path) -> str:
    from pytest_storagefirst.chaos.drill import read_drill

    return _raising(lambda: read_drill(file))


def _raising(what: Callable[[], Any]) -> str:
    try:
        what()
    except StorageFirstError as error:
        str(error)
        return ERROR
    return VERDICT


def sources(corpus: Path | None = None) -> tuple[Path, ...]:
    """Templates to begin with: ours, and with a folder all of which are found there."""
    own = [*(ROOT / "pytest_storagefirst/stack/blueprints").glob("*/template.yaml")]
    own += [*(ROOT / "tests/zoo").glob("*/*/template.yaml"), ROOT / "examples/orders/template.yaml"]
    if corpus is not None:
        from pytest_storagefirst.survey import templates_in

        own += templates_in(corpus)
    return tuple(sorted(own))


def made_beforehand(folder: Path) -> tuple[Path, Path]:
    """Folders with replay files and a report of a stack that loses messages."""
    from pytest_storagefirst.report.json import write_report

    template = _stack(ROOT / "examples/orders_broken/template.yaml", folder)
    replays, reports = folder / "replays", folder / "report"
    for number, name in enumerate(("one.json", "other.json"), start=1):
        base = replace(QUICK, shard=(number, 2))
        outcome = explore_template(template, template.name, base, replays)
        assert outcome.result is not None, outcome
        names = [one.name for one in outcome.result.properties]
        written = write_report(
            {template.name: outcome}, {template.name: names}, reports, (number, 2)
        )
        written.rename(reports / name)
    assert list(replays.glob("*.json"))
    return replays, reports
