"""A run as Markdown, for the summary of a GitHub Actions job.

https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions#adding-a-job-summary
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_storagefirst.report.again import told_again
from pytest_storagefirst.report.load_terminal import load_lines
from pytest_storagefirst.report.page import plain
from pytest_storagefirst.report.stack_html import headline, verdict_of_all, worst_of
from pytest_storagefirst.report.witness_html import SIGNS

VARIABLE = "GITHUB_STEP_SUMMARY"
MOST_BYTES = 1_048_576  # of one step's summary; GitHub shows none of a longer one
MARGIN_BYTES = 8_192  # for what other tools of the step add, and for what says what was left out
MOST_CELL = 300  # characters of a reason in a table
MOST_STORY_BYTES = 100_000
_MARKS = re.compile(r"([\\`*_{}\[\]()#+!|~@$]|:(?=[\w+-]+:))")

Document = Mapping[str, Any]


def append_summary(parts: Sequence[str]) -> str:
    """Append a summary where GitHub Actions asks for one; says why that failed, else "".

    `parts` are put in one after the other as far as GitHub's limit goes; how many were left out is
    told. Without the variable nothing is done.
    """
    name = os.environ.get(VARIABLE, "")
    if not name or not parts:
        return ""
    try:
        file = Path(name)
        written = file.stat().st_size if file.exists() else 0
        text = within(parts, MOST_BYTES - MARGIN_BYTES - written)
        with file.open("a", encoding="utf-8", newline="\n") as summary:
            summary.write(text)
    except (OSError, ValueError) as error:  # a NUL in the name is a ValueError
        why = getattr(error, "strerror", None) or error
        return f"{VARIABLE}: {plain(name)} can't be written: {why}"
    return ""


def within(parts: Sequence[str], most_bytes: int) -> str:
    """As many of the parts as go into so many bytes, and how many did not."""
    chosen: list[str] = []
    left, out = most_bytes, 0
    for part in parts:
        size = len(part.encode("utf-8"))
        if size <= left:
            chosen.append(part)
            left -= size
        else:
            out += 1
    if out:
        told = "1 part" if out == 1 else f"{out:,} parts"
        chosen.append(f"\n{told} left out, as a summary may have 1 MiB: see the report.\n\n")
    return "".join(chosen)


def summary_of_tests(document: Document) -> list[str]:
    """Of report.json's document: the tables of all stacks first, then the stories."""
    stacks = document.get("stacks", ())
    if not stacks:
        return []
    what = "1 stack" if len(stacks) == 1 else f"{len(stacks):,} stacks"
    parts = [f"## storagefirst: {what}: {verdict_of_all(stacks)}\n\n"]
    parts += [_stack(stack) for stack in stacks]
    for stack in stacks:
        for one in stack["properties"]:
            if one["verdict"] == "violated" and one["story"]:
                parts.append("".join(_story(stack["template"], one)))
    return parts


def summarized(document: Document) -> str:
    """Append the summary of a load run or a drill; says why that failed, else ""."""
    return append_summary(summary_of_load(document)) if os.environ.get(VARIABLE) else ""


def summary_of_load(document: Document) -> list[str]:
    """Of the document of a load run or a drill: what a terminal is told."""
    lines = [line.text for line in load_lines(document)]
    sign, _ = SIGNS.get(str(document.get("verdict")), ("?", ""))
    rest = "".join(f"- {escaped(line.strip())}\n" for line in lines[1:])
    return [f"## {sign} {escaped(lines[0])}\n\n{rest}\n"]


def escaped(text: object) -> str:
    """A text of one line that stands for itself in Markdown, and in a cell of a table."""
    one_line = " ".join(plain(text).split())
    html_safe = one_line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKS.sub(r"\\\1", html_safe)


def fenced(text: str) -> str:
    """A block of code around a text, whatever backticks it holds."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{plain(text)}\n{fence}\n"


def _stack(stack: Document) -> str:
    sign, _ = SIGNS[worst_of(stack)]
    lines = [f"### {sign} {escaped(stack['template'])}\n\n{escaped(headline(stack))}\n\n"]
    if stack.get("refused"):
        return lines[0] + fenced(_shortened(str(stack["refused"]), MOST_STORY_BYTES)) + "\n"
    lines.append("| property | verdict | why | runs | faults tried |\n|---|---|---|--:|--:|\n")
    for one in stack["properties"]:
        verdict = f"{SIGNS.get(one['verdict'], ('?', ''))[0]} {one['verdict']}"
        why = escaped(_shortened(one.get("why", ""), MOST_CELL))
        counts = f"{one['runs']:,} | {one['faults_tried']:,}"
        lines.append(f"| {escaped(one['name'])} | {escaped(verdict)} | {why} | {counts} |\n")
    notes = [f"- note: {escaped(note)}\n" for note in stack.get("notes", ())]
    return "".join([*lines, "\n", *notes, "\n"])


def _story(template: str, one: Document) -> Iterator[str]:
    name = f"{plain(one['name'])} of {plain(template)}"
    safe = name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    yield f"<details><summary>{safe}: its story</summary>\n\n"
    yield fenced(_shortened("\n".join(one["story"]), MOST_STORY_BYTES))
    if one.get("witness"):
        where, command = told_again(one)
        yield f"\n{where}\n\n{fenced(command)}"
    yield "\n</details>\n\n"


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}…"
