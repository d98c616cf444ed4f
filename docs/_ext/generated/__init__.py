"""Text that is made from the code, so that it can't differ from it.

A part of PARTS stands in a page between `<!-- generated: NAME -->` and `<!-- end of NAME -->`, for
whoever reads the page as it lies in the repository: `make tables` writes it there, a test compares
it, and the pages are built with it made anew. index.md says, in one of its lists,
`<!-- every other page -->` for the pages of docs/ that none of its lists names.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generated import (
    of_commands,
    of_deployments,
    of_faults,
    of_properties,
    of_python,
    of_rules,
    of_settings,
)

if TYPE_CHECKING:
    from sphinx.application import Sphinx

PARTS: dict[str, Callable[[], str]] = {
    part.__name__.replace("_", "-"): part
    for module in (
        of_commands,
        of_deployments,
        of_faults,
        of_properties,
        of_python,
        of_rules,
        of_settings,
    )
    for part in module.PARTS
}
DOCS = Path(__file__).parents[2]
OTHERS = "<!-- every other page -->"
MARK = re.compile(
    r"^<!-- generated: ([\w-]+) -->$(?:.*?^<!-- end of \1 -->$)?", re.MULTILINE | re.DOTALL
)


def expanded(text: str) -> str:
    """A page's text with its generated parts. Raises KeyError for a part that nobody makes."""
    named = set(text.splitlines())
    others = [page.stem for page in sorted(DOCS.glob("*.md")) if page.stem not in named]
    text = text.replace(OTHERS, "\n".join(one for one in others if one != "index"))
    return MARK.sub(lambda mark: PARTS[mark[1]]().strip(), text)


def written(text: str) -> str:
    """A page's text with its generated parts between their marks, as it lies in the repository."""
    return MARK.sub(
        lambda mark: (
            f"<!-- generated: {mark[1]} -->\n\n{PARTS[mark[1]]().strip()}\n\n"
            f"<!-- end of {mark[1]} -->"
        ),
        text,
    )


def _expand(app: Sphinx, document: str, source: list[str]) -> None:
    source[0] = expanded(source[0])


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", _expand)
    return {"parallel_read_safe": True}
