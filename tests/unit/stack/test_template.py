# ruff: noqa: E501 (templates are easier to read with long lines)

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.errors import TemplateError
from pytest_storagefirst.stack.template import Template

SAM = "Transform: AWS::Serverless-2016-10-31\n"
QUEUE = "Resources:\n  Q:\n    Type: AWS::SQS::Queue\n"
FUNCTION = """
  F:
    Type: AWS::Serverless::Function
    Properties: {{Runtime: python3.12, Handler: app.handler, {}}}
"""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the template is empty"),
        ("# nothing\n", "the template is empty"),
        ("- a\n", "no mapping"),
        ("hello\n", "no mapping"),
        ("Parameters: {}\n", "no Resources"),
        ("Resources: {}\n", "no Resources"),
        ("Resources:\n  Q: text\n", "no Type"),
        ("Resources:\n  Q: {Type: 5}\n", "no Type"),
        ("Resources:\n  Q: {Type: T, Properties: [1]}\n", "Properties is no mapping"),
        ("Mappings: [a]\n" + QUEUE, "Mappings is no mapping"),
        ("Parameters: [a]\n" + QUEUE, "Parameters is no mapping"),
        ("Parameters: {A: 5}\n" + QUEUE, "parameter A is no mapping"),
        (QUEUE + "Outputs: [a]\n", "Outputs is no mapping"),
        (QUEUE + "Outputs: {A: a}\n", "an output is no mapping"),
        (QUEUE + "Outputs: {A: {Value: !Ref Nope}}\n", "points nowhere"),
        ("Resources:\n  F: {Type: 'AWS::Serverless::Function'}\n", "without SAM's transform"),
        (QUEUE + "    DependsOn: Nope\n", "DependsOn names"),
        (QUEUE + "    DependsOn: [[a]]\n", "no list of names"),
        (QUEUE + "    Properties: {QueueName: !Ref Nope}\n", "Ref Nope"),
        (QUEUE + "    Properties: {QueueName: !Sub '${Nope.Arn}'}\n", "Fn::GetAtt Nope.Arn"),
        (QUEUE + "    Properties: {QueueName: !Ref Q}\n", "circle"),
        (
            QUEUE + "  R:\n    Type: T\n    Properties: {A: !GetAtt Q.Name}\n",
            "Arn, QueueName, QueueUrl",
        ),
        (SAM + "Resources:" + FUNCTION.format("Nope: 1"), "property Nope not defined"),
        (SAM + "Resources:" + FUNCTION.format("Events: [1]"), "'Events' is invalid"),
        (
            SAM + "Globals: {Function: {Nope: 1}}\n" + "Resources:" + FUNCTION.format(""),
            "'Nope' is not",
        ),
    ],
)
def test_a_wrong_template_is_refused_with_its_place(
    refused: Callable[..., TemplateError], text: str, problem: str
) -> None:
    error = refused(text)
    assert problem in str(error)
    assert "template.yaml" in error.where


def test_a_reference_that_nearly_fits_is_suggested(refused: Callable[..., TemplateError]) -> None:
    text = "Resources:\n  Orders: {Type: T}\n  X: {Type: T, Properties: {A: !Ref Order}}\n"
    assert refused(text).remedy == "did you mean Orders?"
    assert refused("Parameters: {Stage: {Type: String}}\n" + QUEUE, parameters={"Stag": "x"}).remedy


def test_all_parameters_without_a_value_are_told_at_once(
    refused: Callable[..., TemplateError],
) -> None:
    declared = "Parameters: {A: {Type: String}, B: {Type: Number}, C: {Type: String, Default: c}}\n"

    error = refused(declared + QUEUE)

    assert error.problem == "2 parameters have no value"
    assert error.found == "no default of A, B"
    written = [line.strip() for line in error.remedy.splitlines()[1:]]
    assert written == ["[parameters]", 'A = "…"  # String', 'B = "…"  # Number']


