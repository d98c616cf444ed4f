"""A report.json from anywhere: a page, or an error that says what is wrong with it."""

from __future__ import annotations

import json
import random
from copy import deepcopy
from pathlib import Path

import pytest

from pytest_storagefirst.errors import ReportError
from pytest_storagefirst.report.json import report
from pytest_storagefirst.report.markdown import summary_of_tests
from pytest_storagefirst.report.merged import merge_reports, write_merged
from pytest_storagefirst.report.reading import read_report
from tests.unit.report.stack_documents import OUTCOME

ODD = [None, True, 0, -1, 1e308, float("nan"), 10**400, "", "\x00<b>", "x" * 999, [], {}, [[]]]


def whole():
    return json.loads(json.dumps(report({"template": OUTCOME}, {}, Path("out"))))


def places(value, path=()):
    yield path
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(one, (*path, key))


def damaged(chance):
    """The document with some values taken out, or others in their place."""
    value = deepcopy(whole())
    for _ in range(chance.randint(1, 3)):
        *path, last = chance.choice([path for path in places(value) if path])
        inner = value
        for key in path:
            inner = inner[key]
        alike = [odd for odd in ODD if isinstance(odd, type(inner[last]))]
        if chance.random() < 0.2:
            del inner[last]
        else:
            inner[last] = chance.choice(alike or ODD if chance.random() < 0.8 else ODD)
    return value


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_damaged_is_told_or_has_a_page(seed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chance = random.Random(seed)
    Path("other.json").write_text(json.dumps(whole()))
    pages = 0
    for _ in range(20):
        Path("one.json").write_text(json.dumps(damaged(chance)))
        try:
            merged = write_merged(merge_reports([Path("one.json"), Path("other.json")]), tmp_path)
        except ReportError:
            continue
        pages += 1
        assert summary_of_tests(report(merged.outcomes, merged.expected, tmp_path))
        assert Path("report.html").read_text(encoding="utf-8").endswith("</html>\n")
    assert pages


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("coverage", "cells", 0, "outcome"), "odd", "the outcome 'odd'; there are not tried, "),
        (("properties", 0, "transitions", 0, "at"), float("nan"), "nan in place of seconds"),
        (("properties", 0, "steps", 0, "at"), 10**400, "int too large to convert to float"),
        (("properties", 0, "steps", 0, "kind"), 1, "1 in place of a text"),
        (("properties", 0, "steps"), {}, "{} in place of a list"),
        (("topology", "nodes"), "x", "'x' in place of a list"),
        (("topology", "links", 0, "kind"), None, "None in place of a text"),
        (("topology",), [], "[] in place of an object"),
    ],
)
def test_what_is_wrong_is_named(path, value, said, tmp_path):
    document = whole()
    inner = document["stacks"][0]
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    (tmp_path / "report.json").write_text(json.dumps(document))

    with pytest.raises(ReportError) as raised:
        read_report(tmp_path / "report.json")

    assert said in str(raised.value)
