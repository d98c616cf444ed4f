"""timeline.csv, the JUnit file and the terminal's lines of a load run."""

from __future__ import annotations

import csv
from xml.etree import ElementTree

import pytest

from pytest_storagefirst.report.junit import write_junit
from pytest_storagefirst.report.load_terminal import load_lines
from pytest_storagefirst.report.timeline import write_timeline
from tests.unit.report import load_documents


def timeline(document, folder):
    with write_timeline(document, folder).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_for_each_moment_and_gaps_are_empty(tmp_path):
    rows = timeline(load_documents.with_gaps(), tmp_path / "new")

    assert len(rows) == 96
    assert rows[20]["visible"] == "152"
    assert rows[40]["visible"] == rows[40]["circuit"] == ""
    assert rows[40]["offered"] == "57"
    assert rows[50]["circuit"] == "OPEN"


def test_what_the_document_has_more_is_written_too_and_no_formula(tmp_path):
    document = {"timeline": [{"at_s": 0, "circuit": "=HYPERLINK(1)", "retries": 3}]}

    (row,) = timeline(document, tmp_path)

    assert row["retries"] == "3"
    assert row["circuit"] == "'=HYPERLINK(1)"


def junit(document, folder):
    root = ElementTree.parse(write_junit(document, folder / "junit.xml")).getroot()
    (suite,) = root
    cases = {case.get("name"): [one.tag for one in case] for case in suite}
    return suite, cases


def test_a_case_for_the_ledger_and_one_for_each_objective(tmp_path):
    suite, cases = junit(load_documents.outage(), tmp_path)

    assert len(cases) == 7
    assert set(map(tuple, cases.values())) == {()}
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("7", "0", "0")
    assert suite.get("time") == "130.600"


def test_missed_is_a_failure_and_lost_messages_are_named(tmp_path):
    suite, cases = junit(load_documents.losses(), tmp_path)

    assert cases["no-message-loss"] == cases["dlq==expected"] == ["failure"]
    assert cases["drain<120s"] == []
    assert (suite.get("failures"), suite.get("errors")) == ("4", "0")
    failure = suite.find("testcase/failure")
    assert failure.text == "lost: k7c2-0-317\nlost: k7c2-0-1204"


def test_no_evidence_is_an_error_and_so_is_the_ledger_of_an_inconclusive_run(tmp_path):
    suite, cases = junit(load_documents.with_gaps(), tmp_path)

    assert cases["no-message-loss"] == cases["lost==0"] == ["error"]
    assert cases["dropped_arrivals==0"] == ["failure"]
    assert suite.get("errors") == "3"


def test_a_doubt_about_the_ledger_is_an_error_though_all_was_found(tmp_path):
    document = load_documents.outage()
    document.update(verdict="unknown", why=["Orders could not be read"])

    suite, cases = junit(document, tmp_path)

    assert cases["no-message-loss"] == ["error"]
    assert suite.find("testcase/error").text == "Orders could not be read"


def test_a_violation_that_nothing_else_tells_is_a_failure_of_its_own(tmp_path):
    document = load_documents.outage()
    document.update(verdict="violated", why=["the stack was redeployed meanwhile"])

    _, cases = junit(document, tmp_path)

    assert cases["verdict"] == ["failure"]


def test_hostile_ids_leave_the_file_well_formed(tmp_path):
    document = load_documents.losses()
    document["ledger"]["lost"] = ["<&\"'\x00\x1b[31m]]>"]

    suite, _ = junit(document, tmp_path)

    assert "\ufffd" in suite.find("testcase/failure").text


def texts(document, verbosity=0):
    return [line.text for line in load_lines(document, verbosity)]


def test_the_terminal_says_verdict_course_and_ledger():
    lines = load_lines(load_documents.outage())

    assert lines[0].markup == {"green": True}
    assert [line.text for line in lines] == [
        "load outage on breaker-in-handler: ok in 2 min 11 s: All 3,200 accepted messages were "
        "processed",
        "  The circuit was open for 45.2 s (21 to 66.2 s) and ended closed.",
        "  While it was open the downstream was called once.",
        "  At most 2,480 messages stood in the queues, at 67 s.",
        "  From 94 s on the queues were empty.",
        "  ledger: 3,200 attempted, 3,200 accepted, 3,200 processed, 0 stranded, 0 lost",
        "  objectives met: 6 of 6",
    ]


def test_the_terminal_names_what_is_lost_and_missed():
    lines = load_lines(load_documents.losses())
    red = [line.text for line in lines if line.markup.get("red")]

    named = [line.text for line in lines if "k7c2-0-317, k7c2-0-1204" in line.text]
    assert len(named) == 1  # why it failed says it
    assert "  duplicated: k7c2-0-88" in red
    assert "  dlq==expected: missed: 12 (none was expected)" in red
    assert "  objectives met: 1 of 4" in [line.text for line in lines]


def test_the_terminal_shows_ten_lost_messages_and_all_when_asked():
    document = load_documents.losses()
    document["ledger"]["lost"] = [f"m{number}" for number in range(30)]

    assert any(text.endswith("m9, and 20 more") for text in texts(document))
    assert any(text.endswith("m29") for text in texts(document, 1))


def test_an_inconclusive_run_is_yellow_and_nothing_controls_the_terminal():
    document = load_documents.with_gaps()
    document["why"] = ["\x1b[2Jgone"]

    lines = load_lines(document)

    assert lines[0].markup == {"yellow": True}
    assert "  lost==0: no evidence: ? (time was up)" in [line.text for line in lines]
    assert not any("\x1b" in line.text for line in lines)


@pytest.mark.parametrize(
    ("verdict", "met", "lost", "tag"),
    [
        ("ok", True, [], None),
        ("violated", False, ["m-1"], "failure"),
        ("unknown", None, ["m-1"], "error"),
        ("unknown", True, [], "error"),
    ],
)
def test_a_property_that_is_about_the_ledger_is_one_case_with_it(verdict, met, lost, tag, tmp_path):
    """A drill's. What is not found yet, and may be, is no failure."""
    document = load_documents.outage()
    names = ["no-message-loss", "drains"]
    document["objectives"] = [
        {"expression": one, "value": None, "unit": "", "met": met, "why": "so"} for one in names
    ]
    document["verdict"] = verdict
    document["ledger"] = {**document["ledger"], "lost": lost}
    suite, cases = junit(document, tmp_path)

    assert list(cases) == names
    assert len(suite.findall("testcase")) == 2
    found = [child.tag for child in suite.findall("testcase")[0]]
    assert found == ([tag] if tag else [])
    times = [float(one.get("time")) for one in suite.findall("testcase")]
    assert sum(times) == float(suite.get("time")) > 0
