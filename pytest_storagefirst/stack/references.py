"""What resources ask of each other: checked before deployment, and the order that follows."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from ..errors import TemplateError
from .document import Document
from .expressions import is_function
from .resource_types import PLAYS_A_PART


def references(node: Any) -> Iterator[tuple[str, str | None]]:
    """Each (logical id, attribute) that `node` asks for; the attribute is None for a `Ref`."""
    if isinstance(node, list):
        for part in node:
            yield from references(part)
    elif is_function(node) and "Ref" in node:
        yield node["Ref"], None
    elif is_function(node) and "Fn::GetAtt" in node:
        yield node["Fn::GetAtt"][0], node["Fn::GetAtt"][1]
    elif isinstance(node, dict):
        for part in node.values():
            yield from references(part)


def target(node: Any) -> str | None:
    """The logical id that a property points at, when all it holds is a `Ref` or `Fn::GetAtt`."""
    if not is_function(node) or not ("Ref" in node or "Fn::GetAtt" in node):
        return None
    return next(references(node))[0]


def check_references(body: Mapping[str, Any], absent: set[str], document: Document) -> None:
    """Refuse what points nowhere, or at an attribute that the type hasn't.

    `absent` names resources that a condition left out. Raises `TemplateError`.
    """
    resources = body["Resources"]
    for logical_id, resource in resources.items():
        for name, value in resource.get("Properties", {}).items():
            where = f"{document.where(logical_id)}, property {name}"
            for reference in references(value):
                _check(reference, resources, absent, where)
    for name, output in body.get("Outputs", {}).items():
        for reference in references(output):
            _check(reference, resources, absent, f"{document.where(name)}, output")


def _check(
    reference: tuple[str, str | None], resources: Mapping[str, Any], absent: set[str], where: str
) -> None:
    logical_id, attribute = reference
    written = f"Ref {logical_id}" if attribute is None else f"Fn::GetAtt {logical_id}.{attribute}"
    if logical_id not in resources:
        close = difflib.get_close_matches(logical_id, list(resources), 1)
        raise TemplateError(
            "a reference points nowhere",
            where=where,
            found=written
            + (" (its condition is false, so it is not created)" if logical_id in absent else ""),
            expected="a parameter or resource of this template",
            remedy=f"did you mean {close[0]}?" if close else "",
        )
    known = PLAYS_A_PART.get(resources[logical_id]["Type"])
    if attribute is not None and known is not None and attribute.split(".")[0] not in known:
        raise TemplateError(
            f"{resources[logical_id]['Type']} has no such attribute",
            where=where,
            found=written,
            expected="one of: " + (", ".join(known) or "(it has no attributes)"),
        )


def in_dependency_order(
    resources: dict[str, Any], absent: set[str], document: Document
) -> dict[str, Any]:
    """Resources so that each stands after what it needs. Raises `TemplateError` for a circle."""
    graph: dict[str, list[str]] = {}
    for logical_id, resource in resources.items():
        needed = [name for name, _ in references(resource.get("Properties", {}))]
        depends_on = resource.get("DependsOn") or []
        for name in [depends_on] if isinstance(depends_on, str) else depends_on:
            if not isinstance(name, str):
                raise TemplateError(
                    "DependsOn is no list of names",
                    where=document.where(logical_id),
                    found=str(depends_on),
                )
            if name in resources:
                needed.append(name)
            elif name not in absent:
                raise TemplateError(
                    "DependsOn names a resource that isn't there",
                    where=document.where(logical_id),
                    found=str(name),
                )
        graph[logical_id] = list(dict.fromkeys(needed))
    for logical_id, resource in resources.items():
        if resource["Type"] == "AWS::ApiGateway::Deployment":
            api = target(resource["Properties"].get("RestApiId"))
            graph[logical_id] += [
                other
                for other, method in resources.items()
                if method["Type"] == "AWS::ApiGateway::Method"
                and target(method["Properties"].get("RestApiId")) == api
            ]
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = [str(name) for name in reversed(error.args[1])]
        raise TemplateError(
            "resources need each other in a circle",
            where=document.where(circle[0]),
            found=" -> ".join(circle),
            remedy="break it, for example with a fixed name or a policy of its own",
        ) from None
    return {logical_id: resources[logical_id] for logical_id in order}
