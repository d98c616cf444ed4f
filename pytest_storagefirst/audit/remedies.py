"""A remedy's lines for one template: the very change that is tried, as its user would write it."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pytest_storagefirst.audit.origins import Origins
from pytest_storagefirst.audit.positions import Steps

Change = tuple[str, Steps, Any]
_QUOTED = re.compile(r"(!Ref|!GetAtt) '([\w.]+)'")
_SHORT = {"Ref": "!Ref", "Fn::GetAtt": "!GetAtt", "Fn::Sub": "!Sub"}


def remedy_lines(changes: Iterable[Change], origins: Origins) -> tuple[str, ...]:
    """What to write under Resources; () where it can't be written at the place that it is about.

    Lists stand there whole. A resource that SAM makes is written at what it is made from.
    """
    tree: dict[str, Any] = {}
    for logical_id, path, value in changes:
        if not path:
            tree[logical_id] = value
            continue
        steps = _steps(origins, logical_id, path)
        if steps is None:
            return ()
        steps, value = _with_whole_lists(origins, steps, _as_sam(origins, logical_id, path, value))
        holder = tree
        for step in steps[:-1]:
            holder = holder.setdefault(str(step), {})
        holder[str(steps[-1])] = value
    return as_lines(tree)


def _steps(origins: Origins, logical_id: str, path: Steps) -> Steps | None:
    """Where a property stands in the user's file, below Resources."""
    origin = origins.of(logical_id)
    if len(origin.steps) < 3:
        return None
    if "Events" in origin.steps and path[:1] == ("Targets",):
        path = path[2:]  # an event has one target
    steps = origin.path(origins.kind(origin.resource), path)[1:]
    below = len(origin.steps) - 1
    is_deep = len(steps) > below + 2
    return None if is_deep and origins.written(steps[: below + 2]) is None else steps


def _as_sam(origins: Origins, logical_id: str, path: Steps, value: Any) -> Any:
    """What SAM shapes otherwise than CloudFormation."""
    kind = origins.kind(origins.of(logical_id).resource)
    if kind == "AWS::Serverless::Function" and path == ("DeadLetterConfig",):
        return {"Type": "SQS", **value}
    return value


def _with_whole_lists(origins: Origins, steps: Steps, value: Any) -> tuple[Steps, Any]:
    """A change within a list as a change of the list."""
    for at, step in enumerate(steps):
        if isinstance(step, int):
            whole = copy.deepcopy(origins.written(steps[:at]))
            if not isinstance(whole, list) or step >= len(whole):
                return steps, value
            holder: Any = whole
            for inner in steps[at:-1]:
                holder = holder.setdefault(inner, {}) if isinstance(holder, dict) else holder[inner]
            holder[steps[-1]] = value
            return steps[:at], whole
    return steps, value


def as_lines(value: Any) -> tuple[str, ...]:
    """A value as lines of YAML; a text of several lines stands as a block, a long one in one."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def of_text(dumper: Any, text: str) -> Any:
        style = "|" if "\n" in text else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    def of_mapping(dumper: Any, mapping: Mapping[str, Any]) -> Any:
        name, argument = next(iter(mapping.items()), ("", None))
        if len(mapping) == 1 and name in _SHORT:
            text = ".".join(argument) if isinstance(argument, list) else argument
            if isinstance(text, str):
                return dumper.represent_scalar(_SHORT[name], text)
        return dumper.represent_mapping("tag:yaml.org,2002:map", mapping.items())

    Dumper.add_representer(str, of_text)
    Dumper.add_representer(dict, of_mapping)
    text = yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=10_000)
    return tuple(_QUOTED.sub(r"\1 \2", text).splitlines())
