"""A template file as plain data, with the line each resource and parameter stands on.

YAML is built from the parser's events, not from PyYAML's constructors: CloudFormation keeps dates
and numbers with leading zeros as text, its short tags become long functions, and a file that
expands without bound by aliases or nests without end is refused instead of hanging or overflowing.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import TemplateError

MAXIMUM_BYTES = 5_000_000
MAXIMUM_NODES = 500_000
MAXIMUM_DEPTH = 100

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]*([eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)")
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_NULLS = {"", "~", "null", "Null", "NULL"}
_MERGE = "<<"


@dataclass(frozen=True)
class Document:
    """A parsed file. `lines` tells where the entries of each top-level section stand."""

    path: Path
    value: Any
    lines: dict[str, int]

    def where(self, name: str) -> str:
        """ "template.yaml:12 (Orders)", or without the line where it isn't known."""
        line = self.lines.get(name)
        return f"{self.path}:{line} ({name})" if line else f"{self.path} ({name})"


def read_document(path: Path) -> Document:
    """The file's content. Raises `TemplateError` with file and line for anything unreadable."""
    try:
        size = path.stat().st_size
        if path.is_file() and size > MAXIMUM_BYTES:
            raise TemplateError(
                "the file is too large",
                where=str(path),
                found=f"{size:,} bytes",
                expected=f"at most {MAXIMUM_BYTES:,} (CloudFormation itself takes 1 MB)",
            )
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise TemplateError(
            "there is no such file", where=str(path), remedy="check the path"
        ) from None
    except IsADirectoryError:
        raise TemplateError(
            "this is a folder", where=str(path), expected="a template file"
        ) from None
    except UnicodeDecodeError as error:
        raise TemplateError(
            "the file is not UTF-8 text",
            where=f"{path}:{_line_of_byte(path, error.start)}",
            found=f"byte 0x{error.object[error.start]:02x}",
        ) from None
    except OSError as error:
        raise TemplateError(f"the file can't be read: {error.strerror}", where=str(path)) from None
    if text.lstrip().startswith("{"):
        return _read_json(path, text)
    value, lines = _read_yaml(path, text)
    return Document(path, value, lines)


def _line_of_byte(path: Path, position: int) -> int:
    return path.read_bytes()[:position].count(b"\n") + 1


def _read_json(path: Path, text: str) -> Document:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        refusal = TemplateError(
            f"this is not valid JSON: {error.msg}", where=f"{path}:{error.lineno}"
        )
        if path.suffix == ".json":
            raise refusal from None
        try:
            value, lines = _read_yaml(path, text)  # YAML may begin with a brace, too
        except TemplateError:
            raise refusal from None
        return Document(path, value, lines)
    except RecursionError:
        raise _too_deep(path, 1) from None
    _check_depth(path, value)
    return Document(path, value, _lines_of_json(value, text))


def _check_depth(path: Path, value: Any) -> None:
    level = [value]
    for _ in range(MAXIMUM_DEPTH):
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return
    raise _too_deep(path, 1)


def _lines_of_json(value: Any, text: str) -> dict[str, int]:
    if not isinstance(value, dict):
        return {}
    sections = [section for section in value.values() if isinstance(section, dict)]
    names = {*value, *(name for section in sections for name in section)}
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        for match in re.finditer(r'"([^"\\]+)"\s*:', line):
            if match[1] in names:
                lines.setdefault(match[1], number)
    return lines


def _too_deep(path: Path, line: int) -> TemplateError:
    return TemplateError(
        "the file nests too deeply",
        where=f"{path}:{line}",
        expected=f"at most {MAXIMUM_DEPTH} levels",
    )


@dataclass
class _Frame:
    """A sequence or mapping that is still open."""

    value: Any
    tag: str | None
    anchor: str | None
    key: str | None = None
    size: int = 1
    merged: list[dict[str, Any]] = field(default_factory=list)


def _read_yaml(path: Path, text: str) -> tuple[Any, dict[str, int]]:
    import yaml

    builder = _Builder(path)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for event in yaml.parse(text, loader):
            builder.take(event, yaml)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        problem = error.problem or "the parser stopped"
        raise TemplateError(f"this is not valid YAML: {problem}", where=f"{path}:{line}") from None
    except yaml.YAMLError as error:
        position = getattr(error, "position", 0) or 0
        line = text[:position].count("\n") + 1
        reason = getattr(error, "reason", None) or "the parser stopped"
        raise TemplateError(f"this is not valid YAML: {reason}", where=f"{path}:{line}") from None
    return builder.root, builder.lines


