"""A project to run pytest in, with an engine whose verdicts the test writes down.

The plugin's shell (collecting, sharing, reporting) is tested apart from exploring: these tests put
the functions below in place of those of `explore.exploration`, `explore.replay`, `explore.stack`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

# Collected where there is something to try: `make survey` says where.
collect_ignore = [] if os.environ.get("STORAGEFIRST_CORPUS") else ["test_public_templates.py"]

ENGINE = """
import contextlib, json, logging, os, sys, time, types
from pathlib import Path
from contextlib import contextmanager
from dataclasses import replace
import pytest_storagefirst.report.progress
from pytest_storagefirst.errors import FaultError, TemplateError
from pytest_storagefirst.explore.coverage import Cell, Coverage
from pytest_storagefirst.explore.result import PropertyResult, ReplayResult, StackResult
from pytest_storagefirst.ledger.properties import registered

HERE = Path(__file__).parent
STORY = ("0.000  m1 sent to POST /orders", "0.031  FAULT  Worker: crash")

def behaviour():
    return json.loads((HERE / "behaviour.json").read_text())

if any("steps" in told for told in behaviour().values()):  # each is shown
    pytest_storagefirst.report.progress.BAR_SECONDS = 0
    pytest_storagefirst.report.progress.LINE_SECONDS = 0

def explore(template, settings, progress, crew):
    with open(HERE / "explored.log", "a") as log:
        log.write(json.dumps([template.name, settings.seed, settings.max_faults,
            settings.budget_seconds, settings.shard, settings.parameters]) + "\\n")
    told = behaviour().get(template.name, {})
    for number in range(told.get("die", 0)):  # so many processes, however they race
        with contextlib.suppress(FileExistsError):
            (HERE / f"died{number}").touch(exist_ok=False)
            os._exit(17)
    if told.get("refuse"):
        raise TemplateError("has no Resources", where=f"{template.name}:1", remedy="write some")
    if told.get("crash"):
        {}["a key of ours"]
    if told.get("exit"):
        sys.exit("a handler left")
    if told.get("wait") == "standing up":
        (HERE / "waiting").touch()
        while True:
            time.sleep(0.01)
    for number in range(told.get("logs", 0)):
        logging.getLogger("library").warning("line %d", number)
    for run in range(told.get("steps", 0)):
        progress(run + 1, told["steps"], "pairs")
    results = []
    for name in settings.properties or registered():
        if name in told.get("silent", ()):
            continue
        verdict, why = told.get(name, ["ok", ""])
        failing = verdict == "violated"
        results.append(PropertyResult(name, verdict, why, runs=214, faults_tried=71,
            lost=("m1",) if failing else (),
            story=STORY if failing else (),
            witness={"schedule": [name]} if failing else None))
    found = StackResult("ignored", tuple(results), notes=tuple(told.get("notes", ())),
        inert=("Alarm (AWS::CloudWatch::Alarm)",), seconds=1.25, shard=settings.shard,
        coverage=Coverage((Cell("Worker: dynamodb.PutItem #1", "stale", "never fired"),),
            sometimes={"redelivery": 3, "dead letter": 0}))
    if told.get("wait") == "running":
        progress(1, None, "pairs")
        (HERE / "waiting").touch()
        try:
            while True:
                try:
                    time.sleep(0.01)
                except:  # a handler that swallows whatever comes
                    (HERE / "swallowed").touch()
                progress(2, None, "pairs")
        except KeyboardInterrupt:
            return unfinished(found)
    if told.get("wait") == "concluding":
        progress(1, None, "pairs")
        (HERE / "waiting").touch()
        while not progress.asked:
            time.sleep(0.01)
    return found

def unfinished(found):
    return replace(found, interrupted=True, properties=tuple(
        replace(one, verdict="unknown", why="interrupted after 214 runs, all of them ok")
        if one.verdict == "ok" else one for one in found.properties))

def replay(file, settings):
    told = behaviour()["replay"]
    if told == "refuse":
        raise TemplateError("is no replay file", where=file.name)
    return ReplayResult("template.yaml", "no-message-loss", *told)

def judge(schedule, properties, settings):
    return [PropertyResult(name, *schedule) for name in properties or ["no-message-loss"]]

@contextmanager
def open_stack(template, settings, handlers=None):
    def inject(text):
        raise FaultError("this is not a fault", found=text)
    yield types.SimpleNamespace(
        template=template, settings=settings, handlers=handlers, inject=inject)

for module, names in {
    "exploration": [explore], "replay": [replay], "stack": [open_stack],
    "verifying": [judge],
}.items():
    fake = types.ModuleType(f"pytest_storagefirst.explore.{module}")
    for function in names:
        setattr(fake, function.__name__, function)
    sys.modules[fake.__name__] = fake
"""


class Project:
    """A folder with templates, and pytest runs in it."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path = pytester.path
        pytester.makeconftest(ENGINE)
        self.behaves({})

    def behaves(self, behaviour: dict[str, Any]) -> None:
        """What the engine says, by template name; all properties hold where nothing is said."""
        (self.path / "behaviour.json").write_text(json.dumps(behaviour))

    def write(self, name: str, text: str = "Resources: {}\n") -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def run(self, *arguments: str) -> pytest.RunResult:
        """pytest in a process of its own, with the plugin asked for by name."""
        return self.pytester.runpytest_subprocess("-p", "storagefirst", *arguments)

    def run_plainly(self, *arguments: str) -> pytest.RunResult:
        """pytest in a process of its own, as installed."""
        return self.pytester.runpytest_subprocess(*arguments)

    def explorations(self) -> list[list[Any]]:
        """One entry for each exploration that was begun, in any process."""
        log = self.path / "explored.log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def report(self, directory: str = "out") -> dict[str, Any]:
        value: dict[str, Any] = json.loads((self.path / directory / "report.json").read_text())
        return value


@pytest.fixture
def project(pytester: pytest.Pytester) -> Project:
    return Project(pytester)
