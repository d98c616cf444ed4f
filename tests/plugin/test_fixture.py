"""The fixture `storagefirst` in the user's own tests."""

from __future__ import annotations


def test_it_is_a_factory_for_the_whole_session(project):
    project.write("deep/template.yaml")
    project.write("deep/storagefirst.toml", 'parameters = { Stage = "test" }\n')
    project.write(
        "test_a.py",
        """
from hypothesis import given, strategies

def test_a(storagefirst, request):
    with storagefirst("deep/template.yaml", handlers={"Worker": len}) as stack:
        assert stack.template == request.config.rootpath / "deep/template.yaml"
        assert stack.settings.parameters == {"Stage": "test"}
        assert stack.settings.seed == 7
        assert stack.handlers == {"Worker": len}

@given(number=strategies.integers())
def test_given(storagefirst, number):
    with storagefirst("blueprint:api-queue-table") as stack:
        assert stack.template == "blueprint:api-queue-table"
""",
    )

    project.run("test_a.py", "--storagefirst-seed=7").assert_outcomes(passed=2)


def test_errors_show_the_users_line_and_no_frame_of_ours(project):
    project.write("template.yaml")
    project.write(
        "test_a.py",
        """
def test_missing(storagefirst):
    with storagefirst("nowhere.yaml"):
        pass

def test_fault(storagefirst):
    with storagefirst("template.yaml") as stack:
        stack.inject("nonsense")
""",
    )

    result = project.run("test_a.py")

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            '>       with storagefirst("nowhere.yaml"):',
            "E       pytest_storagefirst.errors.TemplateError: nowhere.yaml: no such template",
            '>           stack.inject("nonsense")',
            "E       pytest_storagefirst.errors.FaultError: this is not a fault",
        ]
    )
    result.stdout.no_fnmatch_line("*factory.py*")


def test_verify_raises_the_story(project):
    project.write(
        "test_a.py",
        """
import pytest

def test_ok(storagefirst):
    storagefirst.verify(["ok"], "no-message-loss", "drains")

def test_violated(storagefirst):
    storagefirst.verify(["violated", "m1 is lost", 1, 1, ["m1"], ["0.000  m1 sent"]], "drains")

def test_unknown(storagefirst):
    storagefirst.verify(["unknown", "nothing was acknowledged"])
""",
    )

    result = project.run("test_a.py")

    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        ["E       Violated: drains: m1 is lost", "E         0.000  m1 sent"]
    )
    result.stdout.fnmatch_lines(["E       NotShown: no-message-loss: nothing was acknowledged"])
    result.stdout.no_fnmatch_line("*factory.py*")
