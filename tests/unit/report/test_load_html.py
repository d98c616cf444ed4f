"""report.html of a load run, read as a browser reads it."""

from __future__ import annotations

import re
from copy import deepcopy
from xml.etree import ElementTree

import pytest

from pytest_storagefirst.report.load_html import load_page, write_html
from tests.unit.report import load_documents
from tests.unit.report.outline import HOSTILE, outline_of


def read(document):
    return outline_of(load_page(document))


def words(document):
    return re.sub(r"\s+", " ", " ".join(read(document).text))


def charts(document):
    """By title, the chart's SVG as XML: what is not well-formed fails."""
    found = {}
    for text in re.findall(r"<svg .*?</svg>", load_page(document), re.DOTALL):
        svg = ElementTree.fromstring(text)
        title = svg.find("title")
        if title is not None:
            found[title.text.partition(":")[0]] = svg
    return found


def paths(svg, look):
    return [
        one.get("d")
        for one in svg.iter("path")
        if set(look.split()) <= set(one.get("class").split())
    ]


ALL = {
    "outage": load_documents.outage,
    "losses": load_documents.losses,
    "gaps": load_documents.with_gaps,
}


@pytest.fixture(params=ALL)
def document(request):
    return ALL[request.param]()


def test_it_is_one_file_without_scripts_that_fetches_nothing(document):
    outline = read(document)
    tags = {tag for tag, _ in outline.found}

    assert tags & {"script", "link", "img", "iframe", "object", "base", "form"} == set()
    assert not [told for _, told in outline.found if {"src", "href", "action"} & told.keys()]
    assert not [name for _, told in outline.found for name in told if name.startswith("on")]
    assert not re.search(r"url\(|@import|https?://", load_page(document))
    policy = outline.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy[0]["content"].startswith("default-src 'none'")


def test_a_reader_who_hears_it_is_told_what_each_chart_shows(document):
    outline = read(document)
    images = outline.all("svg", role="img")

    assert len(images) >= 5
    for told in images:
        assert ": " in told["aria-label"]
    assert outline.all("html", lang="en")
    assert outline.all("th", scope="row")


def test_it_reads_on_a_phone_on_paper_and_in_the_dark(document):
    text = load_page(document)

    assert '<meta name="viewport" content="width=device-width, initial-scale=1"/>' in text
    for rule in ("prefers-color-scheme: dark", "@media print", "@media (max-width"):
        assert rule in text


@pytest.mark.parametrize(
    ("name", "look", "said"),
    [
        ("outage", "verdict ok", "✓ Passed All 3,200 accepted messages were processed"),
        ("losses", "verdict violated", "✗ Failed 2 of 1,999 accepted messages are lost"),
        ("gaps", "verdict unknown", "? Inconclusive 25 of 3,200 accepted messages are unaccounted"),
    ],
)
def test_the_verdict_stands_at_the_top_with_why(name, look, said):
    document = ALL[name]()

    assert words(document).strip().startswith(said)
    assert read(document).all("header", **{"class": look})
    for why in document["why"]:
        assert words(document).index(why) < words(document).index("Course of the run")


def test_an_inconclusive_run_never_says_that_none_is_lost():
    text = words(load_documents.with_gaps())

    assert "0 known to be lost so far" in text
    assert "none lost" not in text


def test_the_circuits_band_is_closed_open_half_open_closed():
    outline = read(load_documents.outage())
    (band,) = [told["aria-label"] for told in outline.all("div", role="img")]

    assert band == (
        "Circuit: closed from 0 s, open from 21 s, half-open from 66.2 s, closed from 67.1 s"
    )
    parts = [told for tag, told in outline.found if tag == "span" and told.get("title")]
    assert [one["class"] for one in parts if "class" in one] == [
        "closed",
        "open",
        "half thin",
        "closed",
    ]


def test_all_charts_are_tinted_while_the_circuit_is_open():
    found = charts(load_documents.outage())

    assert len(found) == 7
    for svg in found.values():
        looks = [one.get("class") for one in svg.iter("rect")]
        assert looks.count("tint-open") == looks.count("tint-half") == 1
        (tint,) = [one for one in svg.iter("rect") if one.get("class") == "tint-open"]
        assert float(tint.get("x")) == pytest.approx(21 / 130.6 * 1000, abs=0.1)
        assert float(tint.get("width")) == pytest.approx(45.2 / 130.6 * 1000, abs=0.1)


def test_the_story_says_when_it_opened_what_waited_and_when_it_had_drained():
    text = words(load_documents.outage())

    assert "The circuit was open for 45.2 s (21 to 66.2 s) and ended closed." in text
    assert "the downstream was called once." in text
    assert "At most 2,480 messages stood in the queues, at 67 s." in text
    assert "From 94 s on the queues were empty." in text


def test_a_gap_is_a_gap_in_the_line_and_no_zero():
    whole, broken = charts(load_documents.outage()), charts(load_documents.with_gaps())

    assert len(paths(whole["In the queues"], "one line")) == 1
    lines = paths(broken["In the queues"], "one line")
    assert len(lines) == 4, "two ends of a long gap, and one reading between two short ones"
    assert lines[2].endswith("h0")
    for line in lines:
        assert "nan" not in line
    bottoms = [line for line in lines if re.search(r"(?<![\d.])100\.0$", line)]
    assert bottoms == [lines[3]], "only where it had drained does it end at zero"
    told = [one.text for one in broken["In the queues"].iter("title")]
    assert "40 s: in all no reading, of these in flight no reading" in told
    assert "50 s: in all 1," in " ".join(told)


