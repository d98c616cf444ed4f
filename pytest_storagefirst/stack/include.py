"""Local files that a template pulls in: `AWS::Include`, API and state machine definitions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import TemplateError
from .document import read_document
from .intrinsics import Resolver

_DEEPEST_INCLUDE = 20

# Where a type keeps a file's location, and where its content goes instead.
_DEFINITIONS = {
    "AWS::Serverless::Api": ("DefinitionUri", "DefinitionBody"),
    "AWS::Serverless::HttpApi": ("DefinitionUri", "DefinitionBody"),
    "AWS::Serverless::StateMachine": ("DefinitionUri", "Definition"),
    "AWS::ApiGateway::RestApi": ("BodyS3Location", "Body"),
    "AWS::ApiGatewayV2::Api": ("BodyS3Location", "Body"),
    "AWS::StepFunctions::StateMachine": ("DefinitionS3Location", "Definition"),
}
_STATE_MACHINES = {"AWS::Serverless::StateMachine", "AWS::StepFunctions::StateMachine"}


def is_local(location: Any) -> bool:
    """Whether a location is a path beside the template and no address of an S3 object."""
    return isinstance(location, str) and not location.startswith(("s3://", "https://", "http://"))


def inline_includes(node: Any, folder: Path, resolver: Resolver, depth: int = 0) -> Any:
    """`node` with each local `AWS::Include` replaced by the file it names.

    Locations are relative to the template's folder. Raises `TemplateError` for a missing file.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/transform-aws-include.html
    """
    if isinstance(node, list):
        return [inline_includes(part, folder, resolver, depth) for part in node]
    if not isinstance(node, dict):
        return node
    included: Any = {}
    rest: dict[str, Any] = {}
    for key, value in node.items():
        found = _include_locations(value) if key in ("Fn::Transform", "Transform") else None
        if found is None:
            rest[key] = inline_includes(value, folder, resolver, depth)
            continue
        locations, others = found
        if others:
            rest[key] = others
        for location in locations:
            content = _included(location, folder, resolver, depth)
            if not isinstance(content, dict):
                return content
            included = {**included, **content}
    return {**included, **rest}


def _include_locations(value: Any) -> tuple[list[Any], list[Any]] | None:
    """The `AWS::Include` locations of a transform, and its other entries; None when it has none."""
    entries = value if isinstance(value, list) else [value]
    locations = [
        (entry.get("Parameters") or {}).get("Location")
        for entry in entries
        if isinstance(entry, dict) and entry.get("Name") == "AWS::Include"
    ]
    others = [
        entry
        for entry in entries
        if not (isinstance(entry, dict) and entry.get("Name") == "AWS::Include")
    ]
    return (locations, others) if locations else None


def _included(location: Any, folder: Path, resolver: Resolver, depth: int) -> Any:
    resolved = resolver.resolve(location)
    if not is_local(resolved):
        raise resolver.error(
            "AWS::Include takes a file that isn't here",
            found=str(resolved),
            expected="a path relative to the template",
        )
    if depth >= _DEEPEST_INCLUDE:
        raise resolver.error("files include each other in a circle", found=str(resolved))
    content = read_document(_existing(folder, resolved, "AWS::Include", resolver)).value
    return inline_includes(content, folder, resolver, depth + 1)


def _existing(folder: Path, location: str, what: str, resolver: Resolver) -> Path:
    path = folder / location
    if not path.is_file():
        raise resolver.error(
            f"the file of {what} is missing", found=location, expected=f"a file {path}"
        )
    return path


def inline_definition(
    logical_id: str, resource: dict[str, Any], folder: Path, resolver: Resolver
) -> None:
    """Put a local API or state machine definition into its resource.

    A state machine's missing file is only noted. Raises `TemplateError` for an API's.
    """
    kind = resource["Type"]
    if kind not in _DEFINITIONS:
        return
    source, target = _DEFINITIONS[kind]
    properties = resource["Properties"]
    location = properties.get(source)
    if location is None:
        return
    if is_local(location) and (kind not in _STATE_MACHINES or (folder / location).is_file()):
        path = _existing(folder, location, source, resolver)
        content = inline_includes(read_document(path).value, folder, resolver)
        properties[target] = resolver.resolve(content)
        del properties[source]
    elif kind in _STATE_MACHINES:
        resolver.note(f"{logical_id}: the state machine's definition {location} is not here")
        properties[target] = {"StartAt": "NotHere", "States": {"NotHere": {"Type": "Succeed"}}}
        del properties[source]
    else:
        raise TemplateError(
            f"{source} names a file that isn't here",
            where=resolver.where,
            found=str(location),
            expected="a path relative to the template",
        )
