"""What a run leaves for people and machines beside its terminal: however it was run, once."""

from __future__ import annotations

import html
import json
import re
import shlex
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pytest_storagefirst.ledger.properties import registered
from pytest_storagefirst.report.stack_html import stacks_page
from tests.unit.report.outline import outline_of, words_of

ITEMS = len(registered())
VIOLATED = {"template.yaml": {"drains": ["violated", "it spins"]}}
ORDERS_BROKEN = Path(__file__).parents[2] / "examples/orders_broken"
WORKERS = ["-n0", "-n2"]


@pytest.fixture(params=WORKERS)
def workers(request):
    return request.param


@pytest.fixture
def summary(tmp_path, monkeypatch):
    file = tmp_path / "step-summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(file))
    return file


def properties_of(file):
    """By name of the test case, its JUnit properties."""
    return {
        case.get("name"): {one.get("name"): one.get("value") for one in case.iter("property")}
        for case in ElementTree.parse(file).iter("testcase")
    }


def test_a_page_stands_beside_the_document(project, workers):
    project.write("template.yaml")
    project.behaves(VIOLATED)

    result = project.run(workers, "template.yaml", "--storagefirst-report=out")

    result.stdout.fnmatch_lines(["report: out/report.html (report.json beside it)"])
    text = (project.path / "out" / "report.html").read_text(encoding="utf-8")
    outline_of(text)
    assert words_of(text).startswith("✗ violated Violated: drains template.yaml 214 runs")
    assert "--storagefirst-replay=out/replays/template.yaml-drains.json" in text


def test_many_replay_files_are_told_by_their_folder(project, workers):
    project.write("template.yaml")
    every = {name: ["violated", "it spins"] for name in registered()}
    project.behaves({"template.yaml": every})

    result = project.run(workers, "template.yaml")

    result.stdout.fnmatch_lines([f"replays: {len(every)} files in .storagefirst/replays"])
    result.stdout.no_fnmatch_line("replay of *")


@pytest.mark.parametrize("directory", ["rep", "../elsewhere"])
def test_what_the_page_says_of_a_replay_does_it(pytester, directory):
    shutil.copytree(ORDERS_BROKEN, pytester.path, dirs_exist_ok=True)
    asked = ("--storagefirst-budget=0", f"--storagefirst-report={directory}")
    pytester.runpytest_subprocess("-p", "storagefirst", "template.yaml", *asked)
    page = (pytester.path / directory / "report.html").read_text(encoding="utf-8")
    said = re.search(r"Again, from the folder that it ran in: <code>pytest (.*?)</code>", page)
    assert said is not None

    again = pytester.runpytest_subprocess(*shlex.split(html.unescape(said.group(1))))

    again.stdout.fnmatch_lines(["*no-message-loss of template.yaml still fails*"])


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        ({"refuse": True}, "? unknown Not judged template.yaml template.yaml:1: has no Resources"),
        ({"crash": True}, "? unknown Not judged template.yaml internal error: KeyError"),
        ({"silent": ["drains"]}, "? unknown Not shown: drains"),
    ],
)
def test_a_stack_that_came_to_nothing_has_a_page(project, behaviour, said):
    project.write("template.yaml")
    project.behaves({"template.yaml": behaviour})

    project.run("template.yaml", "--storagefirst-report=out")

    text = (project.path / "out" / "report.html").read_text(encoding="utf-8")
    assert words_of(text).startswith(said)


def test_a_run_that_judged_nothing_has_a_page(project):
    project.write("template.yaml")

    result = project.run("template.yaml", "--storagefirst-report=out", "-k", "nothing-of-it")

    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "nothing judged" in (project.path / "out" / "report.html").read_text(encoding="utf-8")


def test_a_report_that_cant_be_written_is_told_and_does_not_pass(project, workers):
    project.write("template.yaml")
    (project.path / "file").write_text("")

    result = project.run(workers, "template.yaml", "--storagefirst-report=file/out")

    result.stdout.fnmatch_lines(["--storagefirst-report: file/out can't be written: Not a dir*"])
    result.assert_outcomes(passed=ITEMS)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    for stream in (result.stdout, result.stderr):
        stream.no_fnmatch_line("*Traceback*")
        stream.no_fnmatch_line("*INTERNALERROR*")
        stream.no_fnmatch_line("report: *")


def test_a_failing_run_keeps_its_exit_code(project):
    project.write("template.yaml")
    project.behaves(VIOLATED)
    (project.path / "file").write_text("")

    result = project.run("template.yaml", "--storagefirst-report=file/out")

    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_job_has_a_summary_once(project, workers, summary):
    project.write("template.yaml")
    project.behaves(VIOLATED)

    project.run(workers, "template.yaml")

    text = summary.read_text(encoding="utf-8")
    assert text.count("## storagefirst: 1 stack: 1 violated\n") == 1
    assert text.count("| drains | ✗ violated | it spins | 214 | 71 |") == 1
    assert text.count("<summary>drains of template.yaml: its story</summary>") == 1
    assert "--storagefirst-replay=.storagefirst/replays/template.yaml-drains.json\n" in text


