"""Powertools' circuit breaker as its users write it: it does to messages what its pages imply.

https://docs.aws.amazon.com/powertools/python/latest/utilities/circuit_breaker/
"""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_storagefirst.explore import breakers
from pytest_storagefirst.explore.judge import Judge, Judged
from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.faults.plan import parse_plan
from pytest_storagefirst.ledger.circuit import WROTE
from pytest_storagefirst.settings_file import load_settings
from pytest_storagefirst.simulation.schedule import Schedule, Send
from pytest_storagefirst.stack.locating import BLUEPRINTS

pytest.importorskip("aws_lambda_powertools.utilities.circuit_breaker")

KEPT = r"(except CircuitBreakerOpenError:\n +)failures\.append\(\{.+\}\)"
ORDINARY = ("template.yaml", "maxReceiveCount: 100", "maxReceiveCount: 5")
RAISES = (ORDINARY, ("src/app.py", KEPT, r"\1raise"))
FALLS_BACK = (
    (
        "src/app.py",
        '    name="downstream",',
        r"\g<0>\n    on_circuit_open=lambda order, circuit: None,",
    ),
)
OUTAGE = "Worker: http POST https://payments.example/charges #1: http-500 for {} s"


def judged(
    folder: Path, changes: tuple[tuple[str, str, str], ...], *faults: str, named: bool = True
) -> Judged:
    """Nine orders in three minutes, three when all is well; the breaker named or to be found."""
    made = shutil.copytree(BLUEPRINTS / "breaker-powertools", folder / "stack")
    for file, pattern, instead in changes:
        text, count = re.subn(pattern, instead, (made / file).read_text(encoding="utf-8"))
        assert count == 1
        (made / file).write_text(text, encoding="utf-8")
    settings = load_settings(made / "template.yaml")
    settings = settings if named else replace(settings, circuit={})
    judge = Judge(prepare(made / "template.yaml", settings).deployed)
    [entry] = judge.deployed.entries
    sends = tuple(Send(f"m{number + 1}", entry.name, entry.body) for number in range(12))
    if not named:
        found = breakers.find(judge, sends[:1], judge.play(Schedule(sends[:1])).counts)
        judge.deployed = replace(judge.deployed, breaker=found)
    return judge.judge(Schedule(sends, parse_plan(faults), gap_ms=20_000, late=3))


@pytest.mark.parametrize("named", [True, False])
def test_orders_that_are_reported_back_wait_for_the_circuit(tmp_path, named):
    run = judged(tmp_path, (), OUTAGE.format(840), named=named)

    assert {name: verdict.value for name, verdict in run.verdicts.items()}["circuit"] == "ok"
    assert run.verdicts["no-message-loss"].value == "ok"


@pytest.mark.parametrize("named", [True, False])
def test_raising_while_open_burns_receives_towards_the_dead_letters(tmp_path, named):
    run = judged(tmp_path, RAISES, OUTAGE.format(840), named=named)

    assert run.verdicts["circuit"].value == "violated"
    assert "went to DeadLetters" in run.verdicts["circuit"].why
    assert run.verdicts["no-message-loss"].value == "ok"


@pytest.mark.parametrize("named", [True, False])
def test_a_fallback_that_returns_acknowledges(tmp_path, named):
    run = judged(tmp_path, FALLS_BACK, OUTAGE.format(300), named=named)

    assert run.verdicts["circuit"].value == "violated"
    assert "was acknowledged while the circuit was open" in run.verdicts["circuit"].why
    assert run.verdicts["no-message-loss"].value == "violated"


def test_a_read_that_fails_lets_calls_through(tmp_path):
    run = judged(
        tmp_path, (), OUTAGE.format(300), "Worker: dynamodb.GetItem #4: refused(access-denied)"
    )
    history = [(event.kind, event.detail) for event in run.played.observation.history]

    at = history.index(("faulted", "Worker: dynamodb.GetItem #4: refused(access-denied)"))
    assert any(kind == "called" and "http POST" in detail for kind, detail in history[at : at + 3])
    assert run.verdicts["circuit"].value == "ok"


def test_each_environment_counts_for_itself_and_each_run_anew(tmp_path):
    first = judged(tmp_path, (), OUTAGE.format(300))
    (tmp_path / "again").mkdir()
    second = judged(tmp_path / "again", (), OUTAGE.format(300))

    circuit = first.played.observation.circuit
    assert circuit is not None
    before = circuit.steps[: [step.kind for step in circuit.steps].index(WROTE)]
    assert sum(step.kind == "answered" for step in before) == 3
    assert first.played.observation.history == second.played.observation.history
