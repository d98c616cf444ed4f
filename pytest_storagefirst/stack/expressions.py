"""Template expressions: what is a function and what a value, and how values are written as text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

NO_VALUE: Final = object()  # what {"Ref": "AWS::NoValue"} becomes: its property is left out

_SUBSTITUTION = re.compile(r"\$\{(!?)([^{}]*)\}")
DYNAMIC_REFERENCE = re.compile(r"\{\{resolve:([a-z-]+):([^{}]*)\}\}")


def scalar_text(value: Any) -> str:
    """A scalar as CloudFormation writes it into a string."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def is_static(value: Any) -> bool:
    """Whether nothing in it waits for a deployed resource."""
    if isinstance(value, dict):
        return not is_function(value) and all(is_static(part) for part in value.values())
    if isinstance(value, list):
        return all(is_static(part) for part in value)
    return True


def is_function(value: Any) -> bool:
    if not isinstance(value, dict) or len(value) != 1:
        return False
    key: str = next(iter(value))
    return key == "Ref" or key.startswith("Fn::")


def split_substitutions(text: str) -> Iterator[tuple[str, str]]:
    """The pieces of a `Fn::Sub` text: ("text", …), ("name", …) or ("literal", …) for `${!…}`."""
    position = 0
    for match in _SUBSTITUTION.finditer(text):
        if match.start() > position:
            yield "text", text[position : match.start()]
        yield ("literal" if match[1] else "name"), match[2].strip() if not match[1] else match[2]
        position = match.end()
    if position < len(text):
        yield "text", text[position:]


def invented_dynamic_reference(name: str) -> str:
    """A value for `{{resolve:…:name}}`, which AWS would look up in SSM or Secrets Manager."""
    words = [word for word in re.split(r"[^A-Za-z0-9]+", name) if word]
    return "invented-" + "-".join(words[-3:])
