"""Faults of what a stack remembers: a breaker's state, a feature flag."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from pytest_storagefirst.chaos.breaking.kind import Aim, Kind, unfit
from pytest_storagefirst.chaos.drill import Fault
from pytest_storagefirst.chaos.setting import Change
from pytest_storagefirst.chaos.settings.parameters import of_type
from pytest_storagefirst.errors import DrillError
from pytest_storagefirst.explore.flags import flags_of
from pytest_storagefirst.ledger.circuit import OPEN
from pytest_storagefirst.simulation.flags import ITEM, PROFILE, Flag
from pytest_storagefirst.stack.breaker import Breaker, named_breaker
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
    from boto3.dynamodb.types import TypeSerializer

    if breaker.key:
        typed = TypeSerializer().serialize
        return {name: typed(value) for name, value in breaker.key.items()}
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
    key, more = _key(aim, fault, breaker), fault.options.get("set", {})
    return [
        aim.change(
            "circuit-item",
            breaker.place,
            {"table": breaker.name, "key": key},
            lambda before: _opened(before or key, breaker, word, more),
            reach,
        )
    ]


def _opened(
    item: Mapping[str, Any], breaker: Breaker, word: str, more: Mapping[str, Any]
) -> dict[str, Any]:
    from boto3.dynamodb.types import TypeSerializer

    typed = TypeSerializer().serialize
    first, *rest = (breaker.attribute or "state").split(".")
    value: Any = typed(word)
    for name in reversed(rest):
        value = {"M": {**item.get(first, {}).get("M", {}), name: value}}
    return {**item, first: value, **{name: typed(_moment(one)) for name, one in more.items()}}


def _moment(value: Any) -> Any:
    """ "now + 300 s" as seconds of the epoch; anything else as it is."""
    found = re.fullmatch(r"now(?: \+ (\d+) s)?", value) if isinstance(value, str) else None
    return int(time.time()) + int(found[1] or 0) if found else value


def _circuit_lost(aim: Aim, fault: Fault) -> list[Change]:
    breaker = _breaker(aim, fault)
    reach = "all that goes through the breaker"
    if breaker.kind == "mapping":
        raise unfit(fault, "its breaker is a mapping, which can't be lost without its stack")
    if breaker.kind == "parameter":
        setting, address = "circuit-parameter", dict[str, Any](parameter=breaker.name)
    else:
        key = _key(aim, fault, breaker)
        setting, address = "circuit-item", {"table": breaker.name, "key": key}
    return [aim.change(setting, breaker.place, address, None, reach)]


def _flag_flipped(aim: Aim, fault: Fault) -> list[Change]:
    flags = [one for one in flags_of(aim.target.settings, aim.topology) if one.kind != PROFILE]
    known = {flag.name: flag for flag in flags}
    for name in fault.where:
        if name not in known:
            raise unfit(fault, f"it has no flag {name!r}", expected=", ".join(known) or "[[flag]]")
    if not known:
        raise unfit(
            fault,
            "it has no flag in a parameter or an item",
            expected="[[flag]] in storagefirst.toml",
        )
    changes = []
    for flag in [known[name] for name in fault.where] or flags:
        reach = f"all that asks for {flag.name}"
        if flag.kind == ITEM:
            changes.append(_flipped_item(aim, flag, reach))
            continue
        address = {"parameter": flag.place}
        change = aim.change("parameter", flag.name, address, partial(_flipped, flag), reach)
        if change.before["type"] == "SecureString":
            raise unfit(fault, f"{flag.place} is secret, and would be in the journal")
        changes.append(change)
    return changes


def _flipped(flag: Flag, before: Any) -> Any:
    if before is None:
        raise DrillError(f"the flag {flag.name} has no value: {flag.place} is absent")
    return of_type(_other(flag, before["value"], flag.values[1]), before)


def _flipped_item(aim: Aim, flag: Flag, reach: str) -> Change:
    from boto3.dynamodb.types import TypeSerializer

    typed = TypeSerializer().serialize
    key = {name: typed(value) for name, value in flag.key.items()}

    def flipped(before: Any) -> Any:
        item = before or key
        other = _other(flag, item.get(flag.attribute), typed(flag.values[1]))
        return {**item, flag.attribute: typed(other)}

    return aim.change("item", flag.name, {"table": flag.place, "key": key}, flipped, reach)


def _other(flag: Flag, now: Any, second: Any) -> Any:
    return flag.values[0] if now == second else flag.values[1]


KINDS = (
    Kind("circuit-open", _circuit_open, ("set",)),
    Kind("circuit-lost", _circuit_lost),
    Kind("flag-flipped", _flag_flipped),
)
