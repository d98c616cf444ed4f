"""Every way in which pytest can be asked to judge a template, each in a process of its own."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pytest_storagefirst.ledger.properties import registered

PROPERTIES = tuple(registered())
ITEMS = len(registered())  # of a template, one a property
WITH_INI = """
[pytest]
storagefirst_templates = template.yaml
"""


def passed(result: pytest.RunResult, number: int) -> None:
    result.assert_outcomes(passed=number)
    assert result.ret == 0


def test_by_name_there_is_an_item_for_each_property_in_order(project):
    project.write("template.yaml")

    result = project.run("-v", "template.yaml")

    passed(result, ITEMS)
    result.stdout.fnmatch_lines([f"template.yaml::{name} PASSED*" for name in PROPERTIES])
    assert len(project.explorations()) == 1


@pytest.mark.parametrize("name", ["a.yaml", "a.yml", "a.json", "a.template", "deep/a.yaml"])
def test_a_template_is_known_by_its_ending(project, name):
    project.write(name)

    passed(project.run(name), ITEMS)


def test_plain_pytest_judges_what_the_ini_names_beside_the_tests(project):
    project.write("template.yaml")
    project.write("pytest.ini", WITH_INI + "testpaths = tests\n")
    project.write("tests/test_a.py", "def test_a(): pass\n")

    passed(project.run_plainly(), ITEMS + 1)


@pytest.mark.parametrize(
    ("pattern", "number"),
    [("stacks/*.yaml", 2), ("stacks/**/*.yaml", 3), ("stacks/a.yaml stacks/b.yaml", 2)],
)
def test_the_ini_takes_globs_and_several_names(project, pattern, number):
    for name in ("stacks/a.yaml", "stacks/b.yaml", "stacks/deep/c.yaml", "other.yaml"):
        project.write(name)
    project.write("pytest.ini", f"[pytest]\nstoragefirst_templates = {pattern}\n")

    passed(project.run_plainly(), number * ITEMS)
    assert len(project.explorations()) == number


def test_the_ini_is_relative_to_rootdir_wherever_pytest_is_started(project):
    project.write("template.yaml")
    project.write("pytest.ini", WITH_INI)
    project.write("deep/test_a.py", "def test_a(): pass\n")

    result = project.run_plainly("--rootdir", str(project.path), "-c", "pytest.ini")

    passed(result, ITEMS + 1)


@pytest.mark.parametrize("folder", ["build", ".aws-sam/build"])
def test_a_folder_that_pytest_leaves_out_is_entered_for_its_template_alone(project, folder):
    project.write(f"{folder}/template.yaml")
    project.write(f"{folder}/test_b.py", "def test_b(): pass\n")
    project.write("test_a.py", "def test_a(): pass\n")
    project.write("pytest.ini", f"[pytest]\nstoragefirst_templates = {folder}/template.yaml\n")

    passed(project.run_plainly(), ITEMS + 1)
    passed(project.run_plainly(f"--ignore={folder}/template.yaml"), 1)


def test_what_the_ini_adds_can_be_chosen_from_too(project):
    project.write("template.yaml")
    project.write("pytest.ini", WITH_INI + "testpaths = tests\n")
    project.write("tests/test_a.py", "def test_a(): pass\n")
    project.behaves({"template.yaml": {"drains": ["violated", "it spins"]}})

    project.run_plainly("-k", "drains or test_a").assert_outcomes(
        passed=1, failed=1, deselected=ITEMS - 1
    )
    project.run_plainly("--lf").assert_outcomes(failed=1)
    project.run_plainly("--deselect", "template.yaml::drains").assert_outcomes(
        passed=ITEMS, deselected=1
    )


def test_arguments_choose_before_the_ini_does(project):
    project.write("template.yaml")
    project.write("pytest.ini", WITH_INI)
    project.write("tests/test_a.py", "def test_a(): pass\n")

    passed(project.run_plainly("tests"), 1)
    passed(project.run_plainly("."), ITEMS + 1)
    assert len(project.explorations()) == 1


def test_a_name_in_the_ini_that_is_no_file_stops_the_run(project):
    project.write("pytest.ini", "[pytest]\nstoragefirst_templates = templat.yaml\n")
    project.write("test_a.py", "def test_a(): pass\n")

    result = project.run_plainly()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*storagefirst_templates: 'templat.yaml' names no template*"])
    passed(project.run_plainly("test_a.py"), 1)


def test_other_files_of_the_user_are_never_touched(project):
    project.write("tests/data.yaml", "a: 1\n")
    project.write("tests/data.json", "{}\n")
    project.write("tests/test_a.py", "def test_a(): pass\n")

    passed(project.run("tests"), 1)
    passed(project.run(), 1)
    assert project.explorations() == []


def test_a_file_that_another_plugin_collects_is_left_to_it(project):
    project.write("case.yaml")
    conftest = project.path / "conftest.py"
    conftest.write_text(
        conftest.read_text()
        + """