class _Builder:
    """Builds data from parser events."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root: Any = None
        self.lines: dict[str, int] = {}
        self._documents = 0
        self._frames: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int] | None] = {}

    def take(self, event: Any, yaml: Any) -> None:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event, line)
        elif isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
            if len(self._frames) >= MAXIMUM_DEPTH:
                raise _too_deep(self.path, line)
            empty: Any = [] if isinstance(event, yaml.SequenceStartEvent) else {}
            self._frames.append(_Frame(empty, event.tag, event.anchor))
            if event.anchor:
                self._anchors[event.anchor] = None
        elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            frame = self._frames.pop()
            for merged in frame.merged:
                for key, value in merged.items():
                    frame.value.setdefault(key, value)
            self._finish(_tagged(frame.tag, frame.value), frame.size, frame.anchor, line)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event.anchor, line)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise TemplateError(
                    "the file holds several YAML documents",
                    where=f"{self.path}:{line}",
                    expected="one document",
                    remedy="remove the line '---'",
                )

    def _scalar(self, event: Any, line: int) -> None:
        frame = self._frames[-1] if self._frames else None
        if frame is not None and isinstance(frame.value, dict) and frame.key is None:
            frame.key = event.value
            if len(self._frames) <= 2:
                self.lines.setdefault(event.value, line)
            return
        tag = event.tag
        value: Any
        if (tag is None and event.implicit[0]) or (
            tag is not None and tag.startswith("tag:yaml.org,2002:") and not tag.endswith("str")
        ):
            value = _plain(event.value)
        else:
            value = _tagged(tag, event.value)
        self._finish(value, 1, event.anchor, line)

    def _alias(self, anchor: str, line: int) -> None:
        known = self._anchors.get(anchor)
        if known is None:
            problem = (
                f"the alias *{anchor} stands inside what it names"
                if anchor in self._anchors
                else f"the alias *{anchor} names nothing"
            )
            raise TemplateError(problem, where=f"{self.path}:{line}")
        frame = self._frames[-1]
        if isinstance(frame.value, dict) and frame.key is None:
            frame.key = str(known[0])
            return
        self._finish(known[0], known[1], None, line)

    def _finish(self, value: Any, size: int, anchor: str | None, line: int) -> None:
        if anchor:
            self._anchors[anchor] = (value, size)
        if not self._frames:
            self.root = value
            return
        frame = self._frames[-1]
        frame.size += size
        if frame.size > MAXIMUM_NODES:
            raise TemplateError(
                "the file's aliases expand to too many nodes",
                where=f"{self.path}:{line}",
                expected=f"at most {MAXIMUM_NODES:,}",
            )
        if isinstance(frame.value, list):
            frame.value.append(value)
        elif frame.key is None:
            raise TemplateError(
                "a key is not a plain text", where=f"{self.path}:{line}", found=str(value)[:60]
            )
        else:
            if frame.key == _MERGE and isinstance(value, dict | list):
                merged = value if isinstance(value, list) else [value]
                frame.merged.extend(part for part in merged if isinstance(part, dict))
            else:
                frame.value[frame.key] = value
            frame.key = None


def _plain(text: str) -> Any:
    if text in _NULLS:
        return None
    if text.lower() in _BOOLEANS and (text.islower() or text.istitle() or text.isupper()):
        return _BOOLEANS[text.lower()]
    if _INTEGER.fullmatch(text) and len(text) < 40:
        return int(text)
    if _FLOAT.fullmatch(text) and len(text) < 40:
        return float(text)
    return text


def _tagged(tag: str | None, value: Any) -> Any:
    """`!Sub x` is `{"Fn::Sub": x}`."""
    if tag is None or not tag.startswith("!") or tag == "!":
        return value
    name = tag[1:]
    if name in ("Ref", "Condition"):
        return {name: value}
    if name == "GetAtt" and isinstance(value, str):
        return {"Fn::GetAtt": value.split(".", 1)}
    return {f"Fn::{name}": value}
