"""Whether what was stored is what was sent."""

from __future__ import annotations

import base64
import itertools
import json
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape

# Values that an encoding forgotten on the way changes or cuts; to be put in string fields.
SPECIAL = 'a&b=c+d%20e%zz "quoted" \\ é\nnew line'

_HEX = re.compile(r"%[0-9A-F]{2}")


def content_kept(sent: Mapping[str, str], stored_texts: Iterable[str]) -> list[str]:
    """The names of the fields whose value is not found again in what was stored.

    A value counts as kept where it stands as it is or as a format escapes it: JSON (ASCII or not,
    also JSON within JSON), URL encoding, XML, base64 (of the value, or of a text that holds it).
    """
    texts = [text for stored in stored_texts for text in _with_decoded(stored)]
    return [
        name
        for name, value in sent.items()
        if not any(form in text for form in _forms(value) for text in texts)
    ]


def _forms(value: str) -> set[str]:
    forms = {value}
    for ascii_only in (True, False):
        once = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        forms |= {once, once.replace("/", "\\/")}
        forms |= {json.dumps(once, ensure_ascii=also)[1:-1] for also in (True, False)}
    for written in (quote(value, safe=""), quote(value), quote_plus(value)):
        forms |= {written, _HEX.sub(lambda escaped: escaped[0].lower(), written)}
    for quote_mark, apostrophe, line_break in itertools.product(
        ('"', "&quot;", "&#34;"), ("'", "&apos;", "&#39;"), ("\n", "&#10;", "&#xA;")
    ):
        entities = {'"': quote_mark, "'": apostrophe, "\n": line_break}
        forms.add(escape(value, entities))
    forms.add(base64.b64encode(value.encode()).decode())
    return forms


def _with_decoded(stored: str) -> list[str]:
    """The text itself and, where all of it is base64, what it stands for."""
    try:
        return [stored, base64.b64decode(stored, validate=True).decode()]
    except ValueError:
        return [stored]
