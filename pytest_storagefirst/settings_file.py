"""storagefirst.toml, or `[tool.storagefirst]` in pyproject.toml, read into `Settings`.

Schedules, replays and the command read a template's settings through this, as a pytest run does.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_storagefirst.audit.catalogue import rule_names
from pytest_storagefirst.cloud_assembly import plain_name, project_folder
from pytest_storagefirst.errors import SettingsError
from pytest_storagefirst.ledger.properties import registered
from pytest_storagefirst.settings import (
    ENTRY_KINDS,
    UNIQUE,
    AllowedTarget,
    Downstream,
    Entry,
    Reply,
    Settings,
    nearest,
    the_one_of,
)
from pytest_storagefirst.settings_reader import Document, Reader

FILE_NAME = "storagefirst.toml"
AUDITS = "audit"  # among properties: all rules
_SHOWN = ", ".join((*registered(), AUDITS, "audit:<rule>"))


def load_settings(template: Path, base: Settings | None = None) -> Settings:
    """`base` with what the template's configuration says on top.

    That is NAME.storagefirst.toml or storagefirst.toml beside the template NAME.yaml (of what the
    CDK wrote: above its folder), else `[tool.storagefirst]` of the nearest pyproject.toml above it
    that has one. Raises `SettingsError` for a file that can't be read, and
    for every unknown key or wrong value.
    """
    settings = base or Settings()
    place = _place(template)
    return settings if place is None else _apply(settings, *place)


def own_name(template: Path) -> str:
    """Of a settings file that is for this one of a folder's templates: "Orders.storagefirst.toml"
    for Orders.template.json."""
    return f"{plain_name(template)}.{FILE_NAME}"


def settings_place(template: Path) -> Path | None:
    """The file that a template's settings are in; None without one. Raises `SettingsError`."""
    place = _place(template)
    return None if place is None else Path(place[1].name)


def _place(template: Path) -> tuple[Any, Document] | None:
    folder = project_folder(template)
    for own in (folder / own_name(template), folder / FILE_NAME):
        if own.is_file():
            return _parse(own)
    for parent in (folder, *folder.parents):
        project = parent / "pyproject.toml"
        if project.is_file():
            table, document = _parse(project)
            tools = table.get("tool", {})
            section = tools.get("storagefirst") if isinstance(tools, dict) else None
            if section is not None:
                return section, replace(document, prefix=("tool", "storagefirst"))
    return None


