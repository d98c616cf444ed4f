"""docs/faults.md has the faults of every sort of point, and examples that can be read."""

from __future__ import annotations

import re
from pathlib import Path

from pytest_storagefirst.faults import catalogue
from pytest_storagefirst.faults.plan import SHAPE, parse_fault

PAGE = (Path(__file__).parents[3] / "docs" / "faults.md").read_text(encoding="utf-8")


def test_every_sort_of_point_has_a_part() -> None:
    sorts = {sort for kind in catalogue.KINDS.values() for sort in kind.strikes}

    parts = re.findall(r"^### .*\n(?:(?!#).*\n)*?<!-- generated: (\S+) -->$", PAGE, re.MULTILINE)
    assert len(parts) == len(sorts) == len(set(parts))
    assert all(part.startswith("faults-of-") for part in parts)


def test_the_grammar_and_its_examples() -> None:
    shape, examples = re.findall(r"^```\n(.*?)\n```$", PAGE, re.MULTILINE | re.DOTALL)

    assert shape == SHAPE
    for example in examples.splitlines():
        assert str(parse_fault(example)) == example
    for alias, sort in catalogue.ALIASES:
        assert f"`{alias}` at " in PAGE
        assert f"`{catalogue.ALIASES[alias, sort]}`" in PAGE
