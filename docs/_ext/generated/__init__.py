"""Text that is made from the code while the pages are built, so that it can't differ from it.

A page says `<!-- generated: NAME -->` where a part of PARTS is to stand, and in a list of pages
`<!-- if there is one: PAGE -->` for one that is itself generated, and may not have been yet.
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
PAGE = re.compile(r"^<!-- if there is one: ([\w/-]+) -->$", re.MULTILINE)
MARK = re.compile(r"^<!-- generated: ([\w-]+) -->$", re.MULTILINE)


def expanded(text: str) -> str:
    """A page's text with its generated parts. Raises KeyError for a part that nobody makes."""
    text = PAGE.sub(lambda page: page[1] if (DOCS / f"{page[1]}.md").is_file() else "", text)
    return MARK.sub(lambda mark: PARTS[mark[1]]().strip(), text)


def _expand(app: Sphinx, document: str, source: list[str]) -> None:
    source[0] = expanded(source[0])


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", _expand)
    return {"parallel_read_safe": True}