def test_a_parameter_that_the_template_lacks_is_to_go(
    refused: Callable[..., TemplateError],
) -> None:
    assert refused(QUEUE, parameters={"Stage": "x"}).remedy == "take Stage out"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("AWS::SQS::Qeue", "AWS::SQS::Queue"),
        ("AWS::sqs::queue", "AWS::SQS::Queue"),
        ("SQS::Queue", "AWS::SQS::Queue"),
        ("AWS::Lamda::Function", "AWS::Lambda::Function"),
        ("AWS::DynamoDb::Table", "AWS::DynamoDB::Table"),
        ("AWS::Serverless::Functon", "AWS::Serverless::Function"),
        ("AWS::SSQ::Queue", "AWS::SQS::Queue"),
    ],
)
def test_a_type_that_is_nearly_one_is_told(
    refused: Callable[..., TemplateError], written: str, meant: str
) -> None:
    error = refused(f"{SAM}Resources:\n  Q:\n    Type: {written}\n")

    assert (error.problem, error.found) == ("AWS has no such resource type", written)
    assert error.remedy == f"did you mean {meant}?"
    assert error.where.endswith("template.yaml:3 (Q)")


# Those of AWS that are written most like one that plays a part, or stand in a service of that name.
NEAR = """
AWS::ApiGateway::ApiKey AWS::ApiGateway::DomainName AWS::ApiGatewayV2::Model
AWS::ApiGatewayV2::DomainName AWS::Cassandra::Table AWS::Connect::Queue AWS::Glue::Table
AWS::Events::Archive AWS::Events::EventBusPolicy AWS::EventsV2::EventBus AWS::IAM::Group
AWS::IAM::GroupPolicy
AWS::IAM::User AWS::IAM::UserPolicy AWS::IoT::Policy AWS::IoT::RoleAlias
AWS::Kinesis::StreamConsumer AWS::KMS::ReplicaKey AWS::Lambda::Url AWS::Logs::LogStream
AWS::Lambda::LayerVersionPermission AWS::S3::AccessPoint AWS::S3Express::BucketPolicy
AWS::SSM::Document AWS::StepFunctions::Activity AWS::StepFunctions::StateMachineAlias
AWS::StepFunctions::StateMachineVersion AWS::SES::Template AWS::SNS::TopicPolicy
AWS::Timestream::Table Custom::Queue
"""


@pytest.mark.parametrize("written", NEAR.split())
def test_a_type_of_its_own_is_taken(load: Callable[..., Template], written: str) -> None:
    assert load(f"Resources:\n  X:\n    Type: {written}\n").body["Resources"]


def test_parameters(load: Callable[..., Template], refused: Callable[..., TemplateError]) -> None:
    head = "Parameters:\n  P: {Type: %s}\n"
    tail = "Resources: {X: {Type: T, Properties: {A: !Ref P}}}\n"

    def value(declaration: str, **given: Any) -> Any:
        template = load(head % declaration + tail, parameters=given or None)
        return template.body["Resources"]["X"]["Properties"]["A"]

    assert value("String, Default: 0123") == "0123"
    assert value("String, Default: a", P="b") == "b"
    assert value("String, Default: true") == "true"
    assert value("Number, Default: '5'") == 5
    assert value("Number", P=2.5) == 2.5
    assert value("CommaDelimitedList, Default: ''") == []
    assert value("List<Number>, Default: '1,2'") == [1, 2]
    assert value("List<AWS::EC2::Subnet::Id>", P="a,b") == ["a", "b"]
    assert value("String, AllowedValues: [dev, test]", P="dev") == "dev"
    assert value("AWS::SSM::Parameter::Value<String>, Default: /app/Name") == "invented-app-Name"
    assert value("AWS::SSM::Parameter::Value<List<String>>, Default: /l") == ["invented-l"]
    assert value("AWS::SSM::Parameter::Value<String>, Default: /app", P="x") == "x"

    def refusal(declaration: str, **given: Any) -> str:
        error = refused(head % declaration + tail, parameters=given or None)
        assert error.where.endswith("template.yaml:2 (P)")
        return str(error)

    assert 'write parameters = { P = "…" } in storagefirst.toml' in refusal("String")
    assert "one of: dev, test" in refusal("String, AllowedValues: [dev, test]", P="prod")
    assert "one of: dev" in refusal("String, AllowedValues: [dev], Default: x")
    assert "is no number" in refusal("Number, Default: x")
    assert "AllowedPattern [a-z]+" in refusal("String, AllowedPattern: '[a-z]+'", P="A")


