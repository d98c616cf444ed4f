"""The agent within a function: inert unless told otherwise, fails open, says that it is active."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.chaos import agent
from pytest_storagefirst.chaos.breaking import functions
from tests.chaos import stage


class Context:
    aws_request_id = "r-1"


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, moto_url: str) -> None:
    monkeypatch.setattr(agent, "_kept", {"until": 0.0, "orders": None})
    monkeypatch.setattr(agent, "_clients", {})
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", stage.REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setattr(agent, "KEPT_S", 0.0)
    monkeypatch.delenv(agent.VARIABLE, raising=False)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr(agent.time, "sleep", found.append)
    return found


@agent.with_faults
def handler(event: Any, context: Any) -> Any:
    return {"done": event}


def order(moto_url: str, text: str) -> None:
    client = stage.clients(moto_url).client("ssm")
    client.put_parameter(Name="/agent/orders", Value=text, Type="String", Overwrite=True)


def test_without_its_variable_it_asks_nobody(monkeypatch, capsys):
    monkeypatch.setattr(agent, "_ask", lambda name: pytest.fail("it asked"))

    assert handler(1, Context()) == {"done": 1}
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "text",
    [
        "off",
        "",
        "{}",
        "[1]",
        '{"do": "explode"}',
        '{"do": "slow"}',
        '{"do": "slow", "seconds": "x"}',
    ],
)
def test_what_is_no_order_is_none(text, monkeypatch, capsys, slept):
    monkeypatch.setenv(agent.VARIABLE, "/agent/orders")
    monkeypatch.setattr(agent, "_ask", lambda name: text)

    assert handler(1, Context()) == {"done": 1}
    assert capsys.readouterr().out == ""
    assert slept == []


def test_it_fails_open_without_parameter_permission_or_network(monkeypatch, capsys):
    monkeypatch.setenv(agent.VARIABLE, "/agent/nothing-there")
    assert handler(1, Context()) == {"done": 1}
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    agent._clients.clear()
    assert handler(1, Context()) == {"done": 1}

    assert capsys.readouterr().out == ""


def test_it_is_slow_when_told_and_says_so(monkeypatch, moto_url, capsys, slept):
    monkeypatch.setenv(agent.VARIABLE, "/agent/orders")
    order(moto_url, '{"do": "slow", "seconds": 3}')

    assert handler(1, Context()) == {"done": 1}
    assert slept == [3.0]
    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line)["storagefirst_agent"] == "ACTIVE"
    assert json.loads(line)["request"] == "r-1"


def test_a_delay_has_a_bound(monkeypatch, moto_url, slept):
    monkeypatch.setenv(agent.VARIABLE, "/agent/orders")
    order(moto_url, '{"do": "slow", "seconds": 100000}')
    handler(1, Context())

    assert slept == [agent.MOST_S]


def test_it_fails_when_told_before_the_handler_does_anything(monkeypatch, moto_url, capsys):
    monkeypatch.setenv(agent.VARIABLE, "/agent/orders")
    order(moto_url, '{"do": "error"}')
    with pytest.raises(agent.InjectedError, match="ACTIVE"):
        handler(1, Context())
    assert "ACTIVE" in capsys.readouterr().out

    order(moto_url, '{"do": "error", "share": 0.0}')
    assert handler(1, Context()) == {"done": 1}
    order(moto_url, "off")
    assert handler(1, Context()) == {"done": 1}


def test_it_asks_now_and_then(monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr(agent, "KEPT_S", 60.0)
    monkeypatch.setattr(agent, "_ask", lambda name: asked.append(name) or "off")
    monkeypatch.setenv(agent.VARIABLE, "/agent/orders")
    for _ in range(5):
        handler(1, Context())

    assert asked == ["/agent/orders"]


def test_it_needs_nothing_but_botocore():
    """It is copied beside a handler as it is."""
    tree = ast.parse(Path(agent.__file__).read_text(encoding="utf-8"))
    roots = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            roots |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            roots.add(str(node.module).partition(".")[0])

    assert roots <= sys.stdlib_module_names | {"botocore"}
    assert agent.VARIABLE == functions.AGENT_VARIABLE
