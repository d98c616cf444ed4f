"""Feature flags as data: where each stands, its two values, and how it takes the other one.

A flag that AppConfig serves is found by itself, and so is a parameter that reads like one; an item
of a table is a flag where [[flag]] in storagefirst.toml says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_storagefirst.stack.topology import Configuration

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.run import Simulation

PROFILE, PARAMETER, ITEM = "profile", "parameter", "item"
# What says of a switch that it is on, and what says that it is off.
_WORDS = (("true", "false"), ("on", "off"), ("enabled", "disabled"), ("yes", "no"))
OPPOSITES = {a: b for pair in _WORDS for a, b in (pair, pair[::-1])}
_OWN_NAMES = frozenset({"enabled", "default"})  # of what a flag's value is kept under
# Of Powertools' feature flags: it says of what type a flag is, and switches nothing.
_NO_FLAG = "boolean_type"


@dataclass(frozen=True)
class Flag:
    """One switch. `kind` is "profile", "parameter" or "item".

    `place` is the ARN of a configuration, a parameter's name or a table's, `path` where the switch
    is in the configuration, `key` and `attribute` where it is in the table. `values` are the one
    that stands at first, and the other.
    """

    name: str
    kind: str
    place: str
    values: tuple[Any, Any]
    path: tuple[str | int, ...] = ()
    key: Mapping[str, Any] = field(default_factory=dict)
    attribute: str = ""


def flags_in(configuration: Configuration) -> Iterator[Flag]:
    """The switches of a configuration: each boolean in it."""
    try:
        values = json.loads(served(configuration))
    except ValueError:
        return
    for path, value in _booleans(values, ()):
        words = [str(part) for part in path]
        if len(words) > 1 and words[-1] in _OWN_NAMES:
            words.pop()
        name = re.sub(r"[^\w.-]", "-", ".".join((configuration.logical_id, *words)))
        yield Flag(name, PROFILE, configuration.arn, (value, not value), path)


def _booleans(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[Any, ...], bool]]:
    if isinstance(value, bool):
        yield path, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name != _NO_FLAG:
                yield from _booleans(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _booleans(inner, (*path, index))


def opposite(word: str) -> str | None:
    """The other value of a parameter that reads like a switch, written alike; None for no
    switch.
    """
    other = OPPOSITES.get(word.lower())
    if other is None:
        return None
    if word.isupper():
        return other.upper()
    return other.title() if word.istitle() else other


def served(configuration: Configuration) -> str:
    """What AppConfig says when it is asked: of feature flags their values alone.

    Page: AppConfig user guide, appconfig-type-reference-feature-flags.
    """
    if not configuration.has_feature_flags:
        return configuration.content
    return json.dumps(json.loads(configuration.content).get("values", {}))


def content_of(simulation: Simulation, configuration: Configuration) -> str:
    """What a configuration says now, its flags being as they are."""
    text = served(configuration)
    off = [
        flag
        for flag in simulation.deployed.flags
        if flag.place == configuration.arn and flag.name in simulation.flipped
    ]
    if not off and not configuration.has_feature_flags:
        return text
    content = json.loads(text)
    for flag in off:
        inner = content
        for part in flag.path[:-1]:
            inner = inner[part]
        if flag.path:
            inner[flag.path[-1]] = flag.values[1]
        else:
            content = flag.values[1]
    if configuration.has_feature_flags:  # the attributes of a flag that is off are not told
        content = {
            name: one if one.get("enabled") else {"enabled": False} for name, one in content.items()
        }
    return json.dumps(content)


def keys_in(known: tuple[Flag, ...], table: str) -> list[dict[str, Any]]:
    """The keys of a table's items that are flags, as DynamoDB writes them."""
    found = [flag.key for flag in known if flag.kind == ITEM and flag.place == table]
    if not found:
        return []
    from boto3.dynamodb.types import TypeSerializer

    typed = TypeSerializer().serialize
    return [{name: typed(part) for name, part in key.items()} for key in found]


def begin(simulation: Simulation) -> None:
    """Put every flag to the value that it has at first. Call when the world is rewound."""
    simulation.flipped.clear()
    for flag in simulation.deployed.flags:
        if flag.kind == ITEM:
            _write(simulation, flag, flag.values[0])
    for flag in simulation.deployed.flags:
        if flag.name in simulation.deployed.flipped:
            flip(simulation, flag)


def flip(simulation: Simulation, flag: Flag) -> None:
    """Let a flag take its other value, now."""
    simulation.flipped ^= {flag.name}
    value = flag.values[flag.name in simulation.flipped]
    if flag.kind != PROFILE:
        _write(simulation, flag, value)
    simulation.record("noted", (), flag.name, f"is {json.dumps(value)} now")


def _write(simulation: Simulation, flag: Flag, value: Any) -> None:
    world = simulation.deployed.world
    if flag.kind == PARAMETER:
        world.about_to_change("ssm", "PutParameter")
        parameters = world.backend("ssm")._parameters[flag.place]
        parameters[-1].value = value
        return
    from boto3.dynamodb.types import TypeSerializer
    from moto.dynamodb.models.dynamo_type import DynamoType

    typed = TypeSerializer().serialize
    table = world.backend("dynamodb").get_table(flag.place)
    own = {name: typed(part) for name, part in flag.key.items()}
    names = [name for name in (table.hash_key_attr, table.range_key_attr) if name]
    kept = table.get_item(*(DynamoType(own[name]) for name in names))
    item = kept.to_json()["Attributes"] if kept is not None else {}
    table.put_item({**item, **own, flag.attribute: typed(value)})
