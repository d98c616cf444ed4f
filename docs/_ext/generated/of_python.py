"""The public names of the package, and what the fixture hands out."""

from __future__ import annotations

import inspect
from typing import Any

import pytest_storagefirst
from generated.markdown import said
from pytest_storagefirst.explore.stack import Stack, Table
from pytest_storagefirst.factory import StorageFirst
from pytest_storagefirst.ledger.effects import Effect
from pytest_storagefirst.ledger.events import Event
from pytest_storagefirst.simulation.downstreams import DownstreamByHand

# How a reader gets hold of one, and whether its maker is of interest.
HELD = (
    ("storagefirst", StorageFirst),
    ("stack", Stack),
    ('stack.table("Orders")', Table),
    ('stack.downstream("https://…")', DownstreamByHand),
    ("stack.effects()[0]", Effect),
    ("stack.history[0]", Event),
)


def public_names() -> str:
    parts = []
    for name in pytest_storagefirst.__all__:
        value = getattr(pytest_storagefirst, name)
        if inspect.isclass(value):
            parts.append(f"### `{name}`\n\n{said(value)}")
        elif callable(value):
            parts.append(f"### `{name}{_signature(value)}`\n\n{_text(value)}")
    return "\n\n".join(parts)


def handed_out() -> str:
    return "\n\n".join(_section(held, kind) for held, kind in HELD)


def _section(held: str, kind: type) -> str:
    parts = [f"### `{held}`", _text(kind)]
    for name, value in vars(kind).items():
        if name == "__call__":
            parts.append(_entry(f"{held}{_signature(value)}", value))
        elif name.startswith("_"):
            continue
        elif isinstance(value, property):
            parts.append(_entry(f"{held}.{name}", value.fget))
        elif inspect.isfunction(value):
            parts.append(_entry(f"{held}.{name}{_signature(value)}", value))
    return "\n\n".join(part for part in parts if part)


def _entry(title: str, value: Any) -> str:
    text = _text(value).replace("\n", "\n  ") or f"`{_returns(value)}`"
    return f"`{title}`\n: {text}"


def _returns(value: Any) -> str:
    return str(inspect.get_annotations(value).get("return", ""))


def _signature(value: Any) -> str:
    """Names and defaults; what annotations add, the text says."""
    shown = []
    keyword_only = False
    for one in inspect.signature(value).parameters.values():
        if one.name == "self":
            continue
        if one.kind is one.VAR_POSITIONAL:
            keyword_only = True
        elif one.kind is one.KEYWORD_ONLY and not keyword_only:
            shown.append("*")
            keyword_only = True
        star = {one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "")
        default = "" if one.default is one.empty else f"={one.default!r}"
        shown.append(f"{star}{one.name}{default}")
    return f"({', '.join(shown)})"


def _text(value: Any) -> str:
    """The docstring; samples in it that are indented become blocks."""
    lines: list[str] = []
    inside = False
    for line in said(value).splitlines():
        indented = line.startswith("    ")
        if line.strip() and indented != inside:
            if inside and not lines[-1]:
                lines.pop()  # ruff formats the blocks of pages, too
            lines += ["```python"] if indented else ["```", ""]
            inside = indented
        lines.append(line.removeprefix("    ") if inside else line)
    return "\n".join([*lines, "```"] if inside else lines)


PARTS = (public_names, handed_out)