def test_an_invented_parameter_is_noted(load: Callable[..., Template]) -> None:
    text = """
    Parameters: {P: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /a}}
    Resources: {Q: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "q-${P}"}}}
    """
    assert load(text).notes == ("parameter P is /a in SSM: 'invented-a' is used",)


def test_conditions_choose_resources_and_outputs(
    load: Callable[..., Template], refused: Callable[..., TemplateError]
) -> None:
    text = """
    Parameters: {Stage: {Type: String, Default: test}}
    Conditions: {Live: !Equals [!Ref Stage, live]}
    Resources:
      Q: {Type: AWS::SQS::Queue, DependsOn: Extra}
      Extra: {Type: AWS::SQS::Queue, Condition: Live}
    Outputs:
      O: {Value: !Ref Extra, Condition: Live}
    """
    assert list(load(text).body["Resources"]) == ["Q"]
    assert list(load(text, {"Stage": "live"}).body["Resources"]) == ["Extra", "Q"]
    unguarded = text.replace("!Ref Extra, Condition: Live", "!Ref Extra")
    assert "condition is false" in str(refused(unguarded))


def test_resources_stand_after_what_they_need(load: Callable[..., Template]) -> None:
    text = """
    Resources:
      C: {Type: T, Properties: {A: !GetAtt B.X}}
      B: {Type: T, DependsOn: A}
      Deployment: {Type: AWS::ApiGateway::Deployment, Properties: {RestApiId: !Ref Api}}
      A: {Type: T}
      Method: {Type: AWS::ApiGateway::Method, Properties: {RestApiId: !Ref Api}}
      Api: {Type: AWS::ApiGateway::RestApi}
    """
    order = list(load(text).body["Resources"])
    assert order.index("A") < order.index("B") < order.index("C")
    assert order.index("Api") < order.index("Method") < order.index("Deployment")


def test_a_circle_names_its_members(refused: Callable[..., TemplateError]) -> None:
    text = "Resources:\n  A: {Type: T, Properties: {P: !Ref B}}\n  B: {Type: T, DependsOn: A}\n"
    assert refused(text).found in ("A -> B -> A", "B -> A -> B")


def test_includes_are_inlined_where_they_stand(
    load: Callable[..., Template], tmp_path: Path
) -> None:
    (tmp_path / "part.yaml").write_text("Inner: !Sub '${Stage}!'\nDeep: {Ref: Q}\n")
    (tmp_path / "resources.json").write_text('{"Q": {"Type": "AWS::SQS::Queue"}}')
    text = """
    Parameters: {Stage: {Type: String, Default: test}, File: {Type: String, Default: part}}
    Resources:
      Fn::Transform: {Name: AWS::Include, Parameters: {Location: resources.json}}
      X:
        Type: T
        Properties:
          Own: 1
          Nested:
            Kept: 2
            Fn::Transform: {Name: AWS::Include, Parameters: {Location: !Sub "./${File}.yaml"}}
    """
    resources = load(text).body["Resources"]
    assert resources["X"]["Properties"] == {
        "Own": 1,
        "Nested": {"Inner": "test!", "Deep": {"Ref": "Q"}, "Kept": 2},
    }


@pytest.mark.parametrize(
    ("location", "problem"),
    [
        ("nope.yaml", "the file of AWS::Include is missing"),
        ("s3://a/b", "isn't here"),
        ("template.yaml", "include each other in a circle"),
    ],
)
def test_an_include_that_cannot_be_had_is_refused(
    refused: Callable[..., TemplateError], location: str, problem: str
) -> None:
    include = f"{{Name: AWS::Include, Parameters: {{Location: '{location}'}}}}"
    text = f"Resources:\n  X: {{Type: T, Properties: {{'Fn::Transform': {include}}}}}\n"
    assert problem in str(refused(text))


