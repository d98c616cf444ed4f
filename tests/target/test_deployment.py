"""What is deployed besides blueprints, and what is put in the place of a template's words."""

from __future__ import annotations

import json
import textwrap

import pytest

from pytest_storagefirst.errors import TargetError
from pytest_storagefirst.settings import Downstream
from pytest_storagefirst.stack.template import Template
from pytest_storagefirst.target.deployment import at_home, in_name_only

from .conftest import eventually, items, post

HOME = "http://127.0.0.1:1"
DOWNSTREAMS = [Downstream("https://payments.example/charge"), Downstream("http://mail.example")]


@pytest.mark.parametrize(
    ("written", "deployed"),
    [
        ("https://payments.example/charge", f"{HOME}/payments.example/charge"),
        ("https://payments.example/charge/1?x=2", f"{HOME}/payments.example/charge/1?x=2"),
        ("https://payments.example", f"{HOME}/payments.example"),  # the handler adds the path
        ("https://payments.example/", f"{HOME}/payments.example/"),
        ("http://mail.example/send", f"{HOME}/mail.example/send"),
        ("https://payments.example/refund", None),
        ("https://payments.example.org/charge", None),
        ("see https://payments.example/charge", None),
        ("https://other.example/charge", None),
        ("https", None),
    ],
)
def test_third_parties_urls_become_those_of_this_machine(written, deployed):
    body = {"Resources": {"Worker": {"Properties": {"Environment": {"Variables": {"U": written}}}}}}
    found = at_home({**body, "n": [1, written]}, DOWNSTREAMS, HOME)

    assert found["n"] == [1, deployed or written]
    variables = found["Resources"]["Worker"]["Properties"]["Environment"]["Variables"]
    assert variables == {"U": deployed or written}
    assert body["Resources"]["Worker"]["Properties"]["Environment"]["Variables"] == {"U": written}


STORES = """\
import json, os, boto3
{imported}
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])
def handler(event, context):
    for record in event["Records"]:
        message = json.loads(record["body"])
        table.put_item(Item={{"id": message["id"], "by": {by}, "flag": os.environ["FLAG"]}})
"""


def test_inline_code_layers_archives_and_what_plays_no_part(deployed, tmp_path):
    (tmp_path / "layer" / "python").mkdir(parents=True)
    (tmp_path / "layer" / "python" / "from_layer.py").write_text("NAME = 'layer'")
    (tmp_path / "src").mkdir()
    layered = STORES.format(imported="from from_layer import NAME", by="NAME")
    (tmp_path / "src" / "index.py").write_text(layered)
    inline = textwrap.indent(STORES.format(imported="", by="'inline'"), " " * 10)
    function = """
    Type: AWS::{kind}::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      Timeout: 10
      Environment:
        Variables:
          TABLE: !Ref Table
          FLAG: true
"""
    mapping = """
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      EventSourceArn: !GetAtt {queue}.Arn
      FunctionName: !Ref {function}
"""
    (tmp_path / "template.yaml").write_text(
        f"""\
Transform: AWS::Serverless-2016-10-31
Resources:
  First:
    Type: AWS::SQS::Queue
  Second:
    Type: AWS::SQS::Queue
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{{AttributeName: id, AttributeType: S}}]
      KeySchema: [{{AttributeName: id, KeyType: HASH}}]
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {{Version: "2012-10-17", Statement: []}}
  Library:
    Type: AWS::Serverless::LayerVersion
    Properties:
      ContentUri: layer/
  Layered:{function.format(kind="Serverless")}      CodeUri: src/
      Layers: [!Ref Library]
  Inline:{function.format(kind="Lambda")}      Role: !GetAtt Role.Arn
      Code:
        ZipFile: |
{inline}
  FromFirst:{mapping.format(queue="First", function="Layered")}
  FromSecond:{mapping.format(queue="Second", function="Inline")}
  Group:
    Type: AWS::XRay::Group
    Properties:
      GroupName: !Ref First
Outputs:
  Group:
    Value: !GetAtt Group.GroupARN
""",
        encoding="utf-8",
    )
    target = deployed(tmp_path / "template.yaml", name="kinds-of-code")
    queues = {one.logical_id: one.url for one in target.topology().queues}
    for queue in ("First", "Second"):
        target.session().client("sqs").send_message(
            QueueUrl=queues[queue], MessageBody=json.dumps({"id": queue})
        )

    assert eventually(lambda: len(items(target, "Table")) == 2)
    assert {
        (one["id"]["S"], one["by"]["S"], one["flag"]["S"]) for one in items(target, "Table")
    } == {
        ("First", "layer", "true"),
        ("Second", "inline", "true"),
    }


def test_a_type_that_the_emulator_lacks_is_told_by_name(tmp_path):
    kinds = {"Queue": "AWS::SQS::Queue", "Group": "AWS::XRay::Group", "Odd": "AWS::Nobody::Knows"}
    resources = {name: {"Type": kind, "Properties": {}} for name, kind in kinds.items()}
    resources["Queue"]["Properties"] = {
        "A": {"Fn::GetAtt": ["Group", "GroupARN"]},
        "B": {"Fn::Sub": "x/${Odd.Arn}/${Queue.Arn}"},
        "C": [{"Ref": "Odd"}, {"Fn::GetAtt": ["Queue", "Arn"]}],
    }
    template = Template(tmp_path / "template.yaml", {}, lines={"Queue": 3})

    assert in_name_only(resources, {"AWS::XRay::Group", "AWS::Nobody::Knows"}, template) == [
        "Group stands in name only: the emulator has no AWS::XRay::Group",
        "Odd stands in name only: the emulator has no AWS::Nobody::Knows",
    ]
    assert resources["Queue"]["Properties"] == {
        "A": "Group-GroupARN",
        "B": {"Fn::Sub": "x/Odd-Arn/${Queue.Arn}"},
        "C": [{"Ref": "Odd"}, {"Fn::GetAtt": ["Queue", "Arn"]}],
    }
    with pytest.raises(TargetError) as raised:
        in_name_only(resources, {"AWS::SQS::Queue"}, template)
    told = f"{tmp_path}/template.yaml:3 (Queue): the emulator has no AWS::SQS::Queue"
    assert str(raised.value).splitlines()[0] == told


