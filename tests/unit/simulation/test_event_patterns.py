"""Event patterns and filter criteria: every operator, matching and not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_storagefirst.errors import TemplateError
from pytest_storagefirst.simulation.sources import event_patterns, sqs_filters

OPERATORS: dict[str, tuple[Any, list[str], list[str]]] = {
    # what the field must be: values that match, values that do not, all as JSON
    "equals": (["a"], ['"a"', '["b", "a"]'], ['"A"', '"ab"', "1", "null", "[]", "{}"]),
    "one of several": (["a", 1, True], ['"a"', "1", "true"], ['"b"', "2", "false", '"1"']),
    "a scalar by itself": ("a", ['"a"'], ['"b"']),
    "null": ([None], ["null", "[1, null]"], ['""', "0", "false", "[]", '"null"']),
    "empty": ([""], ['""'], ["null", '" "', "[]"]),
    "true is not one": ([True], ["true"], ["1", '"true"']),
    "one is not true": ([1], ["1"], ["true", '"1"']),
    "numbers by their text": ([300], ["300"], ["300.0", "3.0e2", '"300"']),
    "fractions by their text": ([300.5], ["300.5"], ["300.50", "3.005e2"]),
    "anything-but": ([{"anything-but": "a"}], ['"b"', "1", "null", '["a", "b"]'], ['"a"']),
    "anything-but several": ([{"anything-but": ["a", 1]}], ['"b"', "2"], ['"a"', "1"]),
    "anything-but a prefix": ([{"anything-but": {"prefix": "a"}}], ['"b"', "1"], ['"ab"']),
    "anything-but prefixes": ([{"anything-but": {"prefix": ["a", "b"]}}], ['"c"'], ['"ab"', '"b"']),
    "anything-but a suffix": ([{"anything-but": {"suffix": "a"}}], ['"ab"'], ['"ba"']),
    "anything-but suffixes": (
        [{"anything-but": {"suffix": ["a", "b"]}}],
        ['"c"'],
        ['"ca"', '"cb"'],
    ),
    "anything-but, whatever case": (
        [{"anything-but": {"equals-ignore-case": ["Ab", "c"]}}],
        ['"b"'],
        ['"aB"', '"C"'],
    ),
    "anything-but a wildcard": (
        [{"anything-but": {"wildcard": "*/lib/*"}}],
        ['"/a/b"'],
        ['"/lib/b"'],
    ),
    "prefix": ([{"prefix": "us-"}], ['"us-east"', '"us-"'], ['"eu-us-"', '"US-"', "1", "null"]),
    "prefix, whatever case": ([{"prefix": {"equals-ignore-case": "us-"}}], ['"US-e"'], ['"eu"']),
    "suffix": ([{"suffix": ".png"}], ['"a.png"'], ['"a.png.gz"', '".PNG"', "1"]),
    "suffix, whatever case": ([{"suffix": {"equals-ignore-case": ".png"}}], ['"a.PNG"'], ['"a"']),
    "equals-ignore-case": ([{"equals-ignore-case": "alice"}], ['"ALICE"'], ['"alice "', "1"]),
    "wildcard": ([{"wildcard": "a*z"}], ['"az"', '"a\\nbz"'], ['"azb"', '"AZ"', "1"]),
    "wildcard, twice": ([{"wildcard": "*a*"}], ['"a"', '"bab"'], ['"b"']),
    "wildcard, an asterisk": ([{"wildcard": "a\\*z"}], ['"a*z"'], ['"abz"']),
    "wildcard, a backslash": ([{"wildcard": "a\\\\*"}], ['"a\\\\b"'], ['"ab"']),
    "wildcard, nothing else": ([{"wildcard": "a?[b]."}], ['"a?[b]."'], ['"axb."', '"a?[b]c"']),
    "numeric =": ([{"numeric": ["=", 100]}], ["100", "100.0", "1e2"], ["101", '"100"', "true"]),
    "numeric <": ([{"numeric": ["<", 10]}], ["9.9", "-1"], ["10", "11"]),
    "numeric <=": ([{"numeric": ["<=", 10]}], ["10"], ["10.1"]),
    "numeric >": ([{"numeric": [">", 10]}], ["10.1"], ["10", "null"]),
    "numeric >=": ([{"numeric": [">=", 10]}], ["10"], ["9.9"]),
    "numeric range": ([{"numeric": [">", 10, "<=", 20]}], ["11", "20", "[5, 15]"], ["10", "21"]),
    "cidr": ([{"cidr": "10.0.0.0/24"}], ['"10.0.0.255"'], ['"10.0.1.0"', '"ten"', "10"]),
    "cidr of a host": ([{"cidr": "10.0.0.7/24"}], ['"10.0.0.1"'], ['"::1"']),
    "cidr, version 6": ([{"cidr": "2001:db8::/32"}], ['"2001:db8::1"'], ['"2001:db9::1"']),
    "cidr that is none": ([{"cidr": "ten"}], [], ['"10.0.0.1"']),
    "exists": ([{"exists": True}], ["null", '""', "[1]"], ["[]", "{}", '{"a": 1}']),
    "does not exist": ([{"exists": False}], ["[]", '{"a": 1}'], ["null", "0", "[1]"]),
    "one operator or another": (
        [{"prefix": "a"}, {"numeric": ["<", 0]}, {"exists": False}],
        ['"ab"', "-1", "[]"],
        ['"b"', "1"],
    ),
    "an operator that is none": ([{"sounds-like": "a"}], [], ['"a"']),
}
FIRING = [(name, one) for name, (_, good, _) in OPERATORS.items() for one in good]
SILENT = [(name, one) for name, (_, _, bad) in OPERATORS.items() for one in bad]


def matches(pattern: Any, event_text: str) -> bool:
    read = event_patterns.read
    return event_patterns.matches(read(json.dumps(pattern)), read(event_text))


@pytest.mark.parametrize(("name", "value"), FIRING)
def test_matching(name: str, value: str) -> None:
    assert matches({"field": OPERATORS[name][0]}, f'{{"field": {value}, "other": 1}}')


@pytest.mark.parametrize(("name", "value"), SILENT)
def test_not_matching(name: str, value: str) -> None:
    assert not matches({"field": OPERATORS[name][0]}, f'{{"field": {value}, "other": 1}}')


ABSENT_MATCHES = {"does not exist", "one operator or another"}


@pytest.mark.parametrize("name", OPERATORS)
def test_a_field_that_is_not_there(name: str) -> None:
    assert matches({"field": OPERATORS[name][0]}, '{"other": 1}') is (name in ABSENT_MATCHES)


@pytest.mark.parametrize(
    ("pattern", "event", "matching"),
    [
        ({}, "{}", True),
        ({"a": [1], "b": [2]}, '{"a": 1, "b": 2}', True),
        ({"a": [1], "b": [2]}, '{"a": 1, "b": 3}', False),
        ({"a": {"b": {"c": [1]}}}, '{"a": {"b": {"c": 1}}}', True),
        ({"a": {"b": {"c": [1]}}}, '{"a": {"b": {"c": 2}}}', False),
        ({"a": {"b": {"c": [1]}}}, '{"a": {"b": 1}}', False),
        ({"a": {"b": [1]}}, '"a"', False),
        ({"a": {"b": [{"exists": False}]}}, "{}", True),
        ({"a": {"b": [{"exists": False}]}}, '{"a": {"b": 1}}', False),
        ({"a": {"b": [1]}}, '{"a": [{"b": 0}, {"b": 1}]}', True),
        ({"a": {"b": [1]}}, '{"a": [{"b": 0}, {"c": 1}]}', False),
        ({"a": {"b": [1], "c": [2]}}, '{"a": [{"b": 1, "c": 2}]}', True),
        ({"a": {"b": [1], "c": [2]}}, '{"a": [{"b": 1}, {"c": 2}]}', False),
        ({"a": {"b": [{"exists": False}]}}, '{"a": []}', True),
        ({"a": [1]}, '{"a": [[0], [1]]}', True),
        ({"$or": [{"a": [1]}, {"b": [2]}]}, '{"b": 2}', True),
        ({"$or": [{"a": [1]}, {"b": [2]}]}, '{"a": 2, "b": 1}', False),
        ({"$or": [{"a": [1]}, {"b": [2]}], "c": [3]}, '{"a": 1, "c": 3}', True),
        ({"$or": [{"a": [1]}, {"b": [2]}], "c": [3]}, '{"a": 1, "c": 4}', False),
        ({"d": {"$or": [{"a": [1]}, {"b": [2]}]}}, '{"d": {"b": 2}}', True),
        ({"d": {"$or": [{"a": [1]}, {"b": [2]}]}}, '{"b": 2}', False),
    ],
)
def test_fields_together(pattern: Any, event: str, matching: bool) -> None:
    assert matches(pattern, event) is matching


@pytest.mark.parametrize("text", ["plain", "NaN", "-Infinity", "", "{'a': 1}"])
def test_what_is_no_json(text: str) -> None:
    with pytest.raises(ValueError, match=r"Expecting|no JSON"):
        event_patterns.read(text)


@pytest.mark.parametrize(
    ("body", "patterns", "passes"),
    [
        ("plain", [], True),
        ("plain", [{"body": ["other"]}, {"body": ["plain"]}], True),
        ("plain", [{"body": ["other"]}, {"body": {"a": [1]}}], False),
        ("NaN", [{"body": ["NaN"]}], True),
        ("5", [{"body": ["5"]}], False),
        ("5", [{"body": [5]}], False),
        ('{"a": 1}', [{"body": {"a": [1]}}], True),
        ('{"a": 1.0}', [{"body": {"a": [1]}}], False),
        ('[{"a": 1}]', [{"body": {"a": [1]}}], True),
        ("plain", [{"$or": [{"body": ["other"]}, {"source": ["here"]}]}], True),
        ('{"a": 1}', [{"$or": [{"body": ["plain"]}, {"source": ["there"]}]}], False),
        ('{"a": 1}', [{"$or": [{"body": {"a": [1]}}], "source": ["there"]}], False),
    ],
)
def test_filter_criteria_of_sqs(body: str, patterns: list[Any], passes: bool) -> None:
    read = sqs_filters.read([json.dumps(pattern) for pattern in patterns], "Mapping")
    record = {"body": body, "source": "here"}
    assert sqs_filters.passes(read, record) is passes
    assert record["body"] == body


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        '"plain"',
        "[]",
        '{"body": ',
        '{"body": "plain"}',
        '{"body": []}',
        '{"body": {"kind": "order"}}',
        '{"$or": [["plain"]]}',
        '{"$or": [{"body": []}]}',
    ],
)
def test_filter_criteria_that_are_refused(text: str) -> None:
    with pytest.raises(TemplateError) as caught:
        sqs_filters.read(['{"body": ["fine"]}', text], "Mapping")
    assert caught.value.found == text
    assert caught.value.where == "Mapping, property FilterCriteria"
