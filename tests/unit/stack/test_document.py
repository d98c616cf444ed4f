from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.errors import TemplateError
from pytest_storagefirst.stack.document import MAXIMUM_BYTES, read_document


def read(tmp_path: Path, text: str | bytes, name: str = "t.yaml") -> Any:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_document(path)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2012-10-17", "2012-10-17"),
        ("012345678901", "012345678901"),
        ("0x10", "0x10"),
        ("10:30", "10:30"),
        ("1_000", "1_000"),
        ("-5", -5),
        ("1.5", 1.5),
        ("2e3", 2000.0),
        ("true", True),
        ("Yes", True),
        ("off", False),
        ("N", "N"),
        ("'true'", "true"),
        ("!!str 5", "5"),
        ("! 5", "5"),
        ("~", None),
        ("", None),
    ],
)
def test_a_scalar_is_read_as_cloudformation_reads_it(
    tmp_path: Path, written: str, meant: Any
) -> None:
    value = read(tmp_path, f"a: {written}\n").value["a"]
    assert value == meant
    assert type(value) is type(meant)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("!Ref Q", {"Ref": "Q"}),
        ("!Condition C", {"Condition": "C"}),
        ("!GetAtt A.B.C", {"Fn::GetAtt": ["A", "B.C"]}),
        ("!GetAtt [A, B]", {"Fn::GetAtt": ["A", "B"]}),
        ("!Sub 'x ${A}'", {"Fn::Sub": "x ${A}"}),
        ("!Sub ['${a}', {a: !Ref B}]", {"Fn::Sub": ["${a}", {"a": {"Ref": "B"}}]}),
        ("!Transform {Name: N}", {"Fn::Transform": {"Name": "N"}}),
        ("!If [C, 1, !Ref N]", {"Fn::If": ["C", 1, {"Ref": "N"}]}),
    ],
)
def test_a_short_tag_is_its_long_function(tmp_path: Path, written: str, meant: Any) -> None:
    assert read(tmp_path, f"a: {written}\n").value == {"a": meant}


def test_keys_are_text_aliases_and_merges_are_followed(tmp_path: Path) -> None:
    text = "200: {a: &x [1]}\nb: *x\nc: &y {d: 1, e: 2}\nf: {<<: *y, e: 3}\n"
    assert read(tmp_path, text).value == {
        "200": {"a": [1]},
        "b": [1],
        "c": {"d": 1, "e": 2},
        "f": {"d": 1, "e": 3},
    }


def test_a_duplicate_key_keeps_the_last(tmp_path: Path) -> None:
    assert read(tmp_path, "a: 1\na: 2\n").value == {"a": 2}


def test_lines_of_resources_in_yaml_and_json(tmp_path: Path) -> None:
    yaml_document = read(tmp_path, "Resources:\n  A: {}\n\n  B: {}\n")
    assert (yaml_document.lines["A"], yaml_document.lines["B"]) == (2, 4)
    assert yaml_document.where("B").endswith("t.yaml:4 (B)")
    assert yaml_document.where("C").endswith("t.yaml (C)")
    text = json.dumps({"Resources": {"A": {}, "B": {"x": 1}}}, indent=1)
    json_document = read(tmp_path, text, "t.json")
    assert (json_document.lines["A"], json_document.lines["B"]) == (3, 4)


def test_json_with_tabs_and_yaml_that_begins_with_a_brace(tmp_path: Path) -> None:
    assert read(tmp_path, '{\n\t"a": 1\n}').value == {"a": 1}
    assert read(tmp_path, "{a: !Ref B}").value == {"a": {"Ref": "B"}}


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        ("a:\n\tb: 1\n", ":2", "not valid YAML"),
        ("a: b: c\n", ":1", "not valid YAML"),
        (b"a:\n  b: \xff\n", ":2", "not UTF-8"),
        (b"a:\n  b: \x00\n", ":2", "not valid YAML"),
        ("a: *b\n", ":1", "*b names nothing"),
        ("a: &b\n  c: *b\n", ":2", "stands inside what it names"),
        ("a: 1\n---\nb: 2\n", ":2", "several YAML documents"),
        ("? [a]\n: b\n", ":1", "a key is not a plain text"),
        ("a: " + "[" * 3000, ":1", "nests too deeply"),
        ("{" + '"a":{' * 300 + "}" * 301, ":1", "nests too deeply"),
        ('{"a":' * 100_000, ":1", "nests too deeply"),
        ('{"a": 1,\n "b" 2}', ":2", "not valid JSON"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(
    tmp_path: Path, text: str | bytes, where: str, problem: str
) -> None:
    with pytest.raises(TemplateError) as caught:
        read(tmp_path, text)
    assert problem in str(caught.value)
    assert caught.value.where.endswith(f"t.yaml{where}")


def test_a_json_file_is_no_yaml(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="not valid JSON"):
        read(tmp_path, '{"a": 1,}', "t.json")


def test_an_alias_bomb_is_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(TemplateError, match="aliases expand to too many nodes"):
        read(tmp_path, "\n".join(lines))


def test_a_file_that_is_missing_a_folder_or_huge_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="no such file"):
        read_document(tmp_path / "absent.yaml")
    with pytest.raises(TemplateError, match="this is a folder"):
        read_document(tmp_path)
    with pytest.raises(TemplateError, match="too large"):
        read(tmp_path, "#" * (MAXIMUM_BYTES + 1))


def test_a_template_of_one_megabyte_is_read(load: Callable[..., Any]) -> None:
    resource = "  Queue{}:\n    Type: AWS::SQS::Queue\n    Properties: {{QueueName: '{}'}}\n"
    text = "Resources:\n" + "".join(resource.format(n, "q" * 60 + str(n)) for n in range(7500))
    assert len(text) > 1_000_000
    assert len(load(text).body["Resources"]) == 7500
