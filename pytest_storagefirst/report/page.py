"""What every HTML report of ours is made of: one file, no script, nothing fetched, all escaped.

Elements are built by `element`, which escapes whatever is not itself an element. So a text that
came out of a message can't become markup.
"""

from __future__ import annotations

import html
import re
from importlib.resources import files
from typing import Any

# What no HTML or XML text may hold, and what turns the direction of the text around it.
_NOT_SHOWN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
SHORT_NAME = 8  # characters
_IN_NAMES = re.compile(r"[^A-Z/_.:(-]*[A-Z]*[^A-Z/_.:(-]*[/_.:(-]*")
_TURNS = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_VOID = frozenset({"meta", "br", "line", "rect", "path", "circle", "link", "wbr"})
# Nothing is loaded and nothing runs, even if markup should get in.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


class Markup(str):
    """HTML that is whole and safe, as `element` returns it."""

    __slots__ = ()


def plain(text: object) -> str:
    """A text without what no document may hold; what is taken out leaves a mark."""
    return _TURNS.sub("\ufffd", _NOT_SHOWN.sub("\ufffd", str(text)))


def escaped(text: object) -> Markup:
    """A text as HTML; markup stays as it is."""
    if isinstance(text, Markup):
        return text
    return Markup(html.escape(plain(text)))


def element(name: str, /, *children: object, **attributes: Any) -> Markup:
    """An element; `class_` is written class, `aria_label` aria-label. None is left out.

    Children that are lists or other iterables of markup are to be unpacked first.
    """
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID and not children:
        return Markup(f"<{name}{told}/>")
    inner = "".join(escaped(child) for child in children if child is not None)
    return Markup(f"<{name}{told}>{inner}</{name}>")


def bounded(text: object, most: int = 600) -> str:
    """A text that may be of any length, and how much of it is left out."""
    told = str(text)
    if len(told) <= most:
        return told
    return f"{told[:most]}… ({len(told) - most:,} more characters in report.json)"


def breakable(name: str) -> Markup:
    """A text whose long names a line may end within: Orders|Dead|Letters, orders-|dlq."""
    return joined(*map(_broken, re.findall(r"\S+|\s+", name)))


def _broken(word: str) -> Markup:
    if len(word) <= SHORT_NAME:
        return escaped(word)
    return Markup(element("wbr").join(escaped(part) for part in _IN_NAMES.findall(word) if part))


def joined(*parts: object) -> Markup:
    """Elements and texts one behind the other."""
    return Markup("".join(escaped(part) for part in parts if part is not None))


def page(title: str, *body: object, styles: tuple[str, ...] = ("page.css",)) -> str:
    """A whole document. It reads on a phone, on paper and in the dark."""
    css = "\n".join(
        (files("pytest_storagefirst.report") / name).read_text(encoding="utf-8") for name in styles
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Markup(css)),
    )
    return f"<!DOCTYPE html>\n{element('html', head, element('body', *body), lang='en')}\n"


def section(title: object, *children: object, **attributes: Any) -> Markup:
    """A part of a page, under a heading of its own."""
    return element("section", element("h2", title), *children, **attributes)


def table(heads: list[str], rows: list[list[object]], **attributes: Any) -> Markup:
    """A table; a row's first cell is its heading."""
    return element(
        "div",
        element(
            "table",
            element("thead", element("tr", *(element("th", one, scope="col") for one in heads))),
            element(
                "tbody",
                *(
                    element(
                        "tr",
                        element("th", row[0], scope="row"),
                        *(element("td", cell) for cell in row[1:]),
                    )
                    for row in rows
                ),
            ),
            **attributes,
        ),
        class_="scrolls",
    )


def names(messages: list[str], most: int = 200) -> Markup:
    """Ids, each apart from the next; beyond `most`, how many more there are."""
    shown = [element("li", element("code", one)) for one in messages[:most]]
    if len(messages) > most:
        shown.append(element("li", f"and {len(messages) - most:,} more"))
    return element("ul", *shown, class_="names")
