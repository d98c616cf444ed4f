"""`audit:<rule>` items: one for each rule that finds something in a template."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pytest_storagefirst.ledger import judgements
from pytest_storagefirst.ledger.properties import registered

ANIMAL = Path(__file__).parents[1] / "zoo" / "rest-default-200"
assert judgements  # registers them; now, as each test gives back the modules that it imports
PROPERTIES = len(registered())
RULE = "audit:default-response-200"
METADATA = '    Metadata: {StorageFirst: {suppress: [{rule: "%s", reason: "%s"}]}}\n'


@pytest.fixture
def here(pytester: pytest.Pytester) -> Path:
    shutil.copytree(ANIMAL / "defective", pytester.path, dirs_exist_ok=True)
    return pytester.path


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess(
        "-p", "storagefirst", "--storagefirst-budget=0", "template.yaml", *arguments
    )


def properties(here: Path, directory: str = "out") -> dict[str, dict[str, object]]:
    value = json.loads((here / directory / "report.json").read_text(encoding="utf-8"))
    (stack,) = value["stacks"]
    return {one["name"]: one for one in stack["properties"]}


def test_a_rule_that_finds_something_is_an_item(pytester, here):
    done = run(pytester, "--collect-only", "-q")

    items = [line for line in done.outlines if "::" in line]
    assert [item for item in items if "audit:" in item] == [
        f"template.yaml::{RULE}",
        "template.yaml::audit:no-alarm",
    ]
    assert len(items) > 2


def test_a_finding_that_a_run_shows_fails_and_advice_is_skipped(pytester, here):
    done = run(pytester, "-k", "audit", "-rs", "--storagefirst-report=out")

    done.assert_outcomes(failed=1, skipped=1, deselected=PROPERTIES)
    done.stdout.fnmatch_lines(
        [
            f"{RULE}: template.yaml:*(Api): POST /bookings answers 200 *no-message-loss: m1 *",
            "*FAULT  POST /bookings: request #1: storage-refused*",
            "do:",
            "*statusCode: '500'",
            "again: pytest -p storagefirst --storagefirst-replay=*",
            "*SKIPPED*advice: template.yaml:* no alarm tells*",
        ]
    )
    found = properties(here)
    assert set(found) == {RULE, "audit:no-alarm"}
    one = found[RULE]
    assert one["verdict"] == "violated"
    assert one["rule"] == "default-response-200"
    assert one["resource"] == "Api"
    assert one["severity"] == "error"
    assert str(one["page"]).startswith("https://docs.aws.amazon.com/")
    assert one["remedy"]
    assert one["lost"] == ["m1"]
    assert found["audit:no-alarm"]["verdict"] == "not-applicable"
    assert str(found["audit:no-alarm"]["why"]).startswith("advice: ")

    again = pytester.runpytest_subprocess(
        "-p", "storagefirst", f"--storagefirst-replay=out/{one['witness']}"
    )
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["*no-message-loss: m1 was acknowledged*"])


def test_an_item_is_chosen_by_its_name(pytester, here):
    done = pytester.runpytest_subprocess("-p", "storagefirst", f"template.yaml::{RULE}")

    done.assert_outcomes(failed=1)


def test_both_kinds_stand_in_one_report(pytester, here):
    run(pytester, "-k", "audit or no-message-loss", "--storagefirst-report=out")

    found = properties(here)
    assert found["no-message-loss"]["verdict"] == "violated"
    assert found[RULE]["verdict"] == "violated"


def test_workers_share_what_was_found(pytester, here):
    pytest.importorskip("xdist")
    done = run(pytester, "-n2", "--storagefirst-report=out")

    found = properties(here)
    assert found[RULE]["verdict"] == "violated"
    assert found["drains"]["verdict"] == "ok"
    done.assert_outcomes(failed=2, passed=4, skipped=PROPERTIES - 5 + 1)


@pytest.mark.parametrize(
    ("chosen", "items"),
    [
        ('["audit"]', {RULE, "audit:no-alarm"}),
        (f'["{RULE}"]', {RULE}),
        ('["no-message-loss"]', {"no-message-loss"}),
        (f'["drains", "{RULE}"]', {"drains", RULE}),
        ('["audit:no-dlq"]', set()),
    ],
)
def test_settings_choose(pytester, here, chosen, items):
    file = here / "storagefirst.toml"
    file.write_text(f"properties = {chosen}\n" + file.read_text(encoding="utf-8"))

    done = run(pytester, "--collect-only", "-q")

    found = {line.partition("::")[2] for line in done.outlines if "::" in line}
    assert found == items


def test_a_rule_that_does_not_exist_is_refused(pytester, here):
    file = here / "storagefirst.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text('properties = ["audit:no-dlk"]\n' + text)

    done = run(pytester)

    done.stdout.fnmatch_lines(["*storagefirst.toml:1: no such property*", "*audit:no-dlq*"])
    done.assert_outcomes(errors=1)


def suppressed(here: Path, rule: str, reason: str) -> int:
    """Returns the line of the suppression."""
    file = here / "template.yaml"
    text = file.read_text(encoding="utf-8")
    head = "  Api:\n    Type: AWS::Serverless::Api\n"
    assert head in text
    file.write_text(text.replace(head, head + METADATA % (rule, reason)), encoding="utf-8")
    return text[: text.index(head)].count("\n") + 3


def test_what_is_suppressed_is_no_item(pytester, here):
    suppressed(here, "default-response-200", "the sender looks at the body")

    done = run(pytester, "--collect-only", "-q")

    assert not [line for line in done.outlines if RULE in line]
    assert [line for line in done.outlines if "audit:no-alarm" in line]


def test_a_suppression_of_nothing_is_refused_with_its_line(pytester, here):
    line = suppressed(here, "default-response-201", "because")

    done = run(pytester, "--storagefirst-report=out")

    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines([f"*template.yaml:{line} (Api): no such rule*"])
    done.stdout.fnmatch_lines(["*default-response-200*"])


def test_shards_are_merged_with_their_audits(pytester, here):
    from click.testing import CliRunner

    from pytest_storagefirst.cli import main

    for part in (1, 2):
        run(pytester, f"--storagefirst-shard={part}/2", f"--storagefirst-report=part{part}")
    done = CliRunner().invoke(
        main, ["merge", "part1/report.json", "part2/report.json", "--report", "out"]
    )

    assert done.exit_code == 1
    found = properties(here)
    assert found[RULE]["verdict"] == "violated"
    assert found[RULE]["rule"] == "default-response-200"
    assert (here / "out" / str(found[RULE]["witness"])).is_file()
    assert found["audit:no-alarm"]["verdict"] == "not-applicable"


def test_a_stack_that_can_not_be_run_is_still_advised(pytester, here):
    file = here / "template.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("python3.13", "nodejs22.x"), encoding="utf-8")

    done = run(pytester, "--storagefirst-report=out")

    found = properties(here)
    assert found["no-message-loss"]["verdict"] == "unknown"
    assert found[RULE]["verdict"] == "violated"  # the front door needs no handler
    assert found["audit:no-alarm"]["verdict"] == "not-applicable"
    done.assert_outcomes(failed=PROPERTIES + 1, skipped=1)


def test_a_sound_stack_fails_by_nothing(pytester):
    shutil.copytree(ANIMAL / "sound", pytester.path, dirs_exist_ok=True)

    done = run(pytester)

    assert done.ret == 0
