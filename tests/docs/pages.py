"""The pages, and what it means to run a block of one.

A page is a folder that its blocks fill, from the top down:

- a comment `<!-- file: NAME -->` before a block of any language: it is written to that file;
- `<!-- folder: examples/orders -->`: what follows happens in a copy of that folder;
- `<!-- with: FILE -->`: and with a copy of that file;
- `<!-- not run: REASON -->`: it can't be run here; REASONS are all there are;
- `python`: its tests are run. What one raises has to stand in the block of text that follows;
- `toml`: read by the reader of what it is: storagefirst.toml, a drill, load profiles;
- `json`: parsed;
- `console`: each `$ command` is run, and prints what stands below it. `…` stands for any text, and
  alone on its line for any lines. Real times and counts that hang on them are not compared;
- `sh`: each line is run, and has to end with 0.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sybil import Example, Sybil
from sybil.parsers.myst import CodeBlockParser

from pytest_storagefirst.chaos.drill import read_drill
from pytest_storagefirst.explore.result import PropertyFailure
from pytest_storagefirst.factory import StorageFirst
from pytest_storagefirst.load.profiles import read_profiles
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.settings_file import load_settings

ROOT = Path(__file__).parents[2]
LANGUAGES = ("python", "toml", "json", "yaml", "ini", "console", "sh", "text")
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "examples").rglob("README.md"),
        *(ROOT / "docs").rglob("*.md"),
    )
    if "_build" not in path.parts
)
# Whose blocks are run elsewhere, and where.
RUN_ELSEWHERE = {"docs/blueprints": "tests/test_blueprints.py"}

# Pages with commands in blocks of no language, which nothing here runs, and who does what they say.
COMMANDS_RUN_ELSEWHERE = {
    "README.md": "CI: make demo, make test",
    "docs/blueprints/index.md": "tests/test_blueprints.py and tests/target",
    "docs/drills.md": "tests/chaos",
    "docs/load.md": "tests/load",
    "docs/local.md": "tests/target",
    "examples/orders/README.md": "CI: make demo",
    "examples/orders_broken/README.md": "CI: make demo",
}

# Why a block is not run here. Its commands are checked all the same: see test_commands.py.
REASONS = {
    "package registry": "it downloads packages",
    "local target": "it starts processes and takes minutes; tests/target, tests/load and "
    "tests/chaos do what it says",
    "part of a template": "it is lines to add; tests/unit/audit/templates has whole ones",
    "your files": "it is about files that only its reader has",
    "tests/plugin/test_shards.py": "that does it, and it takes a while",
}

# What a newcomer runs first prints what the page shows with the time that a newcomer's run takes.
WITH_TIME = ("docs/tutorial/first-verdict.md",)

_COMMENTS = re.compile(r"(?:<!-- [a-z ]+: .+? -->\s*)+\Z")
_COMMENT = re.compile(r"<!-- ([a-z ]+): (.+?) -->")
_FENCE = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What hangs on the machine: times, how much was done within one, and pytest's rulers.
_VARIES = (
    (re.compile(r"\bin [\d.]+ ?s\b"), "in TIME"),
    (re.compile(r"^(\S+: )[\d,]+ runs\b", re.MULTILINE), r"\1RUNS"),
    (re.compile(r"(tried: [\d,]+ faults at [\d,]+ sites).*"), r"\1"),
    (re.compile(r"([=_])\1{2,}"), r"\1\1\1"),
)


# What is generated says how a thing is called, and does nothing; a test compares it with the code.
_GENERATED = re.compile(r"^<!-- generated: ([\w-]+) -->$.*?^<!-- end of \1 -->$", re.M | re.S)


def blocks(page: str) -> list[tuple[str, str]]:
    """(language, text) of every fenced block; "" is the language of one that names none."""
    return _FENCE.findall(_GENERATED.sub("", (ROOT / page).read_text(encoding="utf-8")))


def examples(page: str, workspace: Workspace | None = None) -> list[Example]:
    """The blocks of a page that can be run, in their order."""
    parsers = [CodeBlockParser(language, workspace) for language in LANGUAGES]
    document = Sybil(parsers).parse(ROOT / page)
    generated = [found.span() for found in _GENERATED.finditer(document.text)]
    return [
        example
        for example in document.examples()
        if not any(start <= example.start < end for start, end in generated)
    ]


def remarks(example: Example) -> dict[str, str]:
    """What the comments right before a block say: "file", "folder", "with", "not run"."""
    found = _COMMENTS.search(example.document.text[: example.start])
    said = dict(_COMMENT.findall(found[0])) if found else {}
    assert said.keys() <= {"file", "folder", "with", "not run", "generated"}, said
    return said


ON_CI = ("CI", "BUILD_NUMBER", "GITHUB_STEP_SUMMARY")


class Workspace:
    """The folder that a page's blocks fill and are run in."""

    def __init__(self, folder: Path, page: str = "") -> None:
        self.folder = folder
        # No time to speak of: what is always tried, which is what most pages are about.
        self.budget = "" if page in WITH_TIME else "--storagefirst-budget=0.01"
        self.raised: str | None = None  # what the last test told, until a block shows it

    def __call__(self, example: Example) -> None:
        said = remarks(example)
        text = str(example.parsed)
        language = example.region.lexemes["arguments"]
        if "not run" in said:
            assert said["not run"] in REASONS, f"this is no reason: {said['not run']}"
            return
        if "folder" in said:
            shutil.copytree(ROOT / said["folder"], self.folder, dirs_exist_ok=True)
        if "with" in said:
            shutil.copy(ROOT / said["with"], self.folder)
        if language != "text":
            self.nothing_raised()
        if "file" in said:
            path = self.folder / said["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            assert language != "toml" or self.read_toml(path)
        else:
            with contextlib.chdir(self.folder):
                getattr(self, f"run_{language}")(text)

    def nothing_raised(self) -> None:
        assert self.raised is None, f"no block of text shows what the test raised:\n{self.raised}"

    # --- one language each --------------------------------------------------------------------

    def run_python(self, text: str) -> None:
        found: dict[str, Any] = {"__name__": "shown"}
        sys.path.insert(0, str(self.folder))
        try:
            exec(compile(text, "a block of python", "exec"), found)
        finally:
            sys.path.remove(str(self.folder))
            for name, module in list(sys.modules.items()):
                if str(getattr(module, "__file__", "")).startswith(str(self.folder)):
                    del sys.modules[name]  # another page may have one of that name
        factory = StorageFirst((self.folder,), Settings(), self.folder / ".storagefirst")
        tests = [value for name, value in found.items() if name.lower().startswith("test")]
        try:
            for test in tests:
                if isinstance(test, type):
                    _run_case(test)
                else:
                    test(storagefirst=factory)
        except PropertyFailure as failure:
            self.raised = str(failure).partition("\n\nagain: ")[0]

    def run_text(self, text: str) -> None:
        if self.raised is not None:
            assert_told(text, self.raised)
            self.raised = None

    def run_toml(self, text: str) -> None:
        path = self.folder / "block.toml"
        path.write_text(text, encoding="utf-8")
        assert self.read_toml(path)

    def read_toml(self, path: Path) -> bool:
        """Read by its own reader, which raises for whatever it doesn't know."""
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        if "summary" in table:
            return bool(read_drill(path))
        if "project" in table or "build-system" in table:
            return True
        settings = shutil.copy(path, self.folder / "storagefirst.toml")
        load_settings(self.folder / "template.yaml", Settings())
        if "profiles" in table:
            own = (ROOT / "load" / "profiles.toml", ())
            read_profiles([own, (Path(settings), ("profiles",))])
        return True

    def run_json(self, text: str) -> None:
        json.loads(text)

    def run_yaml(self, text: str) -> None:
        raise AssertionError("name the file that this is, or say why it is not used")

    run_ini = run_yaml

    def run_sh(self, text: str) -> None:
        for line in text.splitlines():
            command = line.partition("  #")[0].strip()
            if command and not command.startswith("#"):
                done = self.shell(command)
                assert done.returncode == 0, f"$ {command}\n{done.stdout}"

    def run_console(self, text: str) -> None:
        first, *rest = re.split(r"^\$ ", text, flags=re.MULTILINE)
        assert not first.strip(), f"this is no command: {first}"
        for part in rest:
            command, _, shown = part.partition("\n")
            done = self.shell(command)
            if shown.strip():
                assert_told(shown, done.stdout)
            else:
                assert done.returncode == 0, f"$ {command}\n{done.stdout}"

    def shell(self, command: str) -> subprocess.CompletedProcess[str]:
        """The command as its reader gives it; on most pages only what is always tried is."""
        return subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=300,
            env={
                # On a CI server pytest cuts no line; pages show what a terminal does.
                **{name: value for name, value in os.environ.items() if name not in ON_CI},
                "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
                "PYTHONPATH": str(ROOT),
                "PYTEST_ADDOPTS": f"{self.budget} -p no:cacheprovider",
                "COLUMNS": "80",
                "NO_COLOR": "1",
            },
        )


