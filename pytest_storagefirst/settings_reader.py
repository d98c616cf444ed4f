"""Values of a TOML document, checked one by one; each error names file, line and key."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pytest_storagefirst.errors import FaultError, SettingsError
from pytest_storagefirst.scripts import read_script
from pytest_storagefirst.settings import nearest


@dataclass(frozen=True)
class Document:
    """A TOML text, kept to find the line of a key: `tomllib` doesn't tell."""

    name: str
    text: str
    prefix: tuple[str, ...] = ()

    def where(self, *path: str | int, value: str = "") -> str:
        """The file and line of a key. The search is textual: a neighbour's line at worst."""
        lines = [line.partition(" #")[0] for line in self.text.splitlines()]
        found = 0
        whole = (*self.prefix, *path)
        for position, part in enumerate(whole):
            if isinstance(part, int):
                continue
            after = whole[position + 1] if position + 1 < len(whole) else None
            key = re.escape(part)
            matches: list[int] = []
            if isinstance(after, int):  # the nth [[part]]
                header = re.compile(rf"^\s*\[\[(.*\.)?\s*{key}\s*\]\]")
                matches = [at for at, line in enumerate(lines) if header.search(line)][after:]
            if not matches:
                anywhere = re.compile(rf"""(?<![\w-])["']?{key}["']?\s*[=\].]""")
                matches = [at for at in range(found, len(lines)) if anywhere.search(lines[at])]
            if not matches:
                break
            found = matches[0]
        if value:
            quoted = re.compile(rf"""["']{re.escape(value)}["']""")
            found = next((at for at in range(found, len(lines)) if quoted.search(lines[at])), found)
        return f"{self.name}:{found + 1}"


@dataclass(frozen=True)
class Reader:
    """Checks values of one document; each error names file, line and key."""

    document: Document

    def wrong(
        self, path: tuple[str | int, ...], value: Any, expected: str, remedy: str = ""
    ) -> SettingsError:
        return SettingsError(
            f"{dotted(path)} has a value that can't be used",
            where=self.document.where(*path),
            found=repr(value),
            expected=expected,
            remedy=remedy,
        )

    def table(
        self, path: tuple[str | int, ...], value: Any, valid: tuple[str, ...] | None = None
    ) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.wrong(path, value, "a table")
        for key in value:
            if valid is not None and key not in valid:
                raise SettingsError(
                    f"unknown key {dotted((*path, key))}",
                    where=self.document.where(*path, key),
                    found=key,
                    expected="one of " + ", ".join(valid),
                    remedy=nearest(key, valid),
                )
        return value

    def tables(self, path: tuple[str | int, ...], value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise self.wrong(path, value, f"an array of tables, written [[{path[-1]}]]")
        return value

    def texts(self, path: tuple[str | int, ...], value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise self.wrong(path, value, "a list of texts")
        return value

    def text(self, path: tuple[str | int, ...], value: Any) -> str:
        if not isinstance(value, str) or not value:
            raise self.wrong(path, value, "a text that is not empty")
        return value

    def attribute(self, path: tuple[str | int, ...], value: Any) -> str | int | float:
        if isinstance(value, bool) or not isinstance(value, str | int | float) or value == "":
            raise self.wrong(path, value, "a text that is not empty, or a number")
        return value

    def boolean(self, path: tuple[str | int, ...], value: Any) -> bool:
        if not isinstance(value, bool):
            raise self.wrong(path, value, "true or false")
        return value

    def parameter(self, path: tuple[str | int, ...], value: Any) -> str:
        """CloudFormation's parameters are texts; a list is joined with commas."""
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, str | int | float):
            return str(value)
        if isinstance(value, list) and all(isinstance(part, str | int) for part in value):
            return ",".join(self.parameter(path, part) for part in value)
        raise self.wrong(path, value, "a text, a number, true, false, or a list of these")

    def reference(self, path: tuple[str | int, ...], value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(r"[\w.]+:[\w.]+", value):
            raise self.wrong(path, value, '"module:name", as in "tests.doubles:worker"')
        return value

    def count(self, path: tuple[str | int, ...], value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.wrong(path, value, "a whole number, at least 1")
        return value

    def seconds(self, path: tuple[str | int, ...], value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 900:
            raise self.wrong(path, value, "seconds, 0 to 900")
        return value

    def duration(self, path: tuple[str | int, ...], value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
            raise self.wrong(path, value, "seconds, 0 or more")
        return value

    def script(self, path: tuple[str | int, ...], value: Any) -> tuple[str, ...]:
        try:
            return read_script(value)
        except FaultError as error:
            raise SettingsError(**vars(error) | {"where": self.document.where(*path)}) from None

    def json(self, path: tuple[str | int, ...], value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self.json((*path, key), part) for key, part in value.items()}
        if isinstance(value, list):
            return [self.json(path, part) for part in value]
        if value is None or isinstance(value, str | int | float):
            return value
        raise self.wrong(path, value, "what JSON can hold (a TOML date can't be sent)", "quote it")


def dotted(path: tuple[str | int, ...]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "the file"
