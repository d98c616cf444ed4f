"""AWS's rules with their pages, and the tests that hold them."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

from generated.markdown import code, table

CONFORMANCE = Path(__file__).parents[3] / "tests" / "conformance"
PAGES = "https://docs.aws.amazon.com/"
_OF_RULE = re.compile(r"(?:test_(?:rule_)?|TestRule)(\d+)(?!\d)")


def rules() -> str:
    """A row for each rule of tests/conformance/rules.toml."""
    listed = tomllib.loads((CONFORMANCE / "rules.toml").read_text(encoding="utf-8"))
    held = _held()
    return table(
        ("rule", "", "held by"),
        [
            (number, f"[{one['rule']}]({PAGES}{one['page']})", ", ".join(map(code, held[number])))
            for number, one in listed.items()
        ],
    )


def _held() -> dict[str, dict[str, None]]:
    """Of each rule the modules with its tests; a test's name says its rule."""
    modules: dict[str, dict[str, None]] = {}
    for module in sorted(CONFORMANCE.glob("test_*.py")):
        for node in ast.parse(module.read_text(encoding="utf-8")).body:
            found = _OF_RULE.match(getattr(node, "name", ""))
            if found:
                modules.setdefault(found[1], {})[module.stem] = None
    return modules


PARTS = (rules,)
