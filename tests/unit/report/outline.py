"""A page as a browser reads it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "br", "link", "img", "input"}
HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(1)>&amp;\x00\u202e' ]]> x"


class Outline(HTMLParser):
    """Elements in order, with their attributes; fails where one is not closed as it was opened."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.goes_on = False  # a line may end here, amid a word

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self.goes_on = tag == "wbr"

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "title"):
            if self.goes_on:
                self.text[-1] += data
            else:
                self.text.append(data)
        self.goes_on = False

    def all(self, tag, **attributes):
        return [
            told
            for found, told in self.found
            if found == tag and attributes.items() <= told.items()
        ]


def outline_of(text):
    """The outline of a page whose elements are closed as they were opened."""
    outline = Outline()
    outline.feed(text)
    outline.close()
    assert outline.open == []
    return outline


def words_of(text):
    return re.sub(r"\s+", " ", " ".join(outline_of(text).text)).strip()
