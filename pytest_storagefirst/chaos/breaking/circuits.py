"""Faults of what a stack remembers: a breaker's state, a feature flag."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from pytest_storagefirst.chaos.breaking.kind import Aim, Kind, always, unfit
from pytest_storagefirst.chaos.drill import Fault
from pytest_storagefirst.chaos.setting import Change
from pytest_storagefirst.chaos.settings.items import as_json, from_json
from pytest_storagefirst.chaos.settings.parameters import of_type
from pytest_storagefirst.ledger.circuit import OPEN
from pytest_storagefirst.stack.breaker import Breaker, moment, named_breaker
from pytest_storagefirst.target.circuit_state import find_breaker

_NOBODYS = re.compile(r"(?!)")  # no message's id


def breaker_of(aim: Aim) -> Breaker | None:
    """The stack's circuit breaker, where [circuit] says or where one is found."""
    found = named_breaker(aim.target.settings, aim.topology)
    return found or find_breaker(aim.topology.tables, aim.target.session(), _NOBODYS)


def _breaker(aim: Aim, fault: Fault) -> Breaker:
    found = breaker_of(aim)
    if found is None:
        raise unfit(
            fault,
            "it has no circuit breaker that can be found",
            expected="[circuit] in storagefirst.toml",
        )
    return found


def _key(aim: Aim, fault: Fault, breaker: Breaker) -> dict[str, Any]:
    """The key of the item that holds the state, as DynamoDB writes it."""
    if breaker.key:
        return as_json(breaker.key)
    table = next(one for one in aim.topology.tables if one.name == breaker.name)
    client = aim.target.session().client("dynamodb")
    items = client.scan(TableName=breaker.name, Limit=2, ConsistentRead=True)["Items"]
    if len(items) != 1:
        raise unfit(fault, f"{breaker.place} does not hold one item", expected="key in [circuit]")
    return {name: items[0][name] for name in table.key_names}


def _circuit_open(aim: Aim, fault: Fault) -> list[Change]:
    breaker = _breaker(aim, fault)
    word, reach = breaker.words.get(OPEN, OPEN), "all that goes through the breaker"
    if breaker.kind == "mapping":
        address: dict[str, Any] = {"uuid": breaker.name}
        return [aim.change("mapping-enabled", breaker.place, address, False, reach)]
    if breaker.kind == "parameter":
        address = {"parameter": breaker.name}
        opened = partial(of_type, word)
        return [aim.change("circuit-parameter", breaker.place, address, opened, reach)]
    key = _key(aim, fault, breaker)
    more = fault.options.get("set", breaker.opened)
    address = {"table": breaker.name, "key": key, "state": breaker.attribute}
    opened = partial(_opened, breaker, word, key, more or {})
    change = aim.change("circuit-item", breaker.place, address, opened, reach)
    if more is None and len(change.value) <= len(key) + 1:
        change = replace(
            change,
            reach=f"{reach}; its item gets the state alone: what else the breaker writes when it "
            'opens, [circuit] does not say (opened = { until = "now + 60 s" })',
        )
    return [change]


def _opened(
    breaker: Breaker, word: str, key: Mapping[str, Any], more: Mapping[str, Any], before: Any
) -> dict[str, Any]:
    """The item as the breaker leaves it when it opens."""
    item = from_json(before or key)
    written = {name: moment(value, time.time()) for name, value in more.items()}
    return as_json(breaker.with_word(item | written, word))


def _circuit_lost(aim: Aim, fault: Fault) -> list[Change]:
    breaker = _breaker(aim, fault)
    reach = "all that goes through the breaker"
    if breaker.kind == "mapping":
        raise unfit(fault, "its breaker is a mapping, which can't be lost without its stack")
    if breaker.kind == "parameter":
        setting, address = "circuit-parameter", dict[str, Any](parameter=breaker.name)
    else:
        key = _key(aim, fault, breaker)
        setting = "circuit-item"
        address = {"table": breaker.name, "key": key, "state": breaker.attribute}
    change = aim.change(setting, breaker.place, address, None, reach)
    if change.before is None:
        raise unfit(fault, "its breaker has written nothing yet that could be lost")
    return [change]


KINDS = (
    Kind("circuit-open", _circuit_open, ("set",), stops=always),
    Kind("circuit-lost", _circuit_lost),
)