def test_moments_that_are_missing_are_a_gap_too():
    document = load_documents.outage()
    document["timeline"] = [row for row in document["timeline"] if not 30 <= row["at_s"] < 48]

    svg = charts(document)["Arrivals"]

    assert len(paths(svg, "one line")) == 2
    (gap,) = [one for one in svg.iter("rect") if one.get("class") == "tint-gap"]
    assert float(gap.get("x")) == pytest.approx(29 / 130.6 * 1000, abs=0.1)


def test_what_was_never_read_says_so():
    document = load_documents.losses()

    assert "Calls to the downstream not counted on this target" in words(document)
    assert "No circuit breaker was seen." in words(document)
    assert "Calls to the downstream" not in charts(document)


def test_the_cap_stands_where_its_value_is():
    svg = charts(load_documents.outage())["Calls to the downstream"]
    (cap,) = [one for one in svg.iter("line") if one.get("class") == "cap"]

    assert cap.get("y1") == cap.get("y2")
    assert float(cap.get("y1")) == pytest.approx(100 - 100 / 120 * 100, abs=0.1)
    assert "cap 100/s" in words(load_documents.outage())


def test_the_ledger_is_a_waterfall_that_adds_up():
    text = words(load_documents.losses())

    for row in ("attempted 2,000", "− unknown: no clear answer 1", "= accepted 1,999", "− lost 2"):
        assert row in text
    assert "− stranded: held in storage 12 = processed 1,985" in text
    assert "Besides: 1 without a clear answer were processed as well" in text


def test_lost_messages_are_named():
    text = words(load_documents.losses())

    assert "Lost messages (2) k7c2-0-317 k7c2-0-1204" in text
    assert "Messages whose effect stands more than once (1) k7c2-0-88" in text


def test_many_lost_messages_are_counted():
    document = load_documents.losses()
    document["ledger"]["lost"] = [f"k7c2-0-{number}" for number in range(5000)]

    text = words(document)

    assert "Lost messages (5,000)" in text
    assert "and 4,800 more" in text


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("outage", "ingest.p99<300ms ✓ met 41 ms"),
        ("losses", "dlq==expected ✗ missed 12 none was expected"),
        ("gaps", "lost==0 ? no evidence ? time was up"),
    ],
)
def test_each_objective_has_its_verdict(name, row):
    assert row in words(ALL[name]())


def hostile(value):
    """Every text of a document that a message, a stack or a service could have brought along."""
    if isinstance(value, dict):
        return {key: hostile(one) for key, one in value.items()}
    if isinstance(value, list):
        return [hostile(one) for one in value]
    return f"{value}{HOSTILE}" if isinstance(value, str) and value else value


def test_nothing_that_came_from_outside_becomes_markup():
    document = load_documents.losses()
    document["answers"] = [["503", 3]]
    document["timeline"][3]["circuit"] = "odd"
    told = hostile(deepcopy(document))

    plain, attacked = read(document), read(told)

    assert [tag for tag, _ in attacked.found] == [tag for tag, _ in plain.found]
    assert [told.keys() for _, told in attacked.found] == [told.keys() for _, told in plain.found]
    text = load_page(told)
    assert "<script" not in text
    assert "\x00" not in text
    assert "\u202e" not in text
    assert "alert(1)" in " ".join(attacked.text), "it is shown as it is"


def test_a_run_that_ended_before_it_began_has_a_page():
    document = {
        "verdict": "unknown",
        "why": ["interrupted"],
        "ledger": {},
        "profile": "smoke",
        "stack": "s",
    }

    text = words(document)

    assert "No message was accepted" in text
    assert "The run has no timeline." in text


def test_one_sample_is_enough():
    document = load_documents.outage()
    document["timeline"] = document["timeline"][:1]
    document["phases"] = []

    assert charts(document)["Arrivals"] is not None


def test_a_long_run_is_told_in_minutes():
    document = load_documents.outage()
    document["phases"][-1]["to_s"] = 3600

    assert " 0 min 10 min 20 min 30 min 40 min 50 min 60 min " in words(document)
    assert " 0 s 30 s 60 s 90 s 120 s " in words(load_documents.outage())


def test_it_is_written_where_it_is_asked_for(tmp_path):
    file = write_html(load_documents.outage(), tmp_path / "new" / "folder")

    assert file == tmp_path / "new" / "folder" / "report.html"
    assert file.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_drill_is_told_as_one():
    document = load_documents.outage()
    shown = {"expression": "no-message-loss", "value": None, "unit": "", "met": True}
    document |= {"kind": "drill", "profile": "consumer-disabled"}
    document["objectives"] = [{**shown, "why": "37 accepted, none lost"}]
    text = load_page(document)
    assert ">Properties</h2>" in text
    assert "drill <code>consumer-disabled</code>" in text
    assert "37 accepted, none lost" in text
    assert "Objectives" not in text
