"""What states say to each other and to services: paths into JSON, and calls in boto3's words.

Step Functions writes every name in PascalCase, gives JSON where a service takes bytes and wants
JSON back. Rules from the Step Functions developer guide: supported-services-awssdk,
amazon-states-language-paths.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from functools import lru_cache
from importlib import import_module
from typing import Any

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_SEVERAL = re.compile(r"\*|\.\.|\?|\[[^\]]*[:,]")  # in a path that can find more than one thing


@lru_cache(maxsize=1024)
def _path(text: str) -> tuple[Any, bool]:
    """A JSONPath, read once, and whether it gives a list of all that it finds."""
    extended: Any = import_module("jsonpath_ng.ext")
    return extended.parse(text), bool(_SEVERAL.search(_QUOTED.sub("", text)))


def found(path: str, data: Any) -> Any:
    """What a path finds: the thing itself, or a list where it can find several.

    Raises moto's NoSuchJsonPathError where there is nothing.
    """
    from moto.stepfunctions.parser.asl.utils.json_path import NoSuchJsonPathError

    expression, several = _path(path)
    values = [match.value for match in expression.find(data)]
    if several:
        return values
    if not values:
        raise NoSuchJsonPathError(json_path=path, data=data)
    return values[0]


@lru_cache(maxsize=256)
def _operation(service: str, action: str) -> Any:
    """botocore's model of an operation; None where it knows none. `action` may be in any case."""
    from botocore.session import Session

    wanted = action.replace("_", "").lower()
    model: Any = Session().get_service_model(service)
    names = {name.lower(): name for name in model.operation_names}
    return model.operation_model(names[wanted]) if wanted in names else None


def ask(service: str, action: str, parameters: dict[str, Any]) -> None:
    """Bring a call's parameters, in place, to what boto3 takes."""
    operation = _operation(service, action)
    if operation is not None and operation.input_shape is not None:
        asked = _asked(operation.input_shape, parameters)
        parameters.clear()
        parameters.update(asked)


def tell(service: str, action: str, answer: Any) -> None:
    """Bring an answer of boto3's, in place, to what the next state is given."""
    operation = _operation(service, action)
    if isinstance(answer, dict) and operation is not None and operation.output_shape is not None:
        told = _told(operation.output_shape, answer)
        answer.clear()
        answer.update(told)


def _asked(shape: Any, value: Any) -> Any:
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        members = {name.lower(): name for name in shape.members}
        asked = {}
        for name, inner in value.items():
            known = members.get(name.lower(), name)
            member = shape.members.get(known)
            asked[known] = _asked(member, inner) if member is not None else inner
        return asked
    if kind == "list" and isinstance(value, list):
        return [_asked(shape.member, inner) for inner in value]
    if kind == "map" and isinstance(value, dict):
        return {name: _asked(shape.value, inner) for name, inner in value.items()}
    if kind == "blob" and not isinstance(value, bytes | str):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return value


def _told(shape: Any, value: Any) -> Any:
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        return {
            name[:1].upper() + name[1:]: _told(shape.members[name], inner)
            if name in shape.members
            else inner
            for name, inner in value.items()
        }
    if kind == "list" and isinstance(value, list):
        return [_told(shape.member, inner) for inner in value]
    if kind == "map" and isinstance(value, dict):
        return {name: _told(shape.value, inner) for name, inner in value.items()}
    if kind == "blob":
        content = value.read() if hasattr(value, "read") else value
        return content.decode("utf-8", "replace") if isinstance(content, bytes) else content
    if isinstance(value, datetime):
        moment = value.astimezone(UTC).isoformat(timespec="milliseconds")
        return moment.replace("+00:00", "Z")
    return value
