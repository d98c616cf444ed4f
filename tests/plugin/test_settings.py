"""Options, ini and storagefirst.toml, seen from the command line."""

from __future__ import annotations

import sys

import pytest

from pytest_storagefirst.ledger.properties import registered

ITEMS = len(registered())  # of a template, one a property


def test_options_reach_the_exploration(project):
    project.write("template.yaml")
    project.write("storagefirst.toml", 'parameters = { Stage = "test" }\nproperties = ["drains"]\n')

    result = project.run(
        "template.yaml",
        "--storagefirst-seed=7",
        "--storagefirst-max-faults=3",
        "--storagefirst-budget=2.5",
        "--storagefirst-shard=1/4",
    )

    result.assert_outcomes(passed=1)
    assert project.explorations() == [["template.yaml", 7, 3, 2.5, [1, 4], {"Stage": "test"}]]


def test_settings_cross_to_the_workers(project):
    project.write("template.yaml")

    project.run("-n2", "template.yaml", "--storagefirst-seed=7").assert_outcomes(passed=ITEMS)

    assert {seed for _, seed, *_ in project.explorations()} == {7}


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--storagefirst-seed=x", "'x' is not a seed: expected a whole number of at least 0"),
        ("--storagefirst-max-faults=0", "'0' is not a number of faults: *at least 1"),
        ("--storagefirst-budget=soon", "'soon' is no time: expected seconds, as in 10 or 2.5"),
        ("--storagefirst-shard=5/4", "'5/4' is no shard: expected K/N with 1 <= K <= N, as in 1/4"),
    ],
)
def test_a_wrong_option_is_told_with_what_was_expected(project, option, text):
    result = project.run(option)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{option.partition('=')[0]}: {text}"])


def test_every_wrong_value_is_refused(project):
    """All of them in one process, as starting pytest is what takes time."""
    wrong = {
        "--storagefirst-seed": ("-1", "1.5", ""),
        "--storagefirst-max-faults": ("-1", "1.5", "many", ""),
        "--storagefirst-budget": ("-1", "nan", "inf", "1s", ""),
        "--storagefirst-shard": ("0/3", "4/3", "a/b", "-1/3", "1", "1/", "/3", "1/0", "1/2/3", ""),
    }
    options = [f"{name}={value}" for name, values in wrong.items() for value in values]
    project.write(
        "ask.py",
        f"import pytest\nfor one in {options}: print('EXIT', int(pytest.main(['-q', one])))\n",
    )

    result = project.pytester.run(sys.executable, "ask.py")

    exits = [line for line in result.outlines if line.startswith("EXIT")]
    assert exits == [f"EXIT {pytest.ExitCode.USAGE_ERROR.value}"] * len(options)
    told = result.stderr.str()
    for option in options:
        name, _, value = option.partition("=")
        assert f"{name}: {value!r} is n" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("given", ["0", "1e9", "0.001"])
def test_a_budget_may_be_nothing_or_a_lifetime(project, given):
    project.write("template.yaml")

    project.run("template.yaml", f"--storagefirst-budget={given}").assert_outcomes(passed=ITEMS)

    assert [budget for *_, budget, _, _ in project.explorations()] == [float(given)]


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_a_mistake_in_the_file_fails_with_its_text_alone(project, workers):
    project.write("template.yaml")
    project.write("storagefirst.toml", '\nproperties = ["drains", "no-mesage-loss"]\n')

    result = project.run(workers, "template.yaml", "--storagefirst-report=out")

    assert result.ret != 0
    assert result.parseoutcomes().get("errors", 0) + result.parseoutcomes().get("error", 0) >= 1
    result.stdout.fnmatch_lines(
        [
            "storagefirst.toml:2: no such property",
            '  found:    "no-mesage-loss"',
            "  expected: one of no-message-loss, *",
            '  do:       write "no-message-loss"',
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    stack = project.report()["stacks"][0]
    assert stack["refused"].startswith("storagefirst.toml:2: no such property")
