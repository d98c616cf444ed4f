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
          FLAG: 4
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
        ("First", "layer", "4"),
        ("Second", "inline", "4"),
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

    assert in_name_only(resources, {"Group": "", "Odd": "it is odd"}, template) == [
        "Group stands in name only: the emulator has no AWS::XRay::Group",
        "Odd stands in name only: it is odd",
    ]
    assert resources["Queue"]["Properties"] == {
        "A": "Group-GroupARN",
        "B": {"Fn::Sub": "x/Odd-Arn/${Queue.Arn}"},
        "C": [{"Ref": "Odd"}, {"Fn::GetAtt": ["Queue", "Arn"]}],
    }
    with pytest.raises(TargetError) as raised:
        in_name_only(resources, {"Queue": ""}, template)
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

    with pytest.raises(TargetError, match=r"\(Worker\): the code is not on(.|\n)*somewhere"):
        deployed(tmp_path / "template.yaml", name="code-elsewhere")


def test_what_the_emulator_refuses_is_told_with_its_reason(deployed, tmp_path):
    parameter = "Type: AWS::SSM::Parameter\n    Properties: {Type: SecureString, Value: x}"
    (tmp_path / "template.yaml").write_text(f"Resources:\n  Secret:\n    {parameter}\n")

    with pytest.raises(TargetError, match=r"\(Secret\): the emulator can't make the AWS::SSM"):
        deployed(tmp_path / "template.yaml", name="refused")


def test_a_name_that_is_taken_is_told(deployed, tmp_path):
    bucket = "Type: AWS::S3::Bucket\n    Properties: {BucketName: taken-by-one}"
    (tmp_path / "template.yaml").write_text(f"Resources:\n  Bucket:\n    {bucket}\n")
    deployed(tmp_path / "template.yaml", name="takes-a-name")

    with pytest.raises(TargetError, match=r"\(Bucket\): the emulator(.|\n)*already exists"):
        deployed(tmp_path / "template.yaml", name="takes-it-too")


def test_what_plays_no_part_and_can_not_be_made_is_no_hindrance(deployed, tmp_path):
    """A domain of one's own, a record in DNS: what is wanted of them is not on this machine."""
    (tmp_path / "template.yaml").write_text(
        textwrap.dedent(
            """
            Resources:
              Queue:
                Type: AWS::SQS::Queue
              Record:
                Type: AWS::Route53::RecordSet
                Properties: {HostedZoneId: Z0, Name: x.example, Type: A}
              Filter:
                Type: AWS::Logs::MetricFilter
                DependsOn: Record
                Properties:
                  LogGroupName: nobodys
                  FilterPattern: ""
                  MetricTransformations:
                    - {MetricName: m, MetricNamespace: n, MetricValue: "1"}
            """
        )
    )
    target = deployed(tmp_path / "template.yaml", name="no-hindrance")

    assert [one.logical_id for one in target.topology().queues] == ["Queue"]


def test_a_custom_resource_in_line_can_answer(deployed, tmp_path):
    """AWS gives cfnresponse to functions that are written in the template."""
    (tmp_path / "template.yaml").write_text(
        textwrap.dedent(
            """
            Resources:
              Role:
                Type: AWS::IAM::Role
                Properties:
                  AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: []}
              Seeds:
                Type: AWS::Lambda::Function
                Properties:
                  Role: !GetAtt Role.Arn
                  Runtime: python3.12
                  Handler: index.handler
                  Code:
                    ZipFile: |
                      import cfnresponse
                      def handler(event, context):
                          cfnresponse.send(event, context, cfnresponse.SUCCESS, {"A": "b"}, "seed")
              Seed:
                Type: Custom::Seed
                Properties: {ServiceToken: !GetAtt Seeds.Arn}
              Queue:
                Type: AWS::SQS::Queue
                DependsOn: Seed
            """
        )
    )

    deployed(tmp_path / "template.yaml", name="seeded")