def _parse(path: Path) -> tuple[dict[str, Any], Document]:
    here = Path.cwd()
    name = path.relative_to(here).as_posix() if path.is_relative_to(here) else str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            "can't be read", where=name, found=str(error), expected="a TOML file in UTF-8"
        ) from None
    try:
        return tomllib.loads(text), Document(name, text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        at = line.group(1) if line else str(len(text.splitlines()) or 1)
        raise SettingsError(
            "is no valid TOML", where=f"{name}:{at}", found=str(error), expected="TOML 1.0"
        ) from None


# --- from table to Settings -------------------------------------------------------------------


def _apply(settings: Settings, table: Any, document: Document) -> Settings:
    read = Reader(document)
    top = read.table(
        (),
        table,
        (
            "parameters",
            "imports",
            "properties",
            "entry",
            "downstream",
            "functions",
            "circuit",
            "flag",
            "bookkeeping",
            "permissions",
            "target",
            "drills",
            "profiles",  # of load runs, which read them themselves
        ),
    )
    sources: dict[str, str] = {}
    for section in ("parameters", "imports", "functions"):
        for key in read.table((section,), top.get(section, {})):
            sources[f"{section}.{key}"] = document.where(section, key)
    for key in ("properties", "circuit", "bookkeeping"):
        if key in top:
            sources[key] = document.where(key)
    for number in range(len(read.tables(("flag",), top.get("flag", [])))):
        sources[f"flag.{number}"] = document.where("flag", number)
    chosen = _properties(read, top["properties"]) if "properties" in top else None
    return replace(
        settings,
        parameters={
            key: read.parameter(("parameters", key), value)
            for key, value in top.get("parameters", {}).items()
        },
        imports={
            key: read.text(("imports", key), value) for key, value in top.get("imports", {}).items()
        },
        properties=tuple(name for name in registered() if name in (chosen or ())),
        explores=chosen is None or any(name in registered() for name in chosen),
        audits=None if chosen is None else _audits(chosen),
        entries=tuple(
            _entry(read, ("entry", number), value)
            for number, value in enumerate(read.tables(("entry",), top.get("entry", [])))
        ),
        downstreams=tuple(
            _downstream(read, ("downstream", number), value)
            for number, value in enumerate(read.tables(("downstream",), top.get("downstream", [])))
        ),
        functions={
            key: _handler(read, ("functions", key), value)
            for key, value in top.get("functions", {}).items()
        },
        circuit=_circuit(read, top.get("circuit", {})),
        flags=tuple(
            read.table(("flag", number), value, _OF_A_FLAG)
            for number, value in enumerate(read.tables(("flag",), top.get("flag", [])))
        ),
        targets=tuple(
            _target(read, ("target", number), value)
            for number, value in enumerate(read.tables(("target",), top.get("target", [])))
        ),
        drills=_drills(read, top.get("drills", {})),
        bookkeeping=tuple(
            read.text(("bookkeeping", number), value)
            for number, value in enumerate(read.texts(("bookkeeping",), top.get("bookkeeping", [])))
        ),
        permissions=read.boolean(("permissions",), top.get("permissions", settings.permissions)),
        sources={**settings.sources, **sources},
    )


def _circuit(read: Reader, value: Any) -> dict[str, Any]:
    """What the circuit's words are is the user's; the rest has its types."""
    path = ("circuit",)
    checks: dict[str, Any] = dict.fromkeys(
        ("table", "parameter", "mapping", "state", "url"), read.text
    )
    checks |= {"key": read.table, "threshold": read.count, "successes": read.count}
    checks |= {"recovery_seconds": read.duration, "opened": read.table}
    table = read.table(path, value, (*checks, "closed", "open", "half_open"))
    for name in checks.keys() & table.keys():
        checks[name]((*path, name), table[name])
    return table


def _properties(read: Reader, value: Any) -> tuple[str, ...]:
    names = (*registered(), AUDITS, *rule_names())
    if not isinstance(value, list) or not value or not all(isinstance(name, str) for name in value):
        raise read.wrong(("properties",), value, "a list of one or more of " + _SHOWN)
    for name in value:
        if name not in names:
            raise SettingsError(
                "no such property",
                where=read.document.where("properties", value=name),
                found=f'"{name}"',
                expected="one of " + _SHOWN,
                remedy=nearest(name, names),
            )
    return tuple(name for name in names if name in value)


def _audits(chosen: tuple[str, ...]) -> tuple[str, ...]:
    if AUDITS in chosen:
        return rule_names()
    return tuple(name for name in rule_names() if name in chosen)


def _entry(read: Reader, path: tuple[str | int, ...], value: Any) -> Entry:
    valid = (*ENTRY_KINDS, "body", "strategy", "headers", *_MANNERS)
    table = read.table(path, value, valid)
    where = read.document.where(*path)
    example = 'route = "POST /orders", or queue = "LogicalId"'
    kind = the_one_of(ENTRY_KINDS, table, "an entry is one way in", where, example)
    name = read.text((*path, kind), table[kind])
    if kind == "route" and not re.fullmatch(r"[A-Z]+ /\S*|[$@\w-]+", name):
        raise read.wrong(
            (*path, "route"),
            name,
            'a method and a path, as in "POST /orders"',
            'write "METHOD /path"',
        )
    for manner, fitting in _MANNERS.items():
        if manner in table and kind not in fitting:
            raise read.wrong(
                (*path, manner), table[manner], f"none: it is for a {' or '.join(fitting)}"
            )
    key = read.text((*path, "key"), table["key"]) if "key" in table else ""
    if kind == "bucket" and key and UNIQUE not in key:
        raise read.wrong(
            (*path, "key"),
            key,
            f"a key with {UNIQUE}, so that no object takes another's place",
            f'write for example "in/{UNIQUE}.json"',
        )
    return Entry(
        kind=kind,
        name=name,
        body=read.json((*path, "body"), table.get("body")),
        strategy=read.reference((*path, "strategy"), table["strategy"])
        if "strategy" in table
        else None,
        headers={
            key: read.text((*path, "headers", key), value)
            for key, value in read.table((*path, "headers"), table.get("headers", {})).items()
        },
        attributes={
            key: read.attribute((*path, "attributes", key), value)
            for key, value in read.table((*path, "attributes"), table["attributes"]).items()
        }
        if "attributes" in table
        else None,
        group=read.text((*path, "group"), table["group"]) if "group" in table else "",
        key=key,
        where=where,
    )


def _target(read: Reader, path: tuple[str | int, ...], value: Any) -> AllowedTarget:
    keys = ("stack", "account", "region")
    table = read.table(path, value, keys)
    missing = [key for key in keys if key not in table]
    if missing:
        raise SettingsError(
            "a target is allowed by its stack, account and region",
            where=read.document.where(*path),
            found="keys " + (", ".join(table) or "none"),
            expected=", ".join(keys),
            remedy=f"write {missing[0]} = …",
        )
    account = table["account"]
    if not isinstance(account, str) or not re.fullmatch(r"\d{12}", account):
        raise read.wrong((*path, "account"), account, 'twelve digits, quoted: "123456789012"')
    return AllowedTarget(
        stack=read.text((*path, "stack"), table["stack"]),
        account=account,
        region=read.text((*path, "region"), table["region"]),
        where=read.document.where(*path),
    )


def _drills(read: Reader, value: Any) -> dict[str, Any]:
    """When drills may act; the window's text is read when a drill is."""
    path = ("drills",)
    table = read.table(path, value, ("alarms", "window", "maximum_seconds", "fis_role"))
    found: dict[str, Any] = {}
    if "alarms" in table:
        names = table["alarms"]
        if not isinstance(names, list) or not all(isinstance(one, str) and one for one in names):
            raise read.wrong((*path, "alarms"), names, "a list of names of CloudWatch alarms")
        found["alarms"] = tuple(names)
    if "window" in table:
        found["window"] = read.text((*path, "window"), table["window"])
    if "maximum_seconds" in table:
        found["maximum_s"] = read.count((*path, "maximum_seconds"), table["maximum_seconds"])
    if "fis_role" in table:
        found["fis_role"] = read.text((*path, "fis_role"), table["fis_role"])
    return found


_OF_A_FLAG = ("table", "key", "attribute", "parameter", "profile", "flag", "values")

# How a producer sends beside the body, and to what it can.
_MANNERS = {
    "attributes": ("topic", "queue"),
    "group": ("topic", "queue"),
    "key": ("stream", "bucket"),
}


def _downstream(read: Reader, path: tuple[str | int, ...], value: Any) -> Downstream:
    counted: Any = {"per_second": read.count, "at_once": read.count, "answer_seconds": read.seconds}
    keys = ("url", "method", "reply", "idempotency", "script", *counted)
    table = read.table(path, value, keys)
    if "url" not in table:
        raise SettingsError(
            "a downstream needs its url",
            where=read.document.where(*path),
            expected='url = "https://…"',
            found="keys " + (", ".join(table) or "none"),
        )
    url = read.text((*path, "url"), table["url"])
    if not re.match(r"https?://[^/\s]", url):
        raise read.wrong((*path, "url"), url, "an http:// or https:// URL")
    method = read.text((*path, "method"), table.get("method", "ANY")).upper()
    reply = read.table(
        (*path, "reply"), table.get("reply", {}), ("status", "json", "body", "headers")
    )
    status = reply.get("status", 200)
    if not isinstance(status, int) or isinstance(status, bool) or not 100 <= status <= 599:
        raise read.wrong((*path, "reply", "status"), status, "an HTTP status, 100 to 599")
    if "json" in reply and "body" in reply:
        raise read.wrong((*path, "reply"), reply, "json or body, not both", "drop one of them")
    return Downstream(
        url=url,
        method=method,
        reply=Reply(
            status=status,
            json=read.json((*path, "reply", "json"), reply.get("json")),
            text=read.text((*path, "reply", "body"), reply["body"]) if "body" in reply else None,
            headers={
                name: read.text((*path, "reply", "headers", name), text)
                for name, text in read.table(
                    (*path, "reply", "headers"), reply.get("headers", {})
                ).items()
            },
        ),
        idempotency=(
            read.text((*path, "idempotency"), table["idempotency"])
            if "idempotency" in table
            else None
        ),
        script=read.script((*path, "script"), table.get("script", [])),
        **{key: check((*path, key), table[key]) for key, check in counted.items() if key in table},
        where=read.document.where(*path),
    )


def _handler(read: Reader, path: tuple[str | int, ...], value: Any) -> str:
    table = read.table(path, value, ("handler",))
    if "handler" not in table:
        raise SettingsError(
            "a replaced function needs its handler",
            where=read.document.where(*path),
            found="no handler",
            expected='handler = "module:function"',
        )
    return read.reference((*path, "handler"), table["handler"])