def test_code_and_layers_are_found_by_logical_id(
    load: Callable[..., Template], tmp_path: Path
) -> None:
    for folder in ("src", "lib/python", "plain"):
        (tmp_path / folder).mkdir(parents=True)
    text = (
        SAM
        + """
Globals: {Function: {Runtime: python3.12, Handler: app.handler, CodeUri: src, Layers: [!Ref Lib]}}
Resources:
  Lib: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: lib/}}
  Plain: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: plain}}
  Shared: {Type: AWS::Serverless::Function}
  Own: {Type: AWS::Serverless::Function, Properties: {CodeUri: ., Layers: [!Ref Plain]}}
  Missing: {Type: AWS::Serverless::Function, Properties: {CodeUri: nope}}
  Inline:
    Type: AWS::Serverless::Function
    Properties: {Handler: index.handler, InlineCode: "def handler(e, c): pass"}
"""
    )
    template = load(text)
    code = template.code
    assert code["Shared"].root == tmp_path / "src"
    assert code["Shared"].layers == (tmp_path / "lib/python",)
    assert code["Own"].root == tmp_path / "."
    assert code["Own"].layers == (tmp_path / "lib/python", tmp_path / "plain")
    assert code["Missing"].root is None
    assert code["Inline"].inline == "def handler(e, c): pass"
    assert "Missing: CodeUri nope doesn't exist beside the template" in template.notes


def test_an_image_has_no_code_here(load: Callable[..., Template]) -> None:
    text = (
        SAM
        + """
Resources:
  F: {Type: AWS::Serverless::Function, Properties: {PackageType: Image}}
"""
    )
    template = load(text)
    assert template.code["F"].root is None
    assert template.code["F"].inline is None
    assert template.body["Resources"]["F"]["Properties"]["PackageType"] == "Image"


def test_code_left_out_is_the_templates_folder(
    load: Callable[..., Template], tmp_path: Path
) -> None:
    text = SAM + "Resources:" + FUNCTION.format("Layers: ['arn:aws:lambda:us-east-1:1:layer:x:1']")
    template = load(text)
    assert template.code["F"].root == tmp_path / "."
    assert template.notes == (
        "F: the layer arn:aws:lambda:us-east-1:1:layer:x:1 is not here; what it holds must be installed",
    )


def test_cdk_assets_are_found_by_their_metadata(
    load: Callable[..., Template], tmp_path: Path
) -> None:
    (tmp_path / "asset.1f2e").mkdir()
    text = """
    {"Resources": {"F": {"Type": "AWS::Lambda::Function", "Properties": {"Handler": "a.b",
      "Runtime": "python3.12", "Role": "arn:aws:iam::123456789012:role/r",
      "Code": {"S3Bucket": {"Fn::Sub": "cdk-${AWS::AccountId}"}, "S3Key": "1f2e.zip"}},
      "Metadata": {"aws:asset:path": "asset.1f2e", "aws:asset:property": "Code"}},
      "Meta": {"Type": "AWS::CDK::Metadata"}},
     "Parameters": {"BootstrapVersion": {"Type": "AWS::SSM::Parameter::Value<String>",
      "Default": "/cdk-bootstrap/hnb659fds/version"}},
     "Rules": {"Check": {"Assertions": [{"Assert": {"Fn::Not": [{"Fn::Contains": [["1"],
      {"Ref": "BootstrapVersion"}]}]}}]}}}
    """
    template = load(text, name="stack.template.json")
    assert template.code["F"].root == tmp_path / "asset.1f2e"
    assert template.inert == ("Meta (AWS::CDK::Metadata)",)
    assert template.notes == ()  # what a rule alone reads decides nothing


def test_cdk_assets_are_found_by_the_manifest_beside_the_template(
    load: Callable[..., Template], tmp_path: Path
) -> None:
    (tmp_path / "asset.1f2e").mkdir()
    (tmp_path / "Broken.assets.json").write_text("[]", encoding="utf-8")
    (tmp_path / "stack.assets.json").write_text(
        """
        {"files": {"1f2e": {"source": {"path": "asset.1f2e", "packaging": "zip"},
         "destinations": {"here": {"bucketName": "b", "objectKey": "1f2e.zip"}}}}}
        """,
        encoding="utf-8",
    )
    text = """
    {"Resources": {"F": {"Type": "AWS::Lambda::Function", "Properties": {"Handler": "a.b",
      "Runtime": "python3.12", "Role": "arn:aws:iam::123456789012:role/r",
      "Code": {"S3Bucket": {"Fn::Sub": "cdk-${AWS::AccountId}"}, "S3Key": "1f2e.zip"}}}}}
    """
    template = load(text, name="stack.template.json")
    assert template.code["F"].root == tmp_path / "asset.1f2e"
    assert template.notes == ()


