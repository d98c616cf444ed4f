"""The stack's feature flags: found where they read like one, or as [[flag]] names them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_storagefirst.errors import SettingsError
from pytest_storagefirst.settings import Settings, nearest, the_one_of
from pytest_storagefirst.simulation.flags import (
    ITEM,
    PARAMETER,
    Flag,
    flags_in,
    opposite,
)
from pytest_storagefirst.stack.topology import Topology

STORES = ("table", "parameter", "profile")


def flags_of(settings: Settings, topology: Topology) -> tuple[Flag, ...]:
    """All flags, each once, those named by the user first.

    Raises SettingsError where [[flag]] names what the stack doesn't have.
    """
    found = [flag for one in topology.configurations for flag in flags_in(one)]
    for parameter in topology.parameters:
        other = opposite(parameter.value)
        if other is not None:
            values = (parameter.value, other)
            found.append(Flag(parameter.logical_id, PARAMETER, parameter.name, values))
    named = [
        _named(told, topology, tuple(found), settings.where(f"flag.{number}") or "[[flag]]")
        for number, told in enumerate(settings.flags)
    ]
    return tuple({flag.name: flag for flag in (*found, *named)}.values())


def _named(
    told: Mapping[str, Any], topology: Topology, found: tuple[Flag, ...], where: str
) -> Flag:
    problem = "a flag stands in one place"
    kind = the_one_of(STORES, told, problem, where, 'parameter = "LogicalId"')
    if kind == "profile":
        return _in_profile(told, topology, found, where)
    known = {one.logical_id: one for one in _stores(topology, kind)}
    wanted = str(told[kind])
    store = known.get(wanted) or {one.name: one for one in known.values()}.get(wanted)
    if store is None:
        raise _absent(kind, wanted, known, where)
    if kind == "parameter":
        other = opposite(store.value)
        values = told.get("values", (store.value, other) if other is not None else ())
        texts = tuple(_as_text(value) for value in values)
        return Flag(store.logical_id, PARAMETER, store.name, _two(texts, where))
    key, attribute = dict(told.get("key", {})), str(told.get("attribute", ""))
    if set(key) != set(store.key_names) or not attribute:
        raise SettingsError(
            "a flag in a table is one attribute of one item",
            where=where,
            found=f"key {', '.join(key) or 'none'}, attribute {attribute or 'none'}",
            expected=f"key = {{ {', '.join(f'{name} = …' for name in store.key_names)} }} "
            'and attribute = "…"',
        )
    values = _two(tuple(told.get("values", (True, False))), where)
    name = f"{store.logical_id}.{attribute}"
    return Flag(name, ITEM, store.name, values, key=key, attribute=attribute)


def _in_profile(
    told: Mapping[str, Any], topology: Topology, found: tuple[Flag, ...], where: str
) -> Flag:
    profiles = {one.logical_id: one for one in topology.configurations}
    wanted, flag = str(told["profile"]), str(told.get("flag", ""))
    if wanted not in profiles:
        raise _absent("profile", wanted, profiles, where)
    own = {one.name.partition(".")[2]: one for one in found if one.place == profiles[wanted].arn}
    if flag not in own:
        raise _absent("flag", flag, own, where)
    return own[flag]


def _stores(topology: Topology, kind: str) -> Iterator[Any]:
    yield from topology.tables if kind == "table" else topology.parameters


def _absent(kind: str, wanted: str, known: Mapping[str, Any], where: str) -> SettingsError:
    return SettingsError(
        f"the stack has no such {kind}",
        where=where,
        found=wanted,
        expected=", ".join(sorted(known)) or "none at all",
        remedy=nearest(wanted, known),
    )


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _two(values: tuple[Any, ...], where: str) -> tuple[Any, Any]:
    if len(values) != 2 or values[0] == values[1]:
        raise SettingsError(
            "a flag has two values",
            where=where,
            found=", ".join(map(str, values)) or "none",
            expected="the one that stands at first, and another",
            remedy="write values = [true, false]",
        )
    return values[0], values[1]
