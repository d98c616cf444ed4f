"""Template parameters: overrides and defaults, by type.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ..errors import TemplateError
from .document import Document
from .expressions import scalar_text
from .invented import invented_value

_NOWHERE: Mapping[str, str] = MappingProxyType({})


def parameter_values(
    document: Document,
    declared: Any,
    given: Mapping[str, Any],
    notes: list[str],
    region: str,
    account: str,
    readers: str,
    sources: Mapping[str, str] = _NOWHERE,
) -> dict[str, Any]:
    """Each declared parameter's value.

    A parameter of an SSM type takes a given value as it is; without one a value is invented from
    its default's name, and noted where it matters: where `readers`, the text of what may read
    parameters, has its name. Raises `TemplateError` for an unknown name, a missing value, and
    a value that the declaration doesn't allow.
    """
    if declared is None:
        declared = {}
    if not isinstance(declared, dict):
        raise TemplateError("Parameters is no mapping", where=document.where("Parameters"))
    for name in given:
        if name not in declared:
            close = difflib.get_close_matches(name, list(declared), 1)
            raise TemplateError(
                f"the template has no parameter {name}",
                where=sources.get(f"parameters.{name}") or str(document.path),
                expected="one of: " + ", ".join(declared) if declared else "no parameters at all",
                remedy=f"did you mean {close[0]}?" if close else f"take {name} out",
            )
    _check_missing(document, declared, given)
    values: dict[str, Any] = {}
    for name, declaration in declared.items():
        if not isinstance(declaration, dict):
            raise TemplateError(f"parameter {name} is no mapping", where=document.where(name))
        heard = notes if name in readers else []
        values[name] = _value(document, name, declaration, given, heard, region, account)
    return values


def _check_missing(document: Document, declared: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Raise `TemplateError` of all parameters without a value at once, with what to write."""
    missing = {
        name: str(declaration.get("Type", "String"))
        for name, declaration in declared.items()
        if isinstance(declaration, dict)
        and name not in given
        and declaration.get("Default") is None
    }
    if not missing:
        return
    if len(missing) == 1:
        ((name, kind),) = missing.items()
        raise TemplateError(
            f"parameter {name} has no value",
            where=document.where(name),
            found="no default",
            expected=f"a value of type {kind}",
            remedy=f'write parameters = {{ {name} = "…" }} in storagefirst.toml',
        )
    written = [f'{name} = "…"  # {kind}' for name, kind in missing.items()]
    raise TemplateError(
        f"{len(missing)} parameters have no value",
        where=document.where(next(iter(missing))),
        found=f"no default of {', '.join(missing)}",
        expected="a value of each",
        remedy="\n            ".join(
            (
                "write in storagefirst.toml, or let `storagefirst init` write it:",
                "[parameters]",
                *written,
            )
        ),
    )


def _value(
    document: Document,
    name: str,
    declaration: dict[str, Any],
    given: Mapping[str, Any],
    notes: list[str],
    region: str,
    account: str,
) -> Any:
    kind = str(declaration.get("Type", "String"))
    default = declaration.get("Default")
    raw = given.get(name, default)
    if kind.startswith("AWS::SSM::Parameter::Value") and name not in given:
        invented = invented_value(scalar_text(raw).strip("/"), region, account)
        notes.append(f"parameter {name} is {raw} in SSM: '{invented}' is used")
        return [invented] if "List<" in kind else invented
    is_list = kind == "CommaDelimitedList" or "List<" in kind
    parts = _parts(raw) if is_list else [scalar_text(raw)]
    for part in parts:
        _check(document, name, declaration, part, given=name in given)
    if kind in ("Number", "List<Number>"):
        numbers = [_number(document, name, part) for part in parts]
        return numbers if is_list else numbers[0]
    return parts if is_list else parts[0]


def _parts(raw: Any) -> list[str]:
    if isinstance(raw, list):
        return [scalar_text(part) for part in raw]
    text = scalar_text(raw)
    return [part.strip() for part in text.split(",")] if text else []


def _number(document: Document, name: str, text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise TemplateError(
            f"parameter {name} is no number", where=document.where(name), found=repr(text)
        ) from None


def _check(
    document: Document, name: str, declaration: dict[str, Any], value: str, *, given: bool
) -> None:
    allowed = declaration.get("AllowedValues")
    if isinstance(allowed, list) and value not in [scalar_text(one) for one in allowed]:
        raise TemplateError(
            f"parameter {name} has a value that is not allowed",
            where=document.where(name),
            found=repr(value),
            expected="one of: " + ", ".join(scalar_text(one) for one in allowed),
        )
    pattern = declaration.get("AllowedPattern")
    if not given or not isinstance(pattern, str):
        return
    try:
        matches = re.fullmatch(pattern, value) is not None
    except re.error:  # Java's dialect knows more than Python's
        return
    if not matches:
        raise TemplateError(
            f"parameter {name} has a value that is not allowed",
            where=document.where(name),
            found=repr(value),
            expected=f"AllowedPattern {pattern}",
        )


_CANDIDATES = (
    "someone@example.com",
    "https://example.com",
    "10.0.0.0/16",
    "12345678901234567890",
    "1",
    "a",
)
_NAMED = {
    "email": _CANDIDATES[0],
    "endpoint": _CANDIDATES[1],
    "url": _CANDIDATES[1],
    "cidr": _CANDIDATES[2],
}
_NUMBERED = {"AWS::EC2::VPC::Id": "vpc", "AWS::EC2::Subnet::Id": "subnet"}


def invented_parameters(document: Document, given: Mapping[str, Any]) -> dict[str, str]:
    """A value for each parameter that has neither a default nor a given one."""
    declared = document.value.get("Parameters") if isinstance(document.value, dict) else None
    if not isinstance(declared, dict):
        return {}
    return {
        name: _invented(name, declaration)
        for name, declaration in declared.items()
        if isinstance(declaration, dict) and "Default" not in declaration and name not in given
    }


def _invented(name: str, declaration: dict[str, Any]) -> str:
    kind = str(declaration.get("Type", "String"))
    allowed = declaration.get("AllowedValues")
    if isinstance(allowed, list) and allowed:
        return scalar_text(allowed[0])
    if "Number" in kind:
        return scalar_text(declaration.get("MinValue", 1))
    for type_name, prefix in _NUMBERED.items():
        if type_name in kind:
            return f"{prefix}-0123456789abcdef0"
    plain = f"invented-{name.lower()}"[: int(declaration.get("MaxLength", 60))]
    plain = plain.ljust(int(declaration.get("MinLength", 0)), "x")
    candidates: tuple[str, ...] = (plain, plain.replace("-", ""), *_CANDIDATES)
    for word, candidate in _NAMED.items():
        if word in name.lower():
            candidates = (candidate, *candidates)
    pattern = declaration.get("AllowedPattern")
    for candidate in candidates:
        if not isinstance(pattern, str) or _fits(pattern, candidate):
            return candidate
    return plain


def _fits(pattern: str, text: str) -> bool:
    try:
        return re.fullmatch(pattern, text) is not None
    except re.error:  # Java's dialect knows more than Python's
        return True
