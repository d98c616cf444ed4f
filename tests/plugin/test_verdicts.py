"""How verdicts, refusals and defects of ours become pytest's outcomes, texts and report.json."""

from __future__ import annotations

import json

import jsonschema
import pytest

from pytest_storagefirst.ledger.properties import registered

ITEMS = len(registered())  # of a template, one a property
WORKERS = pytest.mark.parametrize("workers", ["-n0", "-n2"])
REPORT_SCHEMA = {
    "type": "object",
    "required": ["version", "stacks"],
    "properties": {
        "version": {"const": 1},
        "stacks": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["template", "properties"],
                "properties": {
                    "template": {"type": "string"},
                    "properties": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": [
                                *("name", "verdict", "runs", "faults_tried"),
                                *("lost", "witness", "story"),
                            ],
                            "properties": {
                                "verdict": {
                                    "enum": ["ok", "violated", "unknown", "not-applicable"]
                                },
                                "runs": {"type": "integer"},
                                "faults_tried": {"type": "integer"},
                                "lost": {"type": "array", "items": {"type": "string"}},
                                "witness": {"type": ["string", "null"]},
                                "story": {"type": "array", "items": {"type": "string"}},
                            },
                        },
                    },
                },
            },
        },
    },
}


def properties(project, stack=0):
    report = project.report()
    jsonschema.validate(report, REPORT_SCHEMA)
    return {one["name"]: one for one in report["stacks"][stack]["properties"]}


@WORKERS
def test_all_four_verdicts(project, workers):
    project.write("template.yaml")
    project.behaves(
        {
            "template.yaml": {
                "no-message-loss": ["violated", "m1 was acknowledged and is lost"],
                "poison-isolated": ["unknown", "the fault never fired; give it more budget"],
                "order-preserved": ["not-applicable", "no FIFO queue"],
                "notes": ["any other call got 200 {}"],
            }
        }
    )

    result = project.run(workers, "-ra", "template.yaml", "--storagefirst-report=out")

    result.assert_outcomes(passed=ITEMS - 3, failed=2, skipped=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*_ no-message-loss of template.yaml _*",
            "no-message-loss: m1 was acknowledged and is lost",
            "",
            "  0.000  m1 sent to POST /orders",
            "  0.031  FAULT  Worker: crash",
            "",
            "again: pytest -p storagefirst"
            " --storagefirst-replay=out/replays/template.yaml-no-message-loss.json",
        ]
    )
    result.stdout.fnmatch_lines(
        [
            "poison-isolated: the fault never fired; give it more budget",
            "*= storagefirst =*",
            "template.yaml: 214 runs, 71 faults tried in *;"
            f" violated: no-message-loss; unknown: poison-isolated; ok: {ITEMS - 3};"
            " not-applicable: 1",
            "  note: any other call got 200 {}",
            "replay of no-message-loss: out/replays/template.yaml-no-message-loss.json",
            "report: out/report.html (report.json beside it)",
            "SKIPPED ?1? template.yaml: no FIFO queue",
        ],
    )
    # Under xdist either may fail first.
    for line in (
        "FAILED template.yaml::no-message-loss - Violated: no-message-loss: m1 was*",
        "FAILED template.yaml::poison-isolated - NotShown: poison-isolated: the*",
    ):
        result.stdout.fnmatch_lines([line])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*pytest_storagefirst*")
    found = properties(project)
    told = {name: one["verdict"] for name, one in found.items() if one["verdict"] != "ok"}
    assert told == {
        "no-message-loss": "violated",
        "poison-isolated": "unknown",
        "order-preserved": "not-applicable",
    }
    loss = found["no-message-loss"]
    assert (loss["runs"], loss["faults_tried"], loss["lost"]) == (214, 71, ["m1"])
    assert loss["story"][0] == "0.000  m1 sent to POST /orders"
    assert json.loads((project.path / "out" / loss["witness"]).read_text()) == {
        "schedule": ["no-message-loss"]
    }
    assert found["drains"]["witness"] is None


