"""The summary on a job's page: what it says, that nothing in it is markup, and how long it gets."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_storagefirst.report.json import report
from pytest_storagefirst.report.markdown import (
    MARGIN_BYTES,
    MOST_BYTES,
    VARIABLE,
    append_summary,
    escaped,
    fenced,
    summarized,
    summary_of_tests,
    within,
)
from tests.unit.report import load_documents
from tests.unit.report.outline import HOSTILE
from tests.unit.report.stack_documents import OUTCOME, REFUSED


def document(**outcomes):
    value = report(outcomes or {"template": OUTCOME}, {}, Path("out"))
    return json.loads(json.dumps(value))


@pytest.fixture
def file(tmp_path, monkeypatch):
    found = tmp_path / "summary.md"
    monkeypatch.setenv(VARIABLE, str(found))
    return found


def test_verdicts_in_a_table_and_stories_behind_a_line():
    text = "".join(summary_of_tests(document()))

    assert text.startswith("## storagefirst: 1 stack: 1 violated\n\n### ✗ template\n\n")
    assert (
        "| property | verdict | why | runs | faults tried |\n|---|---|---|--:|--:|\n"
        "| no-message-loss | ✗ violated | m1 was acknowledged and left no effect | 214 | 71 |\n"
        "| drains | ✓ ok |  | 1,213 | 71 |\n"
    ) in text
    assert "- note: POST /orders: no body is given\n" in text
    assert "<details><summary>no-message-loss of template: its story</summary>\n\n```text\n" in text
    assert "  0.108  FAULT  Worker: dynamodb.PutItem #2: refused(access-denied)\n" in text
    assert (
        "\nAgain, from the folder that it ran in:\n\n```text\npytest -p storagefirst "
        "--storagefirst-replay=out/replays/o-no-message-loss.json\n```\n"
    ) in text
    assert text.count("<details>") == text.count("</details>") == 1


def test_a_refused_stack_says_what_to_do():
    text = "".join(summary_of_tests(document(a=REFUSED)))

    assert "### ? a\n\nNot judged\n\n```text\ntemplate.yaml:17: parameter Stage has no" in text
    assert "  do: write one\n```\n" in text


def test_of_nothing_there_is_no_summary(file):
    assert summary_of_tests({"stacks": []}) == []
    assert append_summary([]) == ""
    assert not file.exists()


@pytest.mark.parametrize("text", ["```", "````\n```", "`a`", "no tick", "``` text\n</details>"])
def test_no_story_ends_its_fence(text):
    told = fenced(text).splitlines()

    fence = told[0].removesuffix("text")
    assert set(fence) == {"`"}
    assert told[-1] == fence
    assert fence not in text
    assert "\n".join(told[1:-1]) == text


@given(st.text(st.sampled_from("`\n a<")))
def test_whatever_backticks_it_holds(text):
    fence = fenced(text).partition("text\n")[0]

    assert fenced(text).count(fence) == 2


def test_what_came_from_outside_is_no_markup():
    value = document()
    (stack,) = value["stacks"]
    stack["template"] = f"a|b{HOSTILE}[x](javascript:y) @team :tada: https://e.example"
    stack["notes"] = [f"{HOSTILE}\n# heading\n| a | b |"]
    one = stack["properties"][0]
    one["why"] = f"a | b\n{HOSTILE}"
    one["story"] = [HOSTILE, "```", "</details>"]

    text = "".join(summary_of_tests(value))

    outside = re.sub(r"(`{3,})text\n.*?\n\1\n", "", text, flags=re.DOTALL)
    assert set(re.findall(r"<[^>]*>", outside)) == {
        "<details>",
        "</details>",
        "<summary>",
        "</summary>",
    }
    assert "\x00" not in text
    assert "\u202e" not in text
    for mark in (r"\[x", "@team", ":tada", "\n# heading", r"a \| b", r"alert\(1"):
        shown = re.sub(r"<summary>.*</summary>", "", outside)
        assert not re.search(rf"(?<!\\){mark}", shown), mark
    rows = [line for line in outside.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6}


@given(st.text())
def test_an_escaped_text_stays_in_its_cell(text):
    told = escaped(text)

    assert "\n" not in told
    assert "<" not in told
    assert not re.search(r"(?<!\\)(\\\\)*\|", told)


def test_it_is_appended(file):
    file.write_text("before\n", encoding="utf-8")

    assert append_summary(["one\n", "two\n"]) == ""
    assert append_summary(["three\n"]) == ""
    assert file.read_text(encoding="utf-8") == "before\none\ntwo\nthree\n"


def test_without_the_variable_nothing_is_done(file, monkeypatch):
    monkeypatch.delenv(VARIABLE)

    assert append_summary(["one\n"]) == ""
    assert not file.exists()


@pytest.mark.parametrize("name", ["no/such/folder/summary.md", ".", "a\x00b"])
def test_what_cant_be_written_is_told(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.environ", {VARIABLE: name})

    told = append_summary(["one\n"])

    assert told.startswith(f"{VARIABLE}: ")
    assert "can't be written: " in told


def test_it_keeps_within_what_github_shows(file):
    value = document()
    (stack,) = value["stacks"]
    story = ["é" * 999] * 40
    stack["properties"] = [{**stack["properties"][0], "story": story} for _ in range(60)]
    file.write_text("x" * 300_000, encoding="utf-8")

    assert append_summary(summary_of_tests(value)) == ""

    text = file.read_text(encoding="utf-8")
    assert MOST_BYTES - 200_000 < len(text.encode()) <= MOST_BYTES
    assert re.search(r"\n\d+ parts left out, as a summary may have 1 MiB: see the report\.\n", text)
    assert text.count("<details>") == text.count("</details>")
    assert "| no-message-loss | " in text


def test_a_full_summary_gets_no_more_than_a_word(file):
    file.write_text("x" * (MOST_BYTES - 300), encoding="utf-8")

    append_summary(["y" * 400, "z"])

    assert file.stat().st_size <= MOST_BYTES
    assert file.read_text(encoding="utf-8").endswith("see the report.\n\n")
    assert MARGIN_BYTES > 300


def test_parts_that_fit_stay_when_a_long_one_is_left_out():
    assert within(["a", "b" * 10, "c"], 5).startswith("ac\n1 part left out")


def test_a_load_run_has_a_summary_too(file):
    assert summarized(load_documents.losses()) == ""

    text = file.read_text(encoding="utf-8")
    assert text.startswith("## ✗ load ")
    assert "- ledger: " in text


def test_a_load_run_without_the_variable_has_none(file, monkeypatch):
    monkeypatch.delenv(VARIABLE)

    assert summarized(load_documents.losses()) == ""
    assert not file.exists()
