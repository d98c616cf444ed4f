"""What every page is made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_storagefirst.report.page import bounded, breakable, escaped, plain
from tests.unit.report.outline import outline_of


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("OrdersDeadLetters", ["Orders", "Dead", "Letters"]),
        ("orders-dead-letters", ["orders-", "dead-", "letters"]),
        ("short", ["short"]),
        ("✗ ConditionalCheckFailed", ["✗ Conditional", "Check", "Failed"]),
        ("", [""]),
    ],
)
def test_a_long_name_may_be_broken_between_its_words(name, parts):
    assert breakable(name).split("<wbr/>") == parts


@given(st.text())
def test_nothing_of_a_breakable_text_is_lost(text):
    assert breakable(text).replace("<wbr/>", "") == escaped(text)


@given(st.text())
def test_whatever_a_text_holds_a_page_shows_it(text):
    outline = outline_of(f"<p>{escaped(text)}</p>")

    assert "".join(outline.text).replace("\r\n", "\n") == plain(text).replace("\r\n", "\n")
    assert [tag for tag, _ in outline.found] == ["p"]


def test_a_bounded_text_says_how_much_is_left_out():
    assert bounded("abc", 3) == "abc"
    assert bounded("a" * 2_003, 3) == "aaa… (2,000 more characters in report.json)"