def _run_case(case: type) -> None:
    told = io.StringIO()
    result = unittest.TextTestRunner(told).run(
        unittest.defaultTestLoader.loadTestsFromTestCase(case)
    )
    assert result.testsRun
    assert result.wasSuccessful(), told.getvalue()


def assert_told(shown: str, told: str) -> None:
    """`shown`, with its gaps, is all of `told`; what varies from run to run is not compared."""
    wanted, found = (_without_what_varies(text) for text in (shown, told))
    pattern = "\n".join(
        # With the line break, so that no line at all will do.
        r"(?s:.*?)" if line.strip() == "…" else re.escape(line).replace("…", r".*?")
        for line in wanted.splitlines()
    )
    pattern = pattern.replace("(?s:.*?)\n", "(?s:.*?\n)??").replace("\n(?s:.*?)", "(?s:\n.*?)??")
    assert re.fullmatch(pattern, found), f"shown:\n{wanted}\n\nprinted:\n{found}"


def _without_what_varies(text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.strip("\n").splitlines())
    for pattern, instead in _VARIES:
        lines = pattern.sub(instead, lines)
    return lines


def commands(page: str) -> Iterator[str]:
    """Every call of pytest or storagefirst, in a line of a block or within a sentence."""
    text = (ROOT / page).read_text(encoding="utf-8")
    yield from re.findall(r"(?<!`)`((?:pytest|storagefirst) [^`]+)`(?!`)", _FENCE.sub("", text))
    for language, text in blocks(page):
        if language in ("", "sh", "console"):
            for line in text.splitlines():
                command = line.strip().removeprefix("$ ").partition("  #")[0].partition(" | ")[0]
                if re.match(r"(pytest|storagefirst) \S", command):
                    yield command.strip()