def test_code_that_is_not_here_is_told(deployed, tmp_path):
    (tmp_path / "template.yaml").write_text(
        textwrap.dedent(
            """
            Resources:
              Worker:
                Type: AWS::Lambda::Function
                Properties:
                  Role: arn:aws:iam::000000000000:role/r
                  Runtime: python3.12
                  Handler: app.handler
                  Code: {S3Bucket: somewhere, S3Key: else.zip}
            """
        )
    )

    with pytest.raises(TargetError, match=r"\(Worker\): the code is not on this machine"):
        deployed(tmp_path / "template.yaml", name="code-elsewhere")


def test_what_the_emulator_refuses_is_told_with_its_reason(deployed, tmp_path):
    parameter = "Type: AWS::SSM::Parameter\n    Properties: {Type: SecureString, Value: x}"
    (tmp_path / "template.yaml").write_text(f"Resources:\n  Secret:\n    {parameter}\n")

    with pytest.raises(TargetError, match=r"\(Secret\): the emulator can't make the AWS::SSM"):
        deployed(tmp_path / "template.yaml", name="refused")


def test_an_http_apis_own_resources_without_a_definition(deployed, tmp_path):
    (tmp_path / "template.yaml").write_text(
        textwrap.dedent(
            """
            Resources:
              Queue:
                Type: AWS::SQS::Queue
              Role:
                Type: AWS::IAM::Role
                Properties:
                  AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: []}
              Api:
                Type: AWS::ApiGatewayV2::Api
                Properties: {Name: api, ProtocolType: HTTP}
              Stage:
                Type: AWS::ApiGatewayV2::Stage
                Properties: {ApiId: !Ref Api, StageName: live, AutoDeploy: true}
              Integration:
                Type: AWS::ApiGatewayV2::Integration
                Properties:
                  ApiId: !Ref Api
                  IntegrationType: AWS_PROXY
                  IntegrationSubtype: SQS-SendMessage
                  PayloadFormatVersion: "1.0"
                  CredentialsArn: !GetAtt Role.Arn
                  RequestParameters:
                    QueueUrl: !Ref Queue
                    MessageBody: $request.body.text
              Route:
                Type: AWS::ApiGatewayV2::Route
                Properties:
                  ApiId: !Ref Api
                  RouteKey: POST /texts/{kind}
                  Target: !Sub integrations/${Integration}
            """
        )
    )
    target = deployed(tmp_path / "template.yaml", name="by-resources")
    url = target.url_of("POST /texts/{kind}")

    assert url.endswith("/live/texts/{kind}")
    assert post(url.replace("{kind}", "a"), {"text": "hello & goodbye"})[0] == 200
    assert post(url.replace("{kind}", "a"), {"other": 1})[0] == 400  # nothing to select
    sqs = target.session().client("sqs")
    received = sqs.receive_message(QueueUrl=target.topology().queues[0].url, WaitTimeSeconds=5)
    assert [one["Body"] for one in received["Messages"]] == ["hello & goodbye"]


def test_a_rest_apis_templates_and_responses_are_played(deployed, tmp_path):
    """Velocity beyond what the emulator knows, a parameter from a header, a failure told as 502."""
    (tmp_path / "template.yaml").write_text(
        textwrap.dedent(
            """
            Resources:
              Table:
                Type: AWS::DynamoDB::Table
                Properties:
                  BillingMode: PAY_PER_REQUEST
                  AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
                  KeySchema: [{AttributeName: id, KeyType: HASH}]
              Role:
                Type: AWS::IAM::Role
                Properties:
                  AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: []}
              Api:
                Type: AWS::ApiGateway::RestApi
                Properties:
                  Name: api
                  Body:
                    openapi: "3.0.1"
                    paths:
                      /items:
                        post:
                          responses: {"201": {description: kept}, "502": {description: not kept}}
                          x-amazon-apigateway-integration:
                            type: aws
                            httpMethod: POST
                            uri: !Sub arn:aws:apigateway:${AWS::Region}:dynamodb:action/PutItem
                            credentials: !GetAtt Role.Arn
                            passthroughBehavior: never
                            requestTemplates:
                              application/json: !Sub |
                                #set($in = $input.path('$'))
                                {"TableName": "${Table}", "Item": {
                                #foreach($name in $in.keySet())
                                "$name": {"S": "$util.escapeJavaScript($in.get($name))"},
                                #end
                                "by": {"S": "$context.httpMethod"}}}
                            responses:
                              default:
                                statusCode: "502"
                                responseTemplates: {application/json: '{"kept": false}'}
                              "200":
                                statusCode: "201"
                                responseTemplates: {application/json: '{"kept": true}'}
              Deployment:
                Type: AWS::ApiGateway::Deployment
                Properties: {RestApiId: !Ref Api, StageName: live}
            """
        )
    )
    target = deployed(tmp_path / "template.yaml", name="by-definition")
    url = target.url_of("POST /items")

    assert post(url, {"id": "i-1", "text": 'a "b"'}) == (201, '{"kept": true}')
    assert post(url, {"text": "no key"}) == (502, '{"kept": false}')
    [item] = items(target, "Table")
    assert {name: value["S"] for name, value in item.items()} == {
        "id": "i-1",
        "text": 'a "b"',
        "by": "POST",
    }