def test_replay_files_lie_beside_the_ini_file_without_a_report(project):
    project.write("deep/template.yaml")
    project.behaves({"template.yaml": {"drains": ["violated", "it spins"]}})

    result = project.run("deep/template.yaml")

    result.assert_outcomes(passed=ITEMS - 1, failed=1)
    file = project.path / ".storagefirst" / "replays" / "deep__template.yaml-drains.json"
    assert json.loads(file.read_text()) == {"schedule": ["drains"]}
    assert (project.path / ".storagefirst" / ".gitignore").read_text() == "*\n"
    assert sorted(path.name for path in project.path.glob("*.json")) == ["behaviour.json"]


def test_a_template_outside_of_rootdir_keeps_its_whole_name(project):
    first, second = project.write("a/template.yaml"), project.write("b/template.yaml")
    project.write("root/pytest.ini", "[pytest]\n")

    project.run(
        *("-c", "root/pytest.ini", "--confcutdir", str(project.path)),
        *(str(first), str(second), "--storagefirst-report=out"),
    )

    assert [stack["template"] for stack in project.report()["stacks"]] == [
        first.as_posix(),
        second.as_posix(),
    ]
    assert len(project.explorations()) == 2


@WORKERS
def test_a_refusal_fails_with_its_text_alone(project, workers):
    project.write("template.yaml")
    project.behaves({"template.yaml": {"refuse": True}})

    result = project.run(workers, "template.yaml", "--storagefirst-report=out")

    result.assert_outcomes(failed=ITEMS)
    result.stdout.fnmatch_lines(
        [
            "template.yaml:1: has no Resources",
            "  do:       write some",
            "template.yaml: refused; unknown: no-message-loss, *",
            "FAILED template.yaml::* - Refused: template.yaml:1: has no*",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*.py:*")
    assert len(project.explorations()) <= (1 if workers == "-n0" else 2)  # each joins in once
    assert {one["verdict"] for one in properties(project).values()} == {"unknown"}
    assert project.report()["stacks"][0]["refused"].startswith("template.yaml:1: has no Resources")


@WORKERS
@pytest.mark.parametrize(
    ("fault", "line"),
    [
        ("crash", "internal error: KeyError: 'a key of ours'"),
        ("exit", "internal error: SystemExit: a handler left"),
    ],
)
def test_a_defect_of_ours_never_passes(project, workers, fault, line):
    project.write("template.yaml")
    project.behaves({"template.yaml": {fault: True}})

    result = project.run(workers, "template.yaml", "--storagefirst-report=out")

    result.assert_outcomes(failed=ITEMS)
    result.stdout.fnmatch_lines(
        [line, "  at *conftest.py:* in explore", "This is a defect of pytest-storagefirst*"]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    assert {one["verdict"] for one in properties(project).values()} == {"unknown"}


def test_the_whole_traceback_of_a_defect_is_there_for_who_asks(project):
    project.write("template.yaml")
    project.behaves({"template.yaml": {"crash": True}})

    result = project.run("template.yaml::drains", "--full-trace")

    result.stdout.fnmatch_lines(["*storagefirst traceback*", "Traceback (most recent call last):"])


@WORKERS
def test_of_what_a_library_logs_in_all_runs_the_end_is_told(project, workers):
    project.write("template.yaml")
    project.behaves({"template.yaml": {"drains": ["violated", "it spins"], "logs": 3000}})

    result = project.run(workers, "template.yaml::drains")

    text = result.stdout.str()
    assert text.count("library:conftest.py") == 20
    assert "… 2,980 lines before these left out" in text
    assert "line 2979" not in text
    assert "line 2999" in text


@WORKERS
def test_a_property_that_the_engine_is_silent_about_is_unknown(project, workers):
    project.write("template.yaml")
    project.behaves({"template.yaml": {"silent": ["drains"]}})

    result = project.run(workers, "template.yaml", "--storagefirst-report=out")

    result.assert_outcomes(passed=ITEMS - 1, failed=1)
    assert properties(project)["drains"]["verdict"] == "unknown"


def test_when_the_exploring_worker_dies_another_takes_over(project):
    project.write("template.yaml")
    project.behaves({"template.yaml": {"die": 1}})

    result = project.run("-n2", "template.yaml", "--storagefirst-report=out")

    outcomes = result.parseoutcomes()
    assert outcomes["failed"] == 1  # the item that the dead worker held
    assert outcomes["passed"] == ITEMS - 1
    assert len(project.explorations()) >= 2
    assert properties(project)["drains"]["verdict"] == "ok"


def test_a_stack_whose_every_worker_died_is_unknown(project):
    project.write("template.yaml")
    project.behaves({"template.yaml": {"die": 1000}})

    result = project.run("-n2", "template.yaml", "--storagefirst-report=out")

    assert result.ret != 0
    assert "passed" not in result.parseoutcomes()
    assert {one["verdict"] for one in properties(project).values()} == {"unknown"}
    assert "not explored" in project.report()["stacks"][0]["refused"]


def test_a_stack_that_was_not_reached_is_unknown(project):
    project.write("a.yaml")
    project.write("b.yaml")
    project.behaves({"a.yaml": {"drains": ["violated", "it spins"]}})

    project.run("-x", "a.yaml", "b.yaml", "--storagefirst-report=out")

    assert [stack["template"] for stack in project.report()["stacks"]] == ["a.yaml", "b.yaml"]
    assert properties(project, 0)["drains"]["verdict"] == "violated"
    assert {one["verdict"] for one in properties(project, 1).values()} == {"unknown"}


def test_a_report_was_asked_for_and_there_was_nothing_to_judge(project):
    project.write("test_a.py", "def test_a(): pass\n")

    project.run("--storagefirst-report=out").assert_outcomes(passed=1)

    assert project.report() == {"version": 1, "stacks": []}


def test_inert_resources_are_named_when_asked(project):
    project.write("template.yaml")

    project.run("template.yaml").stdout.no_fnmatch_line("*AWS::CloudWatch::Alarm*")
    project.run("-v", "template.yaml").stdout.fnmatch_lines(
        ["  plays no part: Alarm (AWS::CloudWatch::Alarm)"]
    )


# --- replay --------------------------------------------------------------------------------------


@WORKERS
@pytest.mark.parametrize(
    ("verdict", "why", "passes", "told"),
    [
        ("ok", "", True, "is fixed"),
        ("violated", "m1 is lost", False, "still fails: m1 is lost"),
        ("unknown", "the fault never fired", False, "is unknown: the fault never fired"),
    ],
)
def test_a_replay_passes_only_when_it_is_fixed(project, workers, verdict, why, passes, told):
    project.write("witness.json", "{}")
    project.write("test_a.py", "def test_a(): pass\n")
    project.behaves({"replay": [verdict, why, ["0.000  m1 sent"]]})

    result = project.run(workers, "-v", "--storagefirst-replay=witness.json")

    result.assert_outcomes(passed=int(passes), failed=int(not passes))
    result.stdout.fnmatch_lines(
        [f"witness.json: no-message-loss of template.yaml {told}"]
        if passes
        else ["  0.000  m1 sent", f"witness.json: no-message-loss of template.yaml {told}"]
    )


def test_a_replay_adds_to_what_is_asked_for(project):
    project.write("witness.json", "{}")
    project.write("template.yaml")
    project.behaves({"replay": ["ok", ""]})

    result = project.run("template.yaml", "--storagefirst-replay=witness.json")

    result.assert_outcomes(passed=ITEMS + 1)


def test_a_replay_that_is_refused_fails(project):
    project.write("witness.json", "not even JSON")
    project.behaves({"replay": "refuse"})

    result = project.run("--storagefirst-replay=witness.json")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["witness.json: is no replay file", "witness.json: not replayed"])


def test_a_replay_file_that_is_missing(project):
    result = project.run("--storagefirst-replay=witness.json")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--storagefirst-replay: *witness.json is no file; expected*"])


@pytest.mark.parametrize("ci", ["", "true"])  # there pytest's own summary leaves nothing out
@WORKERS
def test_what_several_properties_share_is_printed_once(project, monkeypatch, workers, ci):
    monkeypatch.setenv("CI", ci)
    project.write("template.yaml")
    project.behaves({"template.yaml": {"refuse": True}})

    result = project.run(workers, "template.yaml", "--junitxml=out.xml")

    result.assert_outcomes(failed=ITEMS)
    lines = [line.strip() for line in result.outlines]
    assert lines.count("do:       write some") == 1
    assert sum(": for the same reason as " in line for line in lines) == ITEMS - 1
    assert sum(line.startswith("FAILED template.yaml::") for line in lines) == ITEMS
    junit = (project.path / "out.xml").read_text()
    assert junit.count("write some") >= ITEMS  # who reads one test's result alone finds it whole
