"""What was stored is what was sent, as it is or as its format writes it."""

from __future__ import annotations

import base64
import json
import re
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_storagefirst.ledger.content import SPECIAL, content_kept

WRITERS = {
    "as it is": str,
    "JSON": json.dumps,
    "JSON, not ASCII": lambda value: json.dumps(value, ensure_ascii=False),
    "JSON with escaped slashes": lambda value: json.dumps(value).replace("/", "\\/"),
    "JSON in JSON": lambda value: json.dumps(json.dumps({"note": value})),
    "JSON in JSON, not ASCII": lambda value: json.dumps(
        json.dumps({"note": value}, ensure_ascii=False), ensure_ascii=False
    ),
    "URL": lambda value: quote(value, safe=""),
    "form": quote_plus,
    "form, lower case": lambda value: re.sub(
        "%..", lambda escaped: escaped[0].lower(), quote_plus(value)
    ),
    "XML": escape,
    "XML attribute": lambda value: escape(value, {'"': "&quot;", "\n": "&#10;"}),
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64 of JSON": lambda value: base64.b64encode(json.dumps(value).encode()).decode(),
}


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("value", [SPECIAL, "a/b&c"])
def test_kept_in_every_form(form, value):
    written = WRITERS[form](value)
    stored = written if form == "base64 of JSON" else f"x{written}y"
    assert content_kept({"note": value}, ["something else", stored]) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda value: value.partition("&")[0],
        lambda value: value.replace("+", " "),
        lambda value: value.replace("%20", " "),
        lambda value: value.replace('"', ""),
        lambda value: value.replace("\\", ""),
        lambda value: value.replace("é", "?"),
        lambda value: value.encode().decode("latin-1"),
        lambda value: value.replace("\n", " "),
    ],
)
def test_every_damage_is_seen(damage):
    assert content_kept({"note": SPECIAL}, [damage(SPECIAL)]) == ["note"]
    assert content_kept({"note": SPECIAL}, [json.dumps({"note": damage(SPECIAL)})]) == ["note"]


def test_only_the_damaged_fields_are_named_and_nothing_stored_damages_all():
    sent = {"kept": "one", "cut": "two&more"}
    assert content_kept(sent, ["one", "two"]) == ["cut"]
    assert content_kept(sent, []) == ["kept", "cut"]


@given(st.text(min_size=1), st.sampled_from(sorted(WRITERS)))
def test_no_text_is_accused_when_json_wrote_it(value, form):
    if form.startswith("JSON"):
        assert content_kept({"note": value}, [WRITERS[form](value)]) == []
