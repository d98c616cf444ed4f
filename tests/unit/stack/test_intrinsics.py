from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pytest_storagefirst.errors import TemplateError

HEAD = """
Parameters:
  Stage: {Type: String, Default: test}
  Names: {Type: CommaDelimitedList, Default: "a, b"}
  Count: {Type: Number, Default: 3}
  Empty: {Type: String, Default: ""}
Mappings:
  Sizes:
    test: {memory: 256, zones: [x, y]}
Conditions:
  IsTest: !Equals [!Ref Stage, test]
  IsThree: !Equals [!Ref Count, "3"]
  IsNot: !Not [!Condition IsTest]
  Both: !And [!Condition IsTest, !Condition IsThree]
  Either: !Or [!Condition IsNot, !Equals [a, b]]
  HasEmpty: !Equals [!Ref Empty, ""]
"""


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("!Ref Stage", "test"),
        ("!Ref Names", ["a", "b"]),
        ("!Ref Count", 3),
        ("!Ref AWS::Region", "us-east-1"),
        ("!Ref AWS::AccountId", "123456789012"),
        ("!Ref AWS::StackName", "storagefirst"),
        ("!Sub '${Stage}-${AWS::Partition}-${!Kept}'", "test-aws-${Kept}"),
        ("!Sub ['${a}/${b}', {a: !Ref Stage, b: 2}]", "test/2"),
        ("!Sub 'n ${Names}'", "n a,b"),
        ("!Join ['-', [a, !Ref Stage, true, 1]]", "a-test-true-1"),
        ("!Join [',', !Ref Names]", "a,b"),
        ("!Split [',', 'a,b']", ["a", "b"]),
        ("!Select [1, !Split [',', 'a,b']]", "b"),
        ("!Select ['0', !Ref Names]", "a"),
        ("!FindInMap [Sizes, !Ref Stage, memory]", 256),
        ("!FindInMap [Sizes, none, memory, {DefaultValue: 5}]", 5),
        ("!Select [0, !FindInMap [Sizes, test, zones]]", "x"),
        ("!If [IsTest, yes it is, no]", "yes it is"),
        ("!If [Both, 1, 2]", 1),
        ("!If [Either, 1, 2]", 2),
        ("!If [HasEmpty, 1, 2]", 1),
        ("!Base64 hello", "aGVsbG8="),
        ("!Cidr [10.0.0.0/16, 2, 8]", ["10.0.0.0/24", "10.0.1.0/24"]),
        ("!GetAZs ''", ["us-east-1a", "us-east-1b", "us-east-1c"]),
        ("!Select [0, !GetAZs {Ref: 'AWS::Region'}]", "us-east-1a"),
        ("!Length [1, 2]", 2),
        ("!ToJsonString {a: !Ref Stage}", '{"a":"test"}'),
        ("!ImportValue other-name", "invented-other-name"),
        (
            "!ImportValue 'Shared:ExportsOutputFnGetAttOrdersQueue961B73FDArn5A860C43'",
            "arn:aws:sqs:us-east-1:123456789012:"
            "invented-Shared-ExportsOutputFnGetAttOrdersQueue961B73FDArn5A860C43",
        ),
        (
            "!ImportValue other-QueueArn",
            "arn:aws:sqs:us-east-1:123456789012:invented-other-QueueArn",
        ),
        ("'{{resolve:ssm:/app/key:1}}!'", "invented-app-key-1!"),
        (
            "!Sub '{{resolve:secretsmanager:${Stage}/db:SecretString:word}}'",
            "invented-db-SecretString-word",
        ),
    ],
)
def test_what_is_static_becomes_a_value(
    properties: Callable[..., dict[str, Any]], written: str, meant: Any
) -> None:
    assert properties(f"P: {written}", HEAD)["P"] == meant


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ("!Ref Other", {"Ref": "Other"}),
        ("!GetAtt Other.Arn", {"Fn::GetAtt": ["Other", "Arn"]}),
        (
            "!Sub 'a ${Other.Arn} ${Stage} ${Other}'",
            {
                "Fn::Join": [
                    "",
                    ["a ", {"Fn::GetAtt": ["Other", "Arn"]}, " test ", {"Ref": "Other"}],
                ]
            },
        ),
        ("!Select [0, [!Ref Other, b]]", {"Ref": "Other"}),
        (
            "!Select [5, !Split [':', !GetAtt Other.Arn]]",
            {"Fn::Select": ["5", {"Fn::Split": [":", {"Fn::GetAtt": ["Other", "Arn"]}]}]},
        ),
    ],
)
def test_what_waits_for_a_resource_stays_a_function(
    properties: Callable[..., dict[str, Any]], written: str, left: Any
) -> None:
    assert properties(f"P: {written}", HEAD)["P"] == left


def test_no_value_leaves_the_property_and_the_entry_out(
    properties: Callable[..., dict[str, Any]],
) -> None:
    lines = """
    Gone: !Ref AWS::NoValue
    Chosen: !If [IsNot, 1, !Ref AWS::NoValue]
    List: [1, !Ref AWS::NoValue, 2]
    """
    assert properties(lines, HEAD) == {"List": [1, 2]}


def test_given_imports_are_used_and_invented_ones_noted(load: Callable[..., Any]) -> None:
    text = """
    Resources:
      X:
        Type: Test::X
        Properties: {A: !ImportValue one, B: !ImportValue two, C: "{{resolve:ssm:/three}}"}
    """
    template = load(text, imports={"one": "1", "/three": "3"})
    assert template.body["Resources"]["X"]["Properties"] == {
        "A": "1",
        "B": "invented-two",
        "C": "3",
    }
    assert template.notes == ("ImportValue two was not given: 'invented-two' is used",)


