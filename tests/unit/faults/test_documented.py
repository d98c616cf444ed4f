"""docs/faults.md says what the catalogue holds, and what a stack can do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_storagefirst.explore.stack import Stack
from pytest_storagefirst.faults import catalogue
from pytest_storagefirst.faults.plan import SHAPE, parse_fault

PAGE = (Path(__file__).parents[3] / "docs" / "faults.md").read_text(encoding="utf-8")
HEADINGS = {
    "An AWS call of a function": catalogue.CALL,
    "A call that leaves AWS": catalogue.HTTP,
    "An invocation of a function": catalogue.INVOCATION,
    "A delivery from a queue, topic, bus, bucket or rule": catalogue.DELIVERY,
    "A request to an entry": catalogue.REQUEST,
}


def row(kind: catalogue.FaultKind) -> str:
    variants = ", ".join(f"`{variant}`" for variant in kind.variants) or "–"
    return f"| `{kind.name}` | {variants} | {'yes' if kind.lasts else 'no'} | {kind.stands_for} |"


@pytest.mark.parametrize("heading", HEADINGS)
def test_each_sort_of_point_has_its_faults(heading):
    part = PAGE.split(f"\n### {heading}")[1].partition("\n#")[0]

    documented = [line for line in part.splitlines() if line.startswith("| `")]
    sort = HEADINGS[heading]
    assert documented == [row(kind) for kind in catalogue.KINDS.values() if sort in kind.strikes]


def test_every_sort_of_point_has_a_part():
    strikes = {sort for kind in catalogue.KINDS.values() for sort in kind.strikes}

    assert set(HEADINGS.values()) == strikes
    assert len(re.findall(r"^### ", PAGE, re.MULTILINE)) == len(HEADINGS)


def test_the_grammar_and_its_examples():
    shape, examples = re.findall(r"^```\n(.*?)\n```$", PAGE, re.MULTILINE | re.DOTALL)

    assert shape == SHAPE
    for example in examples.splitlines():
        assert str(parse_fault(example)) == example
    for alias, sort in catalogue.ALIASES:
        assert f"`{alias}` at " in PAGE
        assert f"`{catalogue.ALIASES[alias, sort]}`" in PAGE


def test_all_that_a_stack_can_do():
    documented = set(re.findall(r"^\| `stack\.(\w+)", PAGE, re.MULTILINE))

    assert documented == {name for name in vars(Stack) if not name.startswith("_")}
