"""Each of AWS's rules 1 to 41 (rules.toml) has a test that cites the page it comes from.

A test tells its rule by its name: test_26_…, test_rule_7_… or a class TestRule11.
"""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
RULES = tomllib.loads((FOLDER / "rules.toml").read_text(encoding="utf-8"))
_OF_RULE = re.compile(r"(?:test_(?:rule_)?|TestRule)(\d+)(?!\d)")


def cited(source: str) -> dict[str, str]:
    """What the tests of each rule say in their docstrings."""
    said: dict[str, str] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found = _OF_RULE.match(node.name)
            if found:
                said[found[1]] = said.get(found[1], "") + (ast.get_docstring(node) or "") + "\n"
    return said


def test_the_list_is_complete() -> None:
    assert list(RULES) == [str(number) for number in range(1, 42)]
    for rule in RULES.values():
        assert set(rule) == {"rule", "page"}
        assert re.fullmatch(r"[\w-]+/latest/[\w/-]+\.html", rule["page"])


@pytest.mark.parametrize("number", RULES)
def test_a_test_cites_the_rules_page(number: str) -> None:
    name = Path(RULES[number]["page"]).stem
    modules = (module.read_text(encoding="utf-8") for module in sorted(FOLDER.glob("test_*.py")))
    said = "\n".join(text for source in modules if (text := cited(source).get(number)))

    assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", said), (
        f"no test of rule {number} names {name}; its tests say:\n{said}"
    )