def test_inline_code_of_a_plain_function(load: Callable[..., Template]) -> None:
    text = """
    Resources:
      F:
        Type: AWS::Lambda::Function
        Properties: {Code: {ZipFile: !Sub "stage = '${AWS::StackName}'"}, Role: r, Handler: index.h, Runtime: python3.12}
    """
    assert load(text).code["F"].inline == "stage = 'storagefirst'"


def test_nested_applications_are_inert(load: Callable[..., Template]) -> None:
    text = (
        SAM
        + """
Resources:
  App: {Type: AWS::Serverless::Application, Properties: {Location: {ApplicationId: a, SemanticVersion: 1.0.0}}}
  Local: {Type: AWS::Serverless::Application, Properties: {Location: ./nested.yaml}}
  Alarm: {Type: AWS::CloudWatch::Alarm, Properties: {Name: !GetAtt App.Outputs.TableName}}
"""
    )
    assert tuple(sorted(load(text).inert)) == (
        "Alarm (AWS::CloudWatch::Alarm)",
        "App (AWS::CloudFormation::Stack)",
        "Local (AWS::CloudFormation::Stack)",
    )


def test_reading_a_plain_template_imports_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(QUEUE)
    program = (
        "import sys; from pathlib import Path\n"
        "from pytest_storagefirst.stack.template import load_template\n"
        "load_template(Path(sys.argv[1]))\n"
        "print([name for name in ('boto3', 'botocore', 'moto', 'samtranslator') if name in sys.modules])"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "t.yaml")]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_state_machine_definitions_are_read_or_noted(
    load: Callable[..., Template], tmp_path: Path
) -> None:
    (tmp_path / "machine.asl.json").write_text('{"StartAt": "S", "States": {}}')
    text = (
        SAM
        + """
Resources:
  Here: {Type: AWS::Serverless::StateMachine, Properties: {DefinitionUri: machine.asl.json}}
  Away: {Type: AWS::Serverless::StateMachine, Properties: {DefinitionUri: nope.asl.json}}
"""
    )
    template = load(text)
    assert "StartAt" in str(template.body["Resources"]["Here"]["Properties"]["DefinitionString"])
    assert template.notes == ("Away: the state machine's definition nope.asl.json is not here",)


def test_code_in_s3_and_a_given_image_are_not_here(load: Callable[..., Template]) -> None:
    text = """
    Resources:
      Remote:
        Type: AWS::Lambda::Function
        Properties: {Role: r, Handler: a.b, Runtime: python3.12, Code: {S3Bucket: b, S3Key: k}}
      Image:
        Type: AWS::Lambda::Function
        Properties: {Role: r, PackageType: Image, Code: {ImageUri: 1.dkr.ecr.us-east-1.amazonaws.com/a}}
      Dynamic:
        Type: AWS::Lambda::Function
        Properties: {Role: r, Handler: a.b, Runtime: python3.12, Code: {ZipFile: !Sub "q = '${Q}'"}}
      Q: {Type: AWS::SQS::Queue}
    """
    template = load(text)
    assert (template.code["Remote"].root, template.code["Image"].root) == (None, None)
    assert template.code["Dynamic"].inline == "q = '${Q}'"
    (note,) = template.notes
    assert note.startswith("Remote: Code is not on this machine")


def test_what_sams_translator_trips_over_is_told(refused: Callable[..., TemplateError]) -> None:
    text = (
        SAM
        + """
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties: {Runtime: python3.12, Handler: a.b, Events: {E: {Type: Api, Properties: {Path: 5, Method: [x]}}}}
"""
    )
    error = refused(text)
    assert "template.yaml" in error.where
