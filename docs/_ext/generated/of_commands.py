"""Every command with its options, and every option of pytest."""

from __future__ import annotations

import inspect
from typing import Any

import click

from generated.markdown import code, said, table
from pytest_storagefirst import options
from pytest_storagefirst.cli import main


class Declared:
    """Stands in for pytest's parser and keeps what is declared."""

    def __init__(self) -> None:
        self.options: list[tuple[str, dict[str, Any]]] = []
        self.ini: list[tuple[str, str]] = []

    def getgroup(self, *names: str) -> Declared:
        return self

    def addoption(self, name: str, **declared: Any) -> None:
        self.options.append((name, declared))

    def addini(self, name: str, text: str, **declared: Any) -> None:
        self.ini.append((name, text))


def declared() -> Declared:
    found = Declared()
    options.add_options(found)  # type: ignore[arg-type]  # takes the place of pytest's parser
    return found


def pytest_options() -> str:
    """Options and ini names of the plugin."""
    found = declared()
    rows = [
        (code(name + (f"={told['metavar']}" if "metavar" in told else "")), told["help"])
        for name, told in found.options
    ]
    rows += [(f"{code(name)} in the ini file", text) for name, text in found.ini]
    return table(("option", "what it does"), rows)


def commands() -> str:
    """A section for each command, in the order of the alphabet."""
    return "\n\n".join(_section(name, one) for name, one in sorted(main.commands.items()))


def _section(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=f"storagefirst {name}")
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    rows = [
        (code(", ".join(one.opts) + _value(one)), (one.help or "") + _default(one))
        for one in command.params
        if isinstance(one, click.Option)
    ]
    parts = [f"## {name}", f"```text\n{usage}\n```", inspect.cleandoc(command.help or "")]
    if rows:
        parts.append(table(("option", ""), rows))
    return "\n\n".join(parts)


def _value(option: click.Option) -> str:
    if option.is_flag or option.count:
        return ""
    return f" {option.metavar or option.type.name.upper()}"


def _default(option: click.Option) -> str:
    if option.is_flag or option.count or option.multiple or not option.default:
        return ""
    return f" Default: {option.default}." if isinstance(option.default, str | int | float) else ""


def errors() -> str:
    """What can be raised for what its reader can mend."""
    from pytest_storagefirst import errors as module

    kinds = [
        one
        for one in vars(module).values()
        if inspect.isclass(one) and issubclass(one, module.StorageFirstError)
    ]
    return table(("error", "when"), [(code(one.__name__), said(one)) for one in kinds[1:]])


PARTS = (pytest_options, commands, errors)
