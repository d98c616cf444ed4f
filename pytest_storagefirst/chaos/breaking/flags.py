"""Feature flags that take their other value: in parameters, in items, in AppConfig."""

from __future__ import annotations

import json
from functools import partial, reduce
from operator import getitem
from typing import Any

from pytest_storagefirst.chaos.breaking.kind import Aim, Kind, unfit
from pytest_storagefirst.chaos.drill import Fault
from pytest_storagefirst.chaos.setting import Change
from pytest_storagefirst.chaos.settings.items import as_json, from_json
from pytest_storagefirst.chaos.settings.parameters import of_type
from pytest_storagefirst.errors import DrillError
from pytest_storagefirst.explore.flags import flags_of
from pytest_storagefirst.simulation.flags import ITEM, PROFILE, Flag


def _flag_flipped(aim: Aim, fault: Fault) -> list[Change]:
    flags = flags_of(aim.target.settings, aim.topology)
    known = {flag.name: flag for flag in flags}
    for name in fault.where:
        if name not in known:
            raise unfit(fault, f"it has no flag {name!r}", expected=", ".join(known) or "[[flag]]")
    if not known:
        raise unfit(fault, "it has no flag", expected="[[flag]] in storagefirst.toml")
    changes = []
    wanted = [known[name] for name in fault.where] or list(flags)
    profiles = [one for one in wanted if one.kind == PROFILE]
    for place in dict.fromkeys(one.place for one in profiles):
        changes.append(_flipped_profile(aim, [one for one in profiles if one.place == place]))
    for flag in wanted:
        reach = f"all that asks for {flag.name}"
        if flag.kind == PROFILE:
            continue
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
    return of_type(_other(flag, before["value"]), before)


def _flipped_item(aim: Aim, flag: Flag, reach: str) -> Change:
    key = as_json(flag.key)

    def flipped(before: Any) -> Any:
        item = from_json(before or key)
        return as_json(item | {flag.attribute: _other(flag, item.get(flag.attribute))})

    return aim.change("item", flag.name, {"table": flag.place, "key": key}, flipped, reach)


def _other(flag: Flag, now: Any) -> Any:
    return flag.values[0] if now == flag.values[1] else flag.values[1]


def _flipped_profile(aim: Aim, flags: list[Flag]) -> Change:
    """All flags of one configuration at once: it is deployed in whole."""
    [configuration] = [one for one in aim.topology.configurations if one.arn == flags[0].place]

    def flipped(before: Any) -> Any:
        if before is None:
            raise DrillError(f"nothing of {configuration.logical_id} is deployed")
        content = json.loads(before["content"])
        served = content.get("values", {}) if configuration.has_feature_flags else content
        for flag in flags:
            if not flag.path:  # the content is nothing but the flag
                return {"content": json.dumps(not content)}
            *way, last = flag.path
            reduce(getitem, way, served)[last] ^= True
        return {"content": json.dumps(content)}

    address = {
        "application": configuration.application[0],
        "environment": configuration.environment[0],
        "profile": configuration.profile[0],
        "type": configuration.content_type,
        "label": f"storagefirst-drill-{aim.drill}",
    }
    reach = f"all that asks for {', '.join(one.name for one in flags)}"
    return aim.change("configuration", configuration.logical_id, address, flipped, reach)


KINDS = (Kind("flag-flipped", _flag_flipped),)
