"""Where the functions' code and layers are on this machine.

SAM and the CLI upload local folders and put S3 addresses in their place; here the folder is
remembered by logical id and the address is a stand-in. A location that is left out is the
template's own folder, as `aws cloudformation package` has it:
https://docs.aws.amazon.com/cli/latest/reference/cloudformation/package.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .expressions import is_static, split_substitutions
from .include import is_local

STAND_IN_BUCKET = "storagefirst"
_STAND_IN_IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/storagefirst:latest"


@dataclass(frozen=True)
class FunctionCode:
    """The code of a function or layer: a folder (or archive, or file) or inline text, or neither.

    `layers` are the folders that Lambda would put on the module path, first one first.
    """

    root: Path | None = None
    layers: tuple[Path, ...] = ()
    inline: str | None = None


def take_code(
    resources: dict[str, Any], globals_section: dict[str, Any], folder: Path, notes: list[str]
) -> dict[str, FunctionCode]:
    """Remember each function's code and replace local locations in `resources` by stand-ins."""
    shared = globals_section.get("Function")
    shared = shared if isinstance(shared, dict) else {}
    layers = {
        logical_id: _layer_folder(logical_id, resource, folder, notes)
        for logical_id, resource in resources.items()
        if resource["Type"] in ("AWS::Serverless::LayerVersion", "AWS::Lambda::LayerVersion")
    }
    shared_layers = shared.get("Layers") or []
    # A layer's own entry is the folder that its archive is made of.
    code = {name: FunctionCode(root) for name, root in layers.items() if root is not None}
    layers = {name: root and _on_module_path(root) for name, root in layers.items()}
    for logical_id, resource in resources.items():
        kind, properties = resource["Type"], resource["Properties"]
        if kind == "AWS::Serverless::Function":
            root, inline = _serverless_code(logical_id, resource, shared, folder, notes)
            wanted = [*_as_list(shared_layers), *_as_list(properties.get("Layers"))]
        elif kind == "AWS::Lambda::Function":
            root, inline = _plain_code(logical_id, resource, folder, notes)
            wanted = _as_list(properties.get("Layers"))
        else:
            continue
        found = tuple(_found_layers(logical_id, wanted, layers, notes))
        code[logical_id] = FunctionCode(root, found, inline)
    shared.pop("CodeUri", None)
    return code


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _found_layers(
    logical_id: str, wanted: list[Any], layers: Mapping[str, Path | None], notes: list[str]
) -> list[Path]:
    found = []
    for layer in wanted:
        name = layer.get("Ref") if isinstance(layer, dict) else None
        path = layers.get(str(name))
        if path is not None:
            found.append(path)
        elif name not in layers:
            notes.append(
                f"{logical_id}: the layer {layer if name is None else name} is not here; "
                "what it holds must be installed"
            )
    return found


def _serverless_code(
    logical_id: str,
    resource: dict[str, Any],
    shared: dict[str, Any],
    folder: Path,
    notes: list[str],
) -> tuple[Path | None, str | None]:
    properties = resource["Properties"]
    package = properties.get("PackageType", shared.get("PackageType"))
    if package == "Image" or "ImageUri" in properties:
        properties.setdefault("ImageUri", shared.get("ImageUri", _STAND_IN_IMAGE))
        if is_local(properties["ImageUri"]) and ".dkr." not in properties["ImageUri"]:
            properties["ImageUri"] = _STAND_IN_IMAGE
        return None, None
    if "InlineCode" in properties:
        return None, _inline_text(properties["InlineCode"])
    location = properties.get("CodeUri", shared.get("CodeUri", "."))
    properties["CodeUri"] = f"s3://{STAND_IN_BUCKET}/{logical_id}"
    return _local_path(logical_id, "CodeUri", location, resource, folder, notes), None


def _plain_code(
    logical_id: str, resource: dict[str, Any], folder: Path, notes: list[str]
) -> tuple[Path | None, str | None]:
    properties = resource["Properties"]
    location = properties.get("Code", ".")
    if isinstance(location, dict) and "ZipFile" in location:
        return None, _inline_text(location["ZipFile"])
    if isinstance(location, dict) and "ImageUri" in location:
        return None, None
    properties["Code"] = {"S3Bucket": STAND_IN_BUCKET, "S3Key": logical_id}
    return _local_path(logical_id, "Code", location, resource, folder, notes), None


def _layer_folder(
    logical_id: str, resource: dict[str, Any], folder: Path, notes: list[str]
) -> Path | None:
    properties = resource["Properties"]
    if resource["Type"] == "AWS::Serverless::LayerVersion":
        location = properties.get("ContentUri", ".")
        properties["ContentUri"] = f"s3://{STAND_IN_BUCKET}/{logical_id}"
        return _local_path(logical_id, "ContentUri", location, resource, folder, notes)
    location = properties.get("Content", ".")
    properties["Content"] = {"S3Bucket": STAND_IN_BUCKET, "S3Key": logical_id}
    return _local_path(logical_id, "Content", location, resource, folder, notes)


def _on_module_path(layer: Path) -> Path:
    """A layer's archive is laid out as /opt is; Lambda puts /opt/python on the module path."""
    return layer / "python" if (layer / "python").is_dir() else layer


def _local_path(
    logical_id: str,
    name: str,
    location: Any,
    resource: dict[str, Any],
    folder: Path,
    notes: list[str],
) -> Path | None:
    metadata = resource.get("Metadata")
    asset = metadata.get("aws:asset:path") if isinstance(metadata, dict) else None
    if isinstance(asset, str):  # `cdk synth` writes it beside the S3 address
        location = asset
    elif (published := _published_from(location, folder)) is not None:
        location = published
    if not is_local(location):
        notes.append(f"{logical_id}: {name} is not on this machine: {location}")
        return None
    path: Path = folder / location
    if not path.exists():
        notes.append(f"{logical_id}: {name} {location} doesn't exist beside the template")
        return None
    return path


def _published_from(location: Any, folder: Path) -> str | None:
    """Where an S3 address is published from, by the asset manifests beside the template.

    An app that was synthesised without the CLI has no metadata that tells it. A manifest maps what
    is published to a source: `files.*.destinations.*.objectKey` to `files.*.source.path` (AWS CDK,
    cloud-assembly-schema, AssetManifest).
    """
    key = location.get("S3Key") if isinstance(location, dict) else None
    if not isinstance(key, str):
        return None
    for manifest in sorted(folder.glob("*.assets.json")):
        try:
            files = json.loads(manifest.read_text(encoding="utf-8"))["files"]
            for asset in files.values():
                if any(to["objectKey"] == key for to in asset["destinations"].values()):
                    return str(asset["source"]["path"])
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            continue  # what it doesn't tell is as without it: the code is not on this machine
    return None


def _inline_text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    substitution = value.get("Fn::Sub") if isinstance(value, dict) else None
    text = substitution[0] if isinstance(substitution, list) else substitution
    if isinstance(text, str) and is_static(text):
        return "".join(
            "${" + piece + "}" if kind != "text" else piece
            for kind, piece in split_substitutions(text)
        )
    return None