import pytest
class Theirs(pytest.File):
    def collect(self):
        yield TheirItem.from_parent(self, name="theirs")
class TheirItem(pytest.Item):
    def runtest(self): pass
def pytest_collect_file(file_path, parent):
    if file_path.name == "case.yaml":
        return Theirs.from_parent(parent, path=file_path)
"""
    )

    passed(project.run("case.yaml"), 1)
    project.write("pytest.ini", "[pytest]\nstoragefirst_templates = case.yaml\n")
    passed(project.run("case.yaml"), ITEMS + 1)


def test_one_property_by_its_id(project):
    project.write("template.yaml")

    result = project.run("-v", "template.yaml::poison-isolated")

    passed(result, 1)
    result.stdout.fnmatch_lines(["template.yaml::poison-isolated PASSED*"])


def test_an_id_that_does_not_exist_is_an_error(project):
    project.write("template.yaml")

    result = project.run("template.yaml::no-mesage-loss")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*not found: *template.yaml::no-mesage-loss*"])


def test_selecting_by_keyword(project):
    project.write("template.yaml")

    result = project.run("template.yaml", "-k", "no-message-loss or drains")

    result.assert_outcomes(passed=2, deselected=ITEMS - 2)


def test_last_failed_runs_what_failed(project):
    project.write("template.yaml")
    project.behaves({"template.yaml": {"drains": ["violated", "it spins"]}})
    project.run("template.yaml").assert_outcomes(passed=ITEMS - 1, failed=1)

    result = project.run("-v", "--lf", "template.yaml")

    result.assert_outcomes(failed=1, deselected=ITEMS - 1)
    result.stdout.fnmatch_lines(["template.yaml::drains FAILED*"])


def test_junit_names_the_property_and_says_why(project):
    project.write("template.yaml")
    project.behaves({"template.yaml": {"drains": ["violated", "it spins"]}})

    project.run("template.yaml", "--junitxml=junit.xml")

    cases = ElementTree.parse(project.path / "junit.xml").getroot().findall(".//testcase")
    assert [case.get("name") for case in cases] == list(PROPERTIES)
    failure = cases[PROPERTIES.index("drains")].find("failure")
    assert failure is not None
    assert "drains: it spins" in (failure.get("message") or "")
    assert "FAULT  Worker: crash" in (failure.text or "")


# --- how the plugin gets in, and with whom -------------------------------------------------------


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
@pytest.mark.parametrize("arguments", [("template.yaml", "other.yaml"), ()])
def test_with_xdist_each_process_takes_part_once(project, workers, arguments):
    project.write("template.yaml")
    project.write("other.yaml")
    project.write("pytest.ini", "[pytest]\nstoragefirst_templates = template.yaml other.yaml\n")

    result = project.run(workers, "--storagefirst-report=out", *arguments)

    passed(result, 2 * ITEMS)
    times = Counter(name for name, *_ in project.explorations())
    assert set(times) == {"other.yaml", "template.yaml"}
    assert max(times.values()) <= (1 if workers == "-n0" else 2)
    assert [stack["template"] for stack in project.report()["stacks"]] == [
        "other.yaml",
        "template.yaml",
    ]
    result.stdout.fnmatch_lines([f"other.yaml: 214 runs, 71 faults tried*ok: {ITEMS}"])


def test_with_xdist_absent(project):
    project.write("template.yaml")

    result = project.run("-p", "no:xdist", "template.yaml")

    passed(result, ITEMS)
    assert "xdist" not in [line.partition("-")[0] for line in result.outlines]


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n2")])
def test_with_autoload_off_the_name_alone_brings_it_in(project, monkeypatch, workers):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    project.write("template.yaml")

    passed(project.run(*workers, "template.yaml"), ITEMS)
    without = project.run_plainly("template.yaml")
    assert without.ret == pytest.ExitCode.USAGE_ERROR


def test_asked_for_in_every_way_at_once_it_is_loaded_once(project, monkeypatch):
    monkeypatch.setenv("PYTEST_PLUGINS", "storagefirst")
    project.write("template.yaml")
    conftest = project.path / "conftest.py"
    conftest.write_text(conftest.read_text() + '\npytest_plugins = ["storagefirst"]\n')

    passed(project.run("template.yaml"), ITEMS)


def test_beside_locusts_own_plugin(project):
    project.write("template.yaml")

    result = project.run("--host", "http://localhost", "template.yaml")

    passed(result, ITEMS)
    result.stdout.fnmatch_lines(["plugins:*locust-*"])


def test_all_names_carry_the_prefix(project):
    result = project.run("--help")
    options = {word.strip("=,").split("=")[0] for line in result.outlines for word in line.split()}
    ours = {word for word in options if "storagefirst" in word and word.startswith("-")}

    assert ours == {
        "--storagefirst-report",
        "--storagefirst-replay",
        "--storagefirst-seed",
        "--storagefirst-max-faults",
        "--storagefirst-budget",
        "--storagefirst-shard",
    }
    result.stdout.fnmatch_lines(["*storagefirst_templates*"])
    fixtures = project.run("--fixtures", "-v").stdout.str()
    assert "storagefirst [session scope]" in fixtures


def test_collecting_alone_judges_nothing(project):
    project.write("template.yaml")

    result = project.run("--collect-only", "-q", "template.yaml", "--storagefirst-report=out")

    assert result.outlines[:ITEMS] == [f"template.yaml::{name}" for name in PROPERTIES]
    assert project.explorations() == []
    assert not (project.path / "out").exists()


# --- what a run pays that judges nothing ---------------------------------------------------------

HEAVY = ("boto3", "botocore", "moto", "samtranslator", "greenlet", "hypothesis", "yaml", "airspeed")


def test_a_run_with_nothing_to_judge_imports_nothing_heavy(project, monkeypatch):
    for name in ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"):
        monkeypatch.delenv(name, raising=False)  # measuring greenlets imports greenlet
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # Hypothesis has a plugin of its own
    project.write("conftest.py", "")
    project.write(
        "test_a.py",
        f"""
import sys
def test_a():
    loaded = set(sys.modules) & set({HEAVY!r})
    assert not loaded
    ours = {{name for name in sys.modules if name.startswith("pytest_storagefirst")}}
    assert ours == {{"pytest_storagefirst", *(f"pytest_storagefirst.{{name}}"
        for name in ("errors", "fixtures", "options", "plugin", "settings"))}}
""",
    )

    passed(project.run("test_a.py"), 1)


def test_importing_the_package_imports_nothing_heavy(project, monkeypatch):
    for name in ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"):
        monkeypatch.delenv(name, raising=False)
    code = f"""
import json, sys, pytest_storagefirst
print(json.dumps(sorted(set(sys.modules) & set({HEAVY!r}))))
"""
    result = project.pytester.run(sys.executable, "-c", code)

    assert json.loads(result.outlines[0]) == []


def test_nothing_is_left_in_the_folder_for_temporary_files(project, monkeypatch):
    temporary = Path(project.path / "temporary")
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    project.write("template.yaml")

    passed(project.run("-n2", "template.yaml"), ITEMS)

    assert [path.name for path in temporary.glob("storagefirst-*")] == []