def test_a_custom_resource_whose_function_is_not_python_stands_in_name_only(deployed, tmp_path):
    """Nobody would answer for it: the CDK's own are often written in JavaScript."""
    (tmp_path / "template.yaml").write_text(
        textwrap.dedent(
            """
            Resources:
              Role:
                Type: AWS::IAM::Role
                Properties:
                  AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: []}
              Empties:
                Type: AWS::Lambda::Function
                Properties:
                  Role: !GetAtt Role.Arn
                  Runtime: nodejs22.x
                  Handler: index.handler
                  Code: {ZipFile: "exports.handler = () => {}"}
              Emptied:
                Type: Custom::AutoDelete
                Properties: {ServiceToken: !GetAtt Empties.Arn}
              Queue: {Type: AWS::SQS::Queue, DependsOn: Emptied}
            """
        )
    )

    target = deployed(tmp_path / "template.yaml", name="emptied")

    made = target.clients.client("cloudformation").describe_stack_resources(StackName="emptied")
    kinds = {one["LogicalResourceId"]: one["ResourceType"] for one in made["StackResources"]}
    assert kinds["Emptied"] == "AWS::CloudFormation::WaitConditionHandle"


def test_rules_on_a_bus_of_ones_own_are_found(deployed, tmp_path):
    """CloudFormation calls them BUS|NAME, the emulator NAME."""
    (tmp_path / "template.yaml").write_text(
        textwrap.dedent(
            """
            Resources:
              Shop: {Type: AWS::Events::EventBus, Properties: {Name: shop}}
              Orders: {Type: AWS::SQS::Queue}
              Placed:
                Type: AWS::Events::Rule
                Properties:
                  EventBusName: !Ref Shop
                  EventPattern: {source: [shop]}
                  Targets: [{Id: one, Arn: !GetAtt Orders.Arn}]
            """
        )
    )

    topology = deployed(tmp_path / "template.yaml", name="shop-bus").topology()

    (bus,) = topology.buses
    assert (bus.logical_id, bus.patterns) == ("Shop", ('{"source": ["shop"]}',))
    (edge,) = topology.edges
    assert topology.logical_ids[edge.target] == "Orders"


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


def test_a_state_machine_reaches_all_of_lambdas_api(deployed, tmp_path):
    """ministack has no aws-sdk:lambda:updateEventSourceMapping, which a breaker may need."""
    (tmp_path / "index.py").write_text("def handler(event, context): pass")
    (tmp_path / "template.yaml").write_text(
        textwrap.dedent(
            """
            Transform: AWS::Serverless-2016-10-31
            Resources:
              Queue:
                Type: AWS::SQS::Queue
              Worker:
                Type: AWS::Serverless::Function
                Properties:
                  CodeUri: index.py
                  Runtime: python3.12
                  Handler: index.handler
                  Events:
                    FromQueue: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn}}
              Machine:
                Type: AWS::Serverless::StateMachine
                Properties:
                  Definition:
                    StartAt: SwitchOff
                    States:
                      SwitchOff:
                        Type: Task
                        Resource: arn:aws:states:::aws-sdk:lambda:updateEventSourceMapping
                        Parameters: {"Uuid.$": $.mapping, Enabled: false}
                        Catch:
                          - {ErrorEquals: [Lambda.ResourceNotFoundException], Next: Unknown}
                        End: true
                      Unknown: {Type: Pass, Result: unknown, End: true}
            """
        )
    )
    target = deployed(tmp_path / "template.yaml", name="switches-off")
    topology, states = target.topology(), target.session().client("stepfunctions")

    def executed(mapping: str) -> tuple[str, object]:
        started = states.start_execution(
            stateMachineArn=topology.state_machines[0].arn, input=json.dumps({"mapping": mapping})
        )
        arn = started["executionArn"]
        assert eventually(
            lambda: states.describe_execution(executionArn=arn)["status"] != "RUNNING"
        )
        said = states.describe_execution(executionArn=arn)
        return said["status"], json.loads(said.get("output") or "null")

    status, output = executed(topology.mappings[0].uuid)
    assert (status, output["Uuid"]) == ("SUCCEEDED", topology.mappings[0].uuid)
    functions = target.session().client("lambda")
    state = functions.get_event_source_mapping(UUID=topology.mappings[0].uuid)["State"]
    assert state == "Disabled"
    assert executed("00000000-0000-4000-8000-000000000000") == ("SUCCEEDED", "unknown")
