"""docs/evidence.md is what was surveyed, and its totals are those of its own table."""

from __future__ import annotations

import re
from collections import Counter

from evidence import page
from evidence.by_hand import BY_HAND
from evidence.laying import listed
from pytest_storagefirst.audit.catalogue import rules

RESULTS = page.read()
TEXT = page.PAGE.read_text(encoding="utf-8")


def rows(title: str) -> list[dict[str, str]]:
    """The first table below a heading or a bold line that begins like this."""
    lines = TEXT[TEXT.index(title) :].splitlines()
    table: list[list[str]] = []
    for line in lines[1:]:
        if line.startswith("|"):
            table.append([cell.strip() for cell in line.strip("|").split("|")])
        elif table:
            break
    head, _, *body = table
    return [dict(zip(head, cells, strict=True)) for cells in body]


def test_the_page_is_what_the_generator_writes() -> None:
    assert page.written(RESULTS) == TEXT, "run python -m evidence page"


def test_every_listed_template_was_surveyed() -> None:
    assert list(RESULTS["templates"]) == [one.template for one in listed()], "run make survey"
    assert len({one.template for one in listed()}) == 60


def test_the_totals_are_those_of_the_table() -> None:
    table = rows("## Template by template")
    told = re.search(r"\*\*(\d+) templates: (\d+) stand up, (\d+) are judged", TEXT)
    assert told is not None

    stand = sum(row["stands up"] == "yes" for row in table)
    judged = sum(bool(row["loss"]) for row in table)
    assert tuple(map(int, told.groups())) == (len(table), stand, judged)
    for row in rows("# Sixty public templates"):
        short = page.PROPERTIES[row["property"].strip("`")]
        counts = Counter(one[short] for one in table)
        assert row == {
            "property": row["property"],
            "violated": str(counts["**violated**"]),
            "ok": str(counts["ok"]),
            "unknown": str(counts["unknown"]),
            "does not apply": str(counts["–"]),
        }


def test_the_findings_are_those_of_the_table() -> None:
    told = re.search(r"The audit finds (\d+) things, (\d+) of them with a witness", TEXT)
    assert told is not None
    table = rows("## Template by template")

    shown = advice = 0
    for row in table:
        times = re.findall(r"`[a-z0-9-]+`(?: (\d+) times)?", row["with a witness"])
        shown += sum(int(count or 1) for count in times)
        advice += int(row["advice"] or 0)

    assert tuple(map(int, told.groups())) == (shown + advice, shown)


def test_what_was_counted_by_hand_is_counted_by_rules_that_there_are() -> None:
    assert {rule for one in BY_HAND for rule in one.rules} <= set(rules())


def test_every_violated_property_has_its_reason() -> None:
    for one in listed():
        properties = RESULTS["templates"][one.template]["properties"]
        for name, verdict in properties.items():
            assert verdict["why"] or verdict["verdict"] == "ok", (one.template, name)
