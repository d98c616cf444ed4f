"""Every blueprint is sound, is found out without what makes it safe, and has its page."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from pytest_storagefirst.explore.exploration import explore
from pytest_storagefirst.explore.result import StackResult, Violated
from pytest_storagefirst.explore.stack import open_stack
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.settings_file import load_settings
from pytest_storagefirst.stack.locating import BLUEPRINTS

PAGES = Path(__file__).parents[1] / "docs" / "blueprints"
NAMES = sorted(folder.parent.name for folder in BLUEPRINTS.glob("*/template.yaml"))

REPORT = r"            FunctionResponseTypes:\n +- ReportBatchItemFailures\n"
LETTERS = r"      RedrivePolicy:\n +deadLetterTargetArn: .+\n( +maxReceiveCount: 5\n)?"
DESTINATION = r"            DestinationConfig:\n( {14,}.+\n)+"
OUTAGE = "Worker: http POST https://payments.example/charges #1: http-500 for 840 s"
NO_WRITES = "Worker: dynamodb.PutItem #1: refused(access-denied)"

# What is taken away: the file, a pattern, what stands in its place. Then a fault that shows it.
UNSAFE = {
    "api-queue-table": ("template.yaml", REPORT, "", NO_WRITES),
    "rest-queue-table": (
        "template.yaml",
        r'statusCode: "500"',
        'statusCode: "200"',
        "POST /messages: request #1: storage-refused(server-error)",
    ),
    "api-bucket-table": ("template.yaml", REPORT, "", NO_WRITES),
    "api-bus-table": (
        "template.yaml",
        r" +DeadLetterConfig:\n.+\n",
        "",
        "Bus: delivery #1: target-refused(access-denied)",
    ),
    "api-stream-table": ("template.yaml", DESTINATION, "", f"{NO_WRITES} for 90000 s"),
    "api-table-stream": ("template.yaml", DESTINATION, "", f"{NO_WRITES} for 90000 s"),
    "topic-fanout": (
        "template.yaml",
        LETTERS,
        "",
        "Topic: delivery #1: target-refused(access-denied)",
    ),
    "iot-queue-table": (
        "template.yaml",
        r"        ErrorAction:\n( {10,}.+\n)+",
        "",
        "Rule: delivery #1: target-refused",
    ),
    "feature-flags": (
        "src/app.py",
        r"raise Paused\(body\)",
        "return",
        "Worker: appconfigdata.GetLatestConfiguration #1: flag-flipped(Flags.processing)",
    ),
    "api-fifo-table": ("src/app.py", r"stopped\.add\(sender\)", "pass", NO_WRITES),
    "load-levelling": (
        "src/app.py",
        r"time\.sleep\(.+\)",
        "pass",
        "Worker: http POST https://partner.example/calls #1: http-429",
    ),
    "breaker-in-handler": ("src/app.py", r"(except Open:\n +)failures.+", r"\1pass", OUTAGE),
    "breaker-powertools": (
        "src/app.py",
        r"(except CircuitBreakerOpenError:\n +)failures.+",
        r"\1pass",
        OUTAGE,
    ),
    "breaker-mapping": (
        "src/trial.py",
        r" +functions\.update_event_source_mapping\(.+\n",
        "",
        OUTAGE,
    ),
    "breaker-automatic": (
        "breaker.asl.json",
        r'"BooleanEquals": true, "Next": "Close"',
        '"BooleanEquals": true, "Next": "Open"',
        "HealthCheck: http GET https://payments.example/health #1: http-500 for 840 s",
    ),
}
LEVELLED = "load-levelled"
# By what it is found out, where that is no loss, and how many messages that takes, if not two.
FOUND_BY = {
    "api-fifo-table": "order-preserved",
    "breaker-automatic": "circuit",
    "breaker-mapping": "circuit",
    "load-levelling": LEVELLED,
}
SENT = {"load-levelling": 5}


@cache
def explored(name: str) -> StackResult:
    """All single faults, as in the zoo."""
    template = BLUEPRINTS / name / "template.yaml"
    return explore(template, replace(load_settings(template), budget_seconds=0))


@pytest.mark.parametrize("name", NAMES)
def test_a_blueprint_is_sound(name):
    verdicts = {one.name: (one.verdict, one.why) for one in explored(name).properties}
    assert verdicts["no-message-loss"][0] == "ok"
    assert {verdict for verdict, _ in verdicts.values()} <= {"ok", "not-applicable"}, verdicts


@pytest.mark.parametrize("name", ["api-bucket-table", "api-stream-table", "api-table-stream"])
def test_a_bad_message_is_found_where_storing_it_leaves_something(name):
    assert not [note for note in explored(name).notes if "stands for a bad one" in note]


def test_load_levelling_is_shown_by_a_burst():
    (levelled,) = [one for one in explored("load-levelling").properties if one.name == LEVELLED]
    assert levelled.verdict == "ok"
    assert {url for url, _, _ in levelled.calls} == {"https://partner.example/calls"}
    assert sum(count for *_, count in levelled.calls) == 60
    assert max(count for *_, count in levelled.calls) == 4


@pytest.mark.parametrize("name", NAMES)
def test_a_blueprint_without_what_makes_it_safe_is_found_out(name, tmp_path):
    file, pattern, instead, fault = UNSAFE[name]
    folder = shutil.copytree(BLUEPRINTS / name, tmp_path / name)
    text = (folder / file).read_text(encoding="utf-8")
    changed, count = re.subn(pattern, instead, text)
    assert count
    (folder / file).write_text(changed, encoding="utf-8")

    def judged(template: Path) -> None:
        with open_stack(template, load_settings(template)) as stack:
            stack.inject(fault)
            for _ in range(SENT.get(name, 2)):
                stack.send()
            stack.run()
            found_by = FOUND_BY.get(name, "no-message-loss")
            if found_by == "circuit":  # it shows when all is well again, and one more comes
                stack.heal()
                stack.send()
                stack.run()
            stack.verify(found_by)

    judged(BLUEPRINTS / name / "template.yaml")
    with pytest.raises(Violated):
        judged(folder / "template.yaml")


@pytest.mark.parametrize("name", NAMES)
def test_a_blueprint_has_a_page_whose_sample_runs(name):
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    [sample] = re.findall(r"```python\n(.+?)```", page, re.DOTALL)
    found: dict[str, object] = {}
    exec(compile(sample, f"{name}.md", "exec"), found)

    [test] = [value for key, value in found.items() if key.startswith("test_")]
    test(lambda template, **more: open_stack(template, Settings(), **more))


def test_each_page_is_a_blueprints_and_in_the_index():
    pages = {page.stem for page in PAGES.glob("*.md")} - {"index"}
    index = (PAGES / "index.md").read_text(encoding="utf-8")

    assert pages == set(NAMES) == set(UNSAFE)
    assert set(re.findall(r"\]\(([\w-]+)\.md\)", index)) == pages
