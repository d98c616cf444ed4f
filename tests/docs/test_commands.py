"""Every command line of the pages is one that can be given, also where it is not run."""

from __future__ import annotations

import re
import shlex
import tomllib

import click
import pytest

from pytest_storagefirst.chaos.drill import drill_names
from pytest_storagefirst.cli import main
from tests.docs.pages import COMMANDS_RUN_ELSEWHERE, PAGES, ROOT, blocks, commands

OPTIONS = set(
    re.findall(
        r'"(--storagefirst-[a-z-]+)"',
        (ROOT / "pytest_storagefirst" / "options.py").read_text(encoding="utf-8"),
    )
)
PROFILES = set(tomllib.loads((ROOT / "load" / "profiles.toml").read_text(encoding="utf-8")))


def check(command: str) -> None:
    """Raise for a subcommand, option, profile or drill that doesn't exist."""
    program, *given = shlex.split(command, comments=True)
    if program == "pytest":
        asked = {word.partition("=")[0] for word in given if word.startswith("--storagefirst-")}
        assert asked <= OPTIONS
        return
    context = main.make_context("storagefirst", list(given), resilient_parsing=True)
    if given[0].startswith("-"):
        return
    _, subcommand, rest = main.resolve_command(context, given)
    assert subcommand is not None
    try:
        parsed = subcommand.make_context(given[0], list(rest), parent=context)
    except click.UsageError as error:
        if "does not exist" in str(error):  # a folder that stands for the reader's
            return
        raise
    name = parsed.params.get("name") or parsed.params.get("profile")
    if "…" in (name or "…") or name == "NAME":
        return
    if given[0] == "drill" and not name.endswith((".toml", ".json")):
        assert name in drill_names()
    if given[0] == "load" and not parsed.params["inits"]:
        assert name in PROFILES


@pytest.mark.parametrize("page", [page for page in PAGES if list(commands(page))])
def test_the_commands_of_a_page(page: str) -> None:
    for command in commands(page):
        if not re.search(r"[|<>]|\b[A-Z]{4,}\b(?!:)", command.partition(" -")[0]):
            check(command)


@pytest.mark.parametrize(
    "command",
    [
        "pytest -p storagefirst --storagefirst-bugdet=3 template.yaml",
        "storagefirst upp",
        "storagefirst load bursts --target local",
        "storagefirst load burst --targets local",
        "storagefirst drill consumer-unabled",
    ],
)
def test_one_that_cannot_be_given_is_found(command: str) -> None:
    with pytest.raises((AssertionError, click.UsageError)):
        check(command)


def test_what_is_run_elsewhere_is_listed() -> None:
    found = {
        page
        for page in PAGES
        for language, text in blocks(page)
        if not language
        and re.search(r"^(pytest|storagefirst|make|pip|locust) ", text, re.MULTILINE)
    }

    assert found == set(COMMANDS_RUN_ELSEWHERE)