@pytest.mark.parametrize("arguments", [["--collect-only"], ["other_test.py"]])
def test_a_run_that_judges_nothing_adds_nothing_to_it(project, summary, arguments):
    project.write("template.yaml")
    project.write("other_test.py", "def test(): pass\n")

    project.run("template.yaml", *arguments) if arguments[0][0] == "-" else project.run(*arguments)

    assert not summary.exists()


def test_a_summary_that_cant_be_written_is_a_warning(project, workers, summary):
    project.write("template.yaml")
    summary.mkdir()

    result = project.run(workers, "template.yaml")

    result.stdout.fnmatch_lines(["GITHUB_STEP_SUMMARY: * can't be written: Is a directory"])
    result.assert_outcomes(passed=ITEMS)
    assert result.ret == pytest.ExitCode.OK


@pytest.mark.parametrize("family", ["xunit1", "xunit2"])
def test_junit_has_the_verdict_of_each_property(project, workers, family):
    project.write("template.yaml")
    project.behaves(
        {
            "template.yaml": {
                "drains": ["violated", "it spins"],
                "poison-isolated": ["unknown", "never fired"],
                "order-preserved": ["not-applicable", "no FIFO queue"],
            }
        }
    )

    result = project.run(
        workers, "template.yaml", "--junitxml=junit.xml", "-o", f"junit_family={family}"
    )

    found = properties_of(project.path / "junit.xml")
    assert len(found) == ITEMS
    assert found["drains"] == {
        "storagefirst.verdict": "violated",
        "storagefirst.runs": "214",
        "storagefirst.faults_tried": "71",
        "storagefirst.witness": ".storagefirst/replays/template.yaml-drains.json",
    }
    assert found["poison-isolated"]["storagefirst.verdict"] == "unknown"
    assert found["order-preserved"]["storagefirst.verdict"] == "not-applicable"
    assert found["no-message-loss"]["storagefirst.verdict"] == "ok"
    assert "storagefirst.witness" not in found["no-message-loss"]
    result.stdout.no_fnmatch_line("*PytestWarning*")


def test_junit_says_unknown_of_what_was_refused(project):
    project.write("template.yaml")
    project.behaves({"template.yaml": {"refuse": True}})

    project.run("template.yaml", "--junitxml=junit.xml")

    found = properties_of(project.path / "junit.xml")
    assert {one["storagefirst.verdict"] for one in found.values()} == {"unknown"}


def test_all_stacks_of_a_run_in_a_line(project, workers):
    project.write("one.yaml")
    project.write("two.yaml")
    project.behaves({"two.yaml": {"drains": ["violated", "it spins"]}})

    result = project.run(workers, "one.yaml", "two.yaml")

    result.stdout.fnmatch_lines(
        ["2 stacks: 1 violated, 1 ok; 428 runs, 142 faults tried"], consecutive=True
    )


def test_with_q_the_section_is_short(project):
    project.write("template.yaml")
    project.behaves({"template.yaml": {"notes": ["it qualifies"]}})

    plain, quiet = project.run("template.yaml"), project.run("-q", "template.yaml")

    plain.stdout.fnmatch_lines(["  never fired: *"])
    quiet.stdout.fnmatch_lines(["template.yaml: 214 runs, 71 faults tried*", "  note: it*"])
    quiet.stdout.no_fnmatch_line("  never *")


@pytest.mark.parametrize(
    ("arguments", "variables", "coloured"),
    [
        ((), {}, False),
        (("--color=yes",), {}, True),
        (("--color=no",), {"FORCE_COLOR": "1"}, False),
        ((), {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ((), {"FORCE_COLOR": "1"}, True),
    ],
)
def test_colour_is_for_terminals(project, monkeypatch, workers, arguments, variables, coloured):
    for name in ("NO_COLOR", "FORCE_COLOR", "PY_COLORS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    project.write("template.yaml")
    project.behaves(VIOLATED)
    project.pytester._monkeypatch.delenv("PY_COLORS", raising=False)

    result = project.run(workers, "template.yaml", *arguments)

    text = result.stdout.str()
    for told in ("214 runs, 71 faults tried in", "0.031  FAULT  Worker: crash", "drains: it spins"):
        line = next(one for one in text.splitlines() if told in one)
        assert ("\x1b[" in line) is coloured, told
    sent = next(one for one in text.splitlines() if "m1 sent to POST /orders" in one)
    assert "\x1b[" not in sent


def test_the_document_of_a_page_holds_all_of_it(project):
    project.write("template.yaml")
    project.behaves(VIOLATED)

    project.run("template.yaml", "--storagefirst-report=out")

    value = json.loads((project.path / "out" / "report.json").read_text(encoding="utf-8"))
    assert stacks_page(value) == (project.path / "out" / "report.html").read_text(encoding="utf-8")