def test_for_each_writes_a_resource_for_each_value(load: Callable[..., Any]) -> None:
    text = """
    Transform: AWS::LanguageExtensions
    Resources:
      Fn::ForEach::Queues:
        - Name
        - [a-b, c]
        - "Queue&{Name}":
            Type: AWS::SQS::Queue
            Properties: {QueueName: !Sub "q-${Name}", Tags: [!Ref Name]}
    """
    resources = load(text).body["Resources"]
    assert resources["Queueab"]["Properties"] == {"QueueName": "q-a-b", "Tags": ["a-b"]}
    assert resources["Queuec"]["Properties"]["QueueName"] == "q-c"


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("!Join [a]", "Fn::Join takes a list of 2"),
        ("!Sub [a]", "Fn::Sub takes a list of 2"),
        ("!If [IsTest, 1]", "Fn::If takes a list of 3"),
        ("!If [Nope, 1, 2]", "a condition is not defined"),
        ("!Select [4, [a]]", "entry 4 of 1"),
        ("!FindInMap [Sizes, none, memory]", "finds nothing"),
        ("!FindInMap [Sizes]", "a map and two keys"),
        ("!Cidr [nonsense, 2]", "can't cut that block"),
        ("!Nonsense a", "Fn::Nonsense is not known"),
        ("{'Fn::Transform': {Name: Own}}", "the macro Own"),
        ("!Ref [a]", "Ref takes a name"),
        ("!GetAtt Other", "a resource and an attribute"),
        ("!FindInMap [Sizes, !Ref Other, memory]", "known before deployment"),
        ("!Sub ['${a}', {a: {b: 1, c: 2}}]", "can't write a mapping"),
        ("!Cidr [10.0.0.0/16, many]", "shape that CloudFormation doesn't know"),
    ],
)
def test_a_wrong_function_is_refused(
    properties: Callable[..., dict[str, Any]], written: str, problem: str
) -> None:
    with pytest.raises(TemplateError) as caught:
        properties(f"P: {written}", HEAD)
    assert problem in str(caught.value)
    assert "template.yaml" in caught.value.where


@pytest.mark.parametrize(
    ("conditions", "problem"),
    [
        ("A: !Not [!Condition B]\n  B: !Not [!Condition A]", "in a circle"),
        ("A: !Equals [!Ref X, 1]", "depends on a resource"),
        ("A: {x: 1}", "not built from"),
        ("A: !Not [!Condition C]", "not defined"),
    ],
)
def test_a_wrong_condition_is_refused(
    refused: Callable[..., TemplateError], conditions: str, problem: str
) -> None:
    text = f"Conditions:\n  {conditions}\nResources:\n  X: {{Type: T, Condition: A}}\n"
    error = refused(text)
    assert problem in str(error)
    assert "(X)" in error.where


def test_a_json_schema_may_have_a_property_named_ref(stand_up: Callable[..., Any]) -> None:
    schema = {"type": "object", "properties": {"Ref": {"type": "string"}, "Other": {}}}
    model = {"Type": "AWS::ApiGateway::Model", "Properties": {"RestApiId": {"Ref": "Api"}}}
    model["Properties"]["Schema"] = schema  # type: ignore[index]
    api = {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "a"}}
    text = json.dumps({"Resources": {"Api": api, "Model": model}})
    assert stand_up(text, name="t.json").logical_ids["Model"] == "Model"


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("!Contains [[a, b], b]", True),
        ("!Contains [[a, b], c]", False),
        ("!Or [!Equals [1, '1'], !Equals [a, b]]", True),
        ("!And [!Equals [true, 'true'], !Equals [a, b]]", False),
        ("!Equals [!Ref Names, [a, b]]", True),
    ],
)
def test_a_condition(load: Callable[..., Any], condition: str, holds: bool) -> None:
    resources = "  Y: {Type: T}\n  X: {Type: T, Condition: Extra}\n"
    text = f"{HEAD}  Extra: {condition}\nResources:\n{resources}"
    assert ("X" in load(text).body["Resources"]) is holds


def test_functions_of_a_resource_are_finished_when_it_stands(stand_up: Callable[..., Any]) -> None:
    text = """
    Resources:
      Q: {Type: AWS::SQS::Queue, Properties: {QueueName: q}}
      F:
        Type: AWS::Lambda::Function
        Properties:
          Role: !ImportValue some-role
          Handler: a.b
          Runtime: python3.12
          Code: {ZipFile: x}
          Environment:
            Variables:
              NAME: !Select [5, !Split [":", !GetAtt Q.Arn]]
              ENCODED: !Base64 {"Fn::GetAtt": [Q, QueueName]}
              JSON: !ToJsonString {name: !GetAtt Q.QueueName, none: !Ref AWS::NoValue}
              LENGTH: !Length {"Fn::Split": [":", !GetAtt Q.Arn]}
              PARTS: !Sub ["${name}${!x}", {name: !Join ["", [a, !GetAtt Q.QueueName]]}]
              SECRET: !Sub "{{resolve:secretsmanager:${Q.QueueName}:SecretString:word}}"
    """
    assert stand_up(text).functions[0].environment == {
        "NAME": "q",
        "ENCODED": "cQ==",
        "JSON": '{"name":"q"}',
        "LENGTH": "6",
        "PARTS": "aq${x}",
        "SECRET": "invented-q-SecretString-word",
    }
