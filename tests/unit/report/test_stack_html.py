"""report.html of tests, read as a browser reads it."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pytest_storagefirst.report import matrix
from pytest_storagefirst.report.again import command_from_here
from pytest_storagefirst.report.json import report, write_report
from pytest_storagefirst.report.reading import read_report
from pytest_storagefirst.report.stack_html import MOST_OPEN, stacks_page, write_html
from tests.unit.report.outline import HOSTILE, outline_of, words_of
from tests.unit.report.stack_documents import ADVICE, AUDIT, OUTCOME, REFUSED, losing

LOOKS = {look for _, look, _ in matrix.SIGNS.values()}
NAMES = ["no-message-loss", "drains"]


def document(*outcomes):
    found = {f"{n}/template.yaml": one for n, one in enumerate(outcomes or [OUTCOME], 1)}
    value = report(found, dict.fromkeys(found, NAMES), Path("out"))
    return json.loads(json.dumps(value))


def audited():
    value = document()
    value["stacks"][0]["properties"] += [deepcopy(AUDIT), deepcopy(ADVICE)]
    return value


DOCUMENTS = {
    "one": document,
    "refused": lambda: document(REFUSED),
    "two": lambda: document(OUTCOME, REFUSED),
    "many": lambda: document(*[OUTCOME] * (MOST_OPEN + 1)),
    "audited": audited,
    "nothing": lambda: {"version": 1, "stacks": []},
}


@pytest.fixture(params=DOCUMENTS)
def value(request):
    return DOCUMENTS[request.param]()


def test_it_is_one_file_without_scripts_that_leads_nowhere(value):
    text = stacks_page(value)
    outline = outline_of(text)
    tags = {tag for tag, _ in outline.found}

    assert tags & {"script", "link", "img", "iframe", "object", "base", "form", "meta refresh"} == (
        set()
    )
    assert not [told for _, told in outline.found if {"src", "action", "xlink:href"} & told.keys()]
    links = [told["href"] for _, told in outline.found if "href" in told]
    ids = [told["id"] for _, told in outline.found if "id" in told]
    assert all(link[0] == "#" and link[1:] in ids for link in links)
    assert len(ids) == len(set(ids))
    assert not [name for _, told in outline.found for name in told if name.startswith("on")]
    assert not re.search(r"url\(|@import", text)
    policy = outline.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy[0]["content"].startswith("default-src 'none'")


def test_it_reads_on_a_phone_on_paper_and_in_the_dark():
    text = stacks_page(document())

    assert '<meta name="viewport" content="width=device-width, initial-scale=1"/>' in text
    for rule in ("prefers-color-scheme: dark", "@media print", "@media (max-width"):
        assert rule in text


def test_what_is_worst_stands_at_the_top():
    assert words_of(stacks_page(document())).startswith(
        "✗ violated Violated: no-message-loss 1/template.yaml 1,213 runs 71 faults tried took 9.8 s"
    )
    page = stacks_page(document(REFUSED))
    assert words_of(page).startswith(
        "? unknown Not judged 1/template.yaml template.yaml:17: parameter Stage has no value"
        " do: write one"
    )
    assert "Properties that were not judged no-message-loss drains" in words_of(page)


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (["ok", "ok", "not-applicable"], "2 properties hold"),
        (["ok"], "1 property holds"),
        (["ok", "unknown"], "Not shown: p2"),
        (["not-applicable"], "0 properties hold"),
    ],
)
def test_a_headline_for_each_verdict(verdicts, said):
    value = document()
    value["stacks"][0]["properties"] = [
        {"name": f"p{n}", "verdict": one, "why": "", "runs": 1, "faults_tried": 1, "story": []}
        for n, one in enumerate(verdicts, 1)
    ]

    assert f" {said} " in words_of(stacks_page(value))


def test_every_verdict_has_a_sign_beside_its_colour():
    words = words_of(stacks_page(document()))

    for told in (
        "no-message-loss ✗ violated m1 was acknowledged and left no effect 214 runs 71 faults",
        "drains ✓ ok 1,213 runs 71 faults tried",
        "order-preserved – not-applicable nothing promises an order 0 runs",
        "poison-isolated ? unknown no run shows anything",
    ):
        assert told in words


def test_a_violated_property_leads_to_its_witness():
    outline = outline_of(stacks_page(document()))

    assert outline.all("a", href="#stack-1-no-message-loss")
    assert outline.all("section", id="stack-1-no-message-loss")
    assert len([one for one in outline.found if one[1].get("class") == "witness"]) == 1


def test_how_to_replay_it_is_told_from_the_folder_that_it_ran_in():
    command = "pytest -p storagefirst --storagefirst-replay=out/replays/o-no-message-loss.json"

    text = words_of(stacks_page(document()))

    assert f"Again, from the folder that it ran in: {command}" in text


def test_of_an_older_document_the_path_is_the_readers_to_make_whole():
    value = document()
    del value["stacks"][0]["properties"][0]["again"]

    text = words_of(stacks_page(value))

    assert "with this report's folder before the path: pytest -p storagefirst" in text
    assert "--storagefirst-replay=replays/o-no-message-loss.json" in text


def test_a_path_with_blanks_is_one_word_of_the_command():
    assert "--storagefirst-replay='my replays/it'\"'\"'s.json'" in command_from_here(
        "my replays/it's.json"
    )


def test_the_story_is_there_in_words():
    value = document()

    text = stacks_page(value)

    for line in value["stacks"][0]["properties"][0]["story"]:
        assert " ".join(line.split()) in words_of(text)
    assert 'open="open"' in text


def test_a_long_story_is_folded_and_whole():
    value = document()
    lines = [f"{n}.000  line {n}" for n in range(100)]
    value["stacks"][0]["properties"][0]["story"] = lines

    text = stacks_page(value)

    assert 'open="open"' not in text
    assert "The story in words (100 lines)" in text
    assert "99.000  line 99" in text


def test_how_the_circuit_stood():
    words = words_of(stacks_page(document()))

    assert "closed from 0 s, open from 60.2 s, half-open from 120.3 s" in words


def test_what_was_tried_as_signs_with_a_legend():
    text = stacks_page(document())
    outline, words = outline_of(text), words_of(text)

    signs = [
        told["aria-label"]
        for _, told in outline.found
        if told.get("role") == "img" and told.get("class") in LOOKS
    ]
    assert signs == ["held", "violated", "never fired", "not tried"]
    for legend in ("✗ a property was violated", "✓ all properties held", "○ never fired", "– not"):
        assert legend in words
    assert "pairs of faults tried: 840 pairs left for want of time: 40" in words
    assert "Seen: a redelivery in 120 runs." in words
    assert "Never seen: a dead letter." in words


def test_of_a_matrix_without_end_the_rest_is_told(monkeypatch):
    monkeypatch.setattr(matrix, "MOST_ROWS", 1)
    monkeypatch.setattr(matrix, "MOST_COLUMNS", 1)

    assert "2 more sites and 2 more faults stand in report.json" in words_of(
        stacks_page(document())
    )


def test_what_qualifies_it():
    words = words_of(stacks_page(document()))

    assert "What qualifies this POST /orders: no body is given" in words
    assert "1 resource without a part in it Alarm (AWS::CloudWatch::Alarm)" in words


def test_several_stacks_have_a_table_that_leads_to_each():
    text = stacks_page(document(OUTCOME, REFUSED))
    outline = outline_of(text)

    assert words_of(text).startswith("2 stacks: 1 violated, 1 unknown Template Verdict Properties")
    assert [told["href"] for told in outline.all("a")][:2] == ["#stack-1", "#stack-2"]
    assert not outline.all("details", **{"class": "stack"})


def test_many_stacks_are_folded_behind_their_lines():
    outline = outline_of(stacks_page(DOCUMENTS["many"]()))

    assert len(outline.all("details", **{"class": "stack"})) == MOST_OPEN + 1


def test_an_audit_tells_each_finding_with_what_to_write():
    words = words_of(stacks_page(audited()))

    shown = words[words.index(" Audit ") :]
    assert shown.startswith(
        " Audit ✗ violated default-response-200 , error Api, line 12 : the default response is 200"
        " selectionPattern: '2\\d\\d' Other, line 40 : so is this one"
        " No run shows it: it takes part in nothing AWS: https://docs.aws.amazon.com/"
    )
    assert "The run that shows it a refusal is told as success" in shown
    assert "– advice no-alarm , note Api, line 12 : a refusal is told as success" in shown
    # The exploration's properties have a table of their own.
    assert (
        "audit:"
        not in words[: words.index(" Audit ")].replace("Violated: ", "").partition("Properties")[2]
    )


def hostile(value):
    if isinstance(value, dict):
        keep = ("verdict", "kind", "outcome")
        return {
            key: one if key in keep and isinstance(one, str) else hostile(one)
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [hostile(one) for one in value]
    return f"{value}{HOSTILE}" if isinstance(value, str) and value else value


def test_nothing_that_came_from_outside_becomes_markup():
    told = hostile(audited())

    text = stacks_page(told)
    outline = outline_of(text)

    tags = {tag for tag, _ in outline_of(stacks_page(audited())).found}
    assert {tag for tag, _ in outline.found} == tags
    assert {name for _, one in outline.found for name in one} == {
        name for _, one in outline_of(stacks_page(audited())).found for name in one
    }
    assert "<script" not in text
    assert "\x00" not in text
    assert "\u202e" not in text
    assert "alert(1)" in " ".join(outline.text), "it is shown as it is"
    for svg in re.findall(r"<svg .*?</svg>", text, re.DOTALL):
        ElementTree.fromstring(svg)


def test_what_is_very_long_is_cut_and_says_so():
    value = document()
    value["stacks"][0]["properties"][0]["why"] = "w" * 10_000
    value["stacks"][0]["properties"][0]["story"][0] = "s" * 10_000

    words = words_of(stacks_page(value))

    assert "w… (9,400 more characters in report.json)" in words
    assert "s… (9,000 more characters in report.json)" in words
    assert "w" * 601 not in words


def test_a_report_of_an_earlier_version_has_a_page_too():
    value = document()
    (stack,) = value["stacks"]
    del stack["topology"]
    for one in stack["properties"]:
        one.pop("steps", None)
        one.pop("transitions", None)

    text = stacks_page(value)

    assert "<svg" not in text
    assert 'class="steps"' not in text
    assert "0.108 FAULT Worker: dynamodb.PutItem #2: refused(access-denied)" in words_of(text)


def test_both_are_written_and_the_page_follows_from_the_document_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = {"template.yaml": OUTCOME}

    file = write_report(found, {}, tmp_path / "out")

    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    value = json.loads(file.read_text(encoding="utf-8"))
    assert write_html(value, tmp_path / "again").read_text(encoding="utf-8") == page


def test_what_is_read_back_makes_the_same_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = replace(losing(), template="template.yaml")
    file = write_report({"template.yaml": replace(OUTCOME, result=result)}, {}, tmp_path / "out")

    (stack,) = read_report(file)

    # But for the witness, whose file is not there.
    read = replace(stack.outcome.result.properties[0], witness=result.properties[0].witness)
    assert read == result.properties[0]
    assert stack.outcome.result.graph == result.graph
    assert stacks_page(report({"template.yaml": stack.outcome}, {}, tmp_path / "out")) == (
        (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    )
