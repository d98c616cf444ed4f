"""What a stack's roles and resources let it do, and what its runs say where they do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from pytest_storagefirst.explore.exploration import explore
from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.explore.stack import standing
from pytest_storagefirst.settings import Entry, Settings
from pytest_storagefirst.settings_file import load_settings
from pytest_storagefirst.simulation.deployed import Deployed
from pytest_storagefirst.simulation.environment import Code
from pytest_storagefirst.simulation.permissions.permissions import may_deliver, permissions_of
from pytest_storagefirst.simulation.playing import Played, play
from pytest_storagefirst.simulation.schedule import Schedule, Send

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Orders: {Type: AWS::SQS::Queue, Properties: {QueueName: orders}}
  OrdersPolicy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Orders]
      PolicyDocument:
        Statement:
          - Effect: Allow
            Principal: {Service: sns.amazonaws.com}
            Action: sqs:SendMessage
            Resource: !GetAtt Orders.Arn
            Condition: {ArnEquals: {aws:SourceArn: !Ref News}}
  Plain: {Type: AWS::SQS::Queue, Properties: {QueueName: plain}}
  Onward: {Type: AWS::SQS::Queue, Properties: {QueueName: onward}}
  Sealed:
    Type: AWS::SQS::Queue
    Properties: {QueueName: sealed, KmsMasterKeyId: !Ref KeyName}
  Awss:
    Type: AWS::SQS::Queue
    Properties: {QueueName: awss, KmsMasterKeyId: alias/aws/sqs}
  AwssPolicy:
    Type: AWS::SQS::QueueInlinePolicy
    Properties:
      Queue: !Ref Awss
      PolicyDocument:
        Statement:
          - {Effect: Allow, Principal: "*", Action: "sqs:*", Resource: "*"}
  SealedPolicy:
    Type: AWS::SQS::QueueInlinePolicy
    Properties:
      Queue: !Ref Sealed
      PolicyDocument:
        Statement:
          - {Effect: Allow, Principal: "*", Action: "sqs:*", Resource: "*"}
  Key:
    Type: AWS::KMS::Key
    Properties:
      KeyPolicy:
        Statement:
          - Effect: Allow
            Principal: {AWS: !Sub "arn:aws:iam::${AWS::AccountId}:root"}
            Action: kms:*
            Resource: "*"
          - Effect: Allow
            Principal: {Service: sns.amazonaws.com}
            Action: [kms:GenerateDataKey*, kms:Decrypt]
            Resource: "*"
  KeyName:
    Type: AWS::KMS::Alias
    Properties: {AliasName: alias/sealed, TargetKeyId: !Ref Key}
  News: {Type: AWS::SNS::Topic, Properties: {TopicName: news}}
  Bucket: {Type: AWS::S3::Bucket, Properties: {BucketName: the-bucket}}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: things
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions:
        - {AttributeName: id, AttributeType: S}
        - {AttributeName: kind, AttributeType: S}
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      GlobalSecondaryIndexes:
        - IndexName: kinds
          KeySchema: [{AttributeName: kind, KeyType: HASH}]
          Projection: {ProjectionType: ALL}
  Shared:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: shared
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      ResourcePolicy:
        PolicyDocument:
          Statement:
            - {Effect: Allow, Principal: "*", Action: dynamodb:PutItem, Resource: "*"}
  Worker:
    Type: AWS::Serverless::Function
    Properties: &function
      Runtime: python3.12
      Handler: app.handler
      InlineCode: "def handler(event, context): pass"
      Policies:
        - SQSSendMessagePolicy: {QueueName: !GetAtt Onward.QueueName}
        - DynamoDBReadPolicy: {TableName: !Ref Table}
        - Statement:
            - Effect: Allow
              Action: [sqs:SendMessage, kms:GenerateDataKey]
              Resource: [!GetAtt Sealed.Arn, !GetAtt Key.Arn]
      Events: {Queue: {Type: SQS, Properties: {Queue: !GetAtt Orders.Arn}}}
  Callee: {Type: AWS::Serverless::Function, Properties: {<<: *function, Policies: [], Events: {}}}
  Managed:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Statement: []}
      Path: /of/some/
      ManagedPolicyArns: [!Sub "arn:${AWS::Partition}:iam::aws:policy/AmazonSQSReadOnlyAccess"]
  Connected:
    Type: AWS::IAM::Role
    Properties: {AssumeRolePolicyDocument: {Statement: []}}
  Connection:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      Roles: [!Ref Connected]
      PolicyDocument: {Statement: {Effect: Allow, Action: "sqs:Send*", Resource: "*"}}
  More:
    Type: AWS::IAM::RolePolicy
    Properties:
      RoleName: !Ref Connected
      PolicyName: More
      PolicyDocument: {Statement: {Effect: Deny, Action: "sqs:*", Resource: !GetAtt Plain.Arn}}
  Foreign:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Statement: []}
      ManagedPolicyArns: ["arn:aws:iam::123456789012:policy/of-another-stack"]
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    path = tmp_path_factory.mktemp("stack") / "template.yaml"
    path.write_text(TEMPLATE)
    return prepare(path, Settings(entries=(Entry("queue", "Orders"),))).deployed


def role(stack: Deployed, logical_id: str) -> str:
    roles = stack.topology.policies.roles.values()
    return next(one.arn for one in roles if one.logical_id == logical_id)


def reading(stack: Deployed, who: str, service: str, operation: str, **parameters: Any) -> str:
    """Why a role may not, "" when it may."""
    permissions = permissions_of(stack)
    refused = permissions.of_operation(role(stack, who), service, operation, parameters)
    return refused.reading if refused is not None else ""


def url(name: str) -> str:
    return f"https://sqs.us-east-1.amazonaws.com/123456789012/{name}"


# --- operations (Service Authorization Reference) ----------------------------------------------

PUT = {"TableName": "things", "Item": {}}


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "expected"),
    [
        ("sqs", "SendMessage", {"QueueUrl": url("onward")}, ""),
        ("sqs", "SendMessageBatch", {"QueueUrl": url("onward")}, ""),
        ("sqs", "SendMessageBatch", {"QueueUrl": url("plain")}, "sqs:SendMessage on Plain"),
        ("sqs", "ReceiveMessage", {"QueueUrl": url("orders")}, ""),  # by the managed policy
        ("sqs", "ChangeMessageVisibility", {"QueueUrl": url("orders")}, "on Orders"),
        ("sqs", "SendMessage", {"QueueUrl": url("of-another-stack")}, ""),
        ("dynamodb", "GetItem", {"TableName": "things"}, ""),
        ("dynamodb", "PutItem", {"TableName": "things"}, "dynamodb:PutItem on Table"),
        (
            "dynamodb",
            "PutItem",
            {"TableName": "arn:aws:dynamodb:us-east-1:123456789012:table/things"},
            "dynamodb:PutItem on Table",
        ),
        ("dynamodb", "PutItem", {"TableName": "shared"}, ""),  # by the table's own policy
        ("dynamodb", "UpdateItem", {"TableName": "shared"}, "dynamodb:UpdateItem on Shared"),
        ("dynamodb", "Query", {"TableName": "things", "IndexName": "kinds"}, ""),
        (
            "dynamodb",
            "BatchWriteItem",
            {"RequestItems": {"things": []}},
            "dynamodb:BatchWriteItem on Table",
        ),
        ("dynamodb", "TransactWriteItems", {"TransactItems": [{"Put": PUT}]}, "dynamodb:PutItem"),
        ("dynamodb", "TransactGetItems", {"TransactItems": [{"Get": PUT}]}, ""),
        (
            "dynamodb",
            "ExecuteStatement",
            {"Statement": "INSERT INTO \"things\" value {'id': '1'}"},
            "dynamodb:PartiQLInsert on Table",
        ),
        ("s3", "PutObject", {"Bucket": "the-bucket", "Key": "a/b"}, "s3:PutObject on Bucket/a/b"),
        ("s3", "ListObjectsV2", {"Bucket": "the-bucket"}, "s3:ListBucket on Bucket"),
        ("s3", "UploadPart", {"Bucket": "the-bucket", "Key": "k"}, "s3:PutObject on Bucket/k"),
        (
            "s3",
            "CopyObject",
            {"Bucket": "the-bucket", "Key": "k", "CopySource": {"Bucket": "b", "Key": "c"}},
            "s3:PutObject on Bucket/k",
        ),
        (
            "sns",
            "PublishBatch",
            {"TopicArn": "arn:aws:sns:us-east-1:123456789012:news"},
            "sns:Publish on News",
        ),
        ("events", "PutEvents", {"Entries": [{}]}, "events:PutEvents on arn:aws:events:"),
        ("ses", "SendEmail", {}, "ses:SendEmail on any resource"),
        ("sesv2", "SendEmail", {}, "ses:SendEmail on any resource"),
        ("ssm", "GetParameter", {"Name": "/a"}, "ssm:GetParameter on any resource"),
        ("states", "StartExecution", {"stateMachineArn": "a:b"}, "states:StartExecution"),
        # An encrypted queue asks its sender for the key (SQS: sqs-key-management).
        ("sqs", "SendMessage", {"QueueUrl": url("sealed")}, "WorkerRole allows no kms:Decrypt"),
        ("kms", "GenerateDataKey", {"KeyId": "alias/sealed"}, ""),
        # Nothing is known of these.
        ("s3", "GetBucketLocation", {"Bucket": "the-bucket"}, ""),
        ("cloudwatch", "PutMetricData", {}, ""),
        ("dynamodb", "CreateTable", {"TableName": "things"}, ""),
    ],
)
def test_an_operation_needs_its_actions(
    stack: Deployed, service: str, operation: str, parameters: Any, expected: str
) -> None:
    said = reading(stack, "WorkerRole", service, operation, **parameters)
    assert expected in said
    assert bool(said) is bool(expected)


def test_a_function_is_invoked_by_name_or_arn(stack: Deployed) -> None:
    callee = next(f for f in stack.topology.functions if f.logical_id == "Callee")
    for name in (callee.name, callee.arn, f"123456789012:function:{callee.name}"):
        said = reading(stack, "WorkerRole", "lambda", "Invoke", FunctionName=name)
        assert said == "WorkerRole allows no lambda:InvokeFunction on Callee"


# --- where a role's policies stand -------------------------------------------------------------


def test_a_policy_of_aws_s_own_counts(stack: Deployed) -> None:
    """https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonSQSReadOnlyAccess.html"""
    assert "/of/some/" in role(stack, "Managed")
    assert not reading(stack, "Managed", "sqs", "GetQueueUrl", QueueName="plain")
    said = reading(stack, "Managed", "sqs", "SendMessage", QueueUrl=url("plain"))
    assert said == "Managed allows no sqs:SendMessage on Plain"


def test_policies_that_are_attached_from_beside_the_role_count(stack: Deployed) -> None:
    assert not reading(stack, "Connected", "sqs", "SendMessage", QueueUrl=url("orders"))
    said = reading(stack, "Connected", "sqs", "SendMessage", QueueUrl=url("plain"))
    assert said == "Connected denies sqs:SendMessage on Plain"


def test_another_stacks_policy_and_role_are_not_accused(stack: Deployed) -> None:
    assert not reading(stack, "Foreign", "sqs", "SendMessage", QueueUrl=url("plain"))
    permissions = permissions_of(stack)
    for other in ("arn:aws:iam::123456789012:role/of-another-stack", "arn:aws:iam::*:user/*", ""):
        asked = {"QueueUrl": url("plain")}
        assert permissions.of_operation(other, "sqs", "SendMessage", asked) is None


# --- deliveries --------------------------------------------------------------------------------


def delivery(stack: Deployed, service: str, source: str, target: str, role: str = "") -> str:
    simulation = SimpleNamespace(deployed=stack)
    refused = may_deliver(simulation, f"{service}.amazonaws.com", source, target, role or None)
    return refused.reading if refused is not None else ""


NEWS = "arn:aws:sns:us-east-1:123456789012:news"
BUCKET = "arn:aws:s3:::the-bucket"


def queue(name: str) -> str:
    return f"arn:aws:sqs:us-east-1:123456789012:{name}"


def test_a_topic_needs_the_queues_policy(stack: Deployed) -> None:
    """SNS developer guide, subscribe-sqs-queue-to-sns-topic."""
    assert delivery(stack, "sns", NEWS, queue("orders")) == ""
    assert delivery(stack, "sns", f"{NEWS}-2", queue("orders")) != ""
    said = delivery(stack, "sns", NEWS, queue("plain"))
    assert said == "no policy of Plain allows sqs:SendMessage to sns.amazonaws.com (News)"


def test_a_bucket_needs_the_queues_policy(stack: Deployed) -> None:
    """S3 user guide, grant-destinations-permissions-to-s3."""
    said = delivery(stack, "s3", BUCKET, queue("orders"))
    assert said == "no policy of Orders allows sqs:SendMessage to s3.amazonaws.com (Bucket)"


def test_an_encrypted_queue_asks_a_service_for_the_key(stack: Deployed) -> None:
    """SNS: sns-key-management; S3: grant-destinations-permissions-to-s3."""
    assert delivery(stack, "sns", NEWS, queue("sealed")) == ""
    said = delivery(stack, "s3", BUCKET, queue("sealed"))
    assert said == "no policy of Key allows kms:GenerateDataKey to s3.amazonaws.com (Bucket)"


def test_awss_own_key_lets_no_service_in_and_every_role(stack: Deployed) -> None:
    """SQS developer guide, sqs-key-management: an event source needs a key of one's own."""
    assert delivery(stack, "sns", NEWS, queue("awss")) == (
        "no policy of alias/aws/sqs allows kms:GenerateDataKey to sns.amazonaws.com (News): Awss "
        "needs a key of the stack's own"
    )
    rule = "arn:aws:events:us-east-1:123456789012:rule/r"
    assert delivery(stack, "events", rule, queue("awss"), role(stack, "WorkerRole")) == ""


def test_a_default_topic_policy_lets_no_service_in(stack: Deployed) -> None:
    """EventBridge user guide, eb-use-resource-based."""
    assert "sns:Publish" in delivery(stack, "events", "arn:aws:events:::rule/r", NEWS)


def test_a_function_is_invoked_by_permission(stack: Deployed) -> None:
    """Lambda developer guide, access-control-resource-based."""
    callee = next(f for f in stack.topology.functions if f.logical_id == "Callee")
    said = delivery(stack, "s3", BUCKET, callee.arn)
    assert said.startswith("no policy of Callee allows lambda:InvokeFunction")


def test_a_delivery_with_a_role_is_the_roles(stack: Deployed) -> None:
    """EventBridge user guide, eb-use-identity-based."""
    source = "arn:aws:events:us-east-1:123456789012:rule/r"
    worker = role(stack, "WorkerRole")
    assert delivery(stack, "events", source, queue("onward"), worker) == ""
    said = delivery(stack, "events", source, queue("plain"), worker)
    assert said == "WorkerRole allows no sqs:SendMessage on Plain"
    assert delivery(stack, "events", source, queue("plain"), "arn:aws:iam::1:role/other") == ""


def test_a_delivery_to_another_stack_is_not_judged(stack: Deployed) -> None:
    assert delivery(stack, "sns", NEWS, queue("of-another-stack")) == ""
    assert delivery(stack, "sns", NEWS, "https://example.com/hook") == ""


# --- in a run ----------------------------------------------------------------------------------

Errors = list[ClientError]


def run(stack: Deployed, handler: Any) -> Played:
    code = {**stack.code, "Worker": Code("Worker", "app.handler", override=handler)}
    deployed = replace(stack, code=code, lookups={})
    return play(deployed, Schedule((Send("m1", "Orders", {"id": "{unique}"}),)))


def calling(errors: Errors, call: Any, **client: Any) -> Any:
    def handler(event: Any, context: Any) -> None:
        try:
            call(lambda service: boto3.client(service, **client))
        except ClientError as error:
            errors.append(error)

    return handler


@pytest.mark.parametrize(
    ("call", "code", "action", "resource"),
    [
        (
            lambda client: client("dynamodb").put_item(
                TableName="things", Item={"id": {"S": "1"}, "QueueUrl": {"S": "x"}}
            ),
            "AccessDeniedException",
            "dynamodb:PutItem",
            "arn:aws:dynamodb:us-east-1:123456789012:table/things",
        ),
        (
            lambda client: client("sqs").send_message(
                QueueUrl=url("plain"), MessageBody=f'{{"QueueUrl": "{url("onward")}"}}'
            ),
            "AccessDeniedException",
            "sqs:SendMessage",
            queue("plain"),
        ),
        (
            lambda client: client("sqs").send_message(QueueUrl=url("sealed"), MessageBody="m"),
            "KMS.AccessDeniedException",
            "kms:Decrypt",
            "arn:aws:kms:",
        ),
        (
            lambda client: client("s3").put_object(Bucket="the-bucket", Key="k", Body=b"b"),
            "AccessDenied",
            "s3:PutObject",
            f"{BUCKET}/k",
        ),
        (
            lambda client: client("sns").publish(TopicArn=NEWS, Message="<m>"),
            "AuthorizationError",
            "sns:Publish",
            NEWS,
        ),
        (
            lambda client: client("ses").send_email(
                Source="a@example.com",
                Destination={},
                Message={"Subject": {"Data": ""}, "Body": {}},
            ),
            "AccessDeniedException",
            "ses:SendEmail",
            "*",
        ),
    ],
)
def test_a_handlers_call_is_refused_in_awss_words(
    stack: Deployed, call: Any, code: str, action: str, resource: str
) -> None:
    """IAM user guide, troubleshoot_access-denied."""
    errors: Errors = []
    played = run(stack, calling(errors, call))
    (error,) = errors
    assert error.response["Error"]["Code"] == code
    said = error.response["Error"]["Message"]
    assert said.startswith("User: arn:aws:sts::123456789012:assumed-role/storagefirst-WorkerRole-")
    assert f"is not authorized to perform: {action} on resource: {resource}" in said
    assert said.endswith(f"because no identity-based policy allows the {action} action")
    kinds = [event.kind for event in played.observation.history]
    assert "effected" not in kinds
    assert kinds.count("denied") == kinds.count("called") == 1


def test_what_is_allowed_takes_effect(stack: Deployed) -> None:
    errors: Errors = []
    played = run(
        stack,
        calling(
            errors,
            lambda client: client("sqs").send_message(
                QueueUrl=url("onward"), MessageBody=f'{{"QueueUrl": "{url("plain")}"}}'
            ),
        ),
    )
    assert not errors
    assert "effected" in [event.kind for event in played.observation.history]


def test_a_call_with_anothers_credentials_is_not_judged(stack: Deployed) -> None:
    errors: Errors = []

    def call(client: Any) -> None:
        client("sqs").send_message(QueueUrl=url("plain"), MessageBody="m")

    run(stack, calling(errors, call, aws_access_key_id="ASIA", aws_secret_access_key="s"))
    assert not errors


# --- through the whole -------------------------------------------------------------------------

ZOO = Path(__file__).parents[3] / "zoo"


def explored(template: Path, **changes: Any) -> dict[str, Any]:
    settings = replace(load_settings(template), budget_seconds=0, **changes)
    return {one.name: one for one in explore(template, settings).properties}


def test_a_function_role_that_lacks_a_right_is_named_in_the_verdict_and_the_story() -> None:
    missing = "WorkerRole allows no dynamodb:PutItem on Votes"
    found = explored(ZOO / "function-role-lacks-write" / "defective" / "template.yaml")
    assert found["redrive-completes"].verdict == "violated"
    assert missing in found["redrive-completes"].why
    assert any(missing in line for line in found["redrive-completes"].story)
    assert found["no-message-loss"].verdict == "unknown"
    assert "ok" not in {one.verdict for one in found.values()}


def test_a_refusal_that_the_handler_swallows_loses_the_message(tmp_path: Path) -> None:
    """What is left is an acknowledged message that nothing holds: no mock without IAM shows it."""
    template = tmp_path / "template.yaml"
    template.write_text(TEMPLATE.replace("def handler(event, context): pass", SWALLOWING))
    settings = Settings(entries=(Entry("queue", "Orders", {"id": "{unique}"}),), budget_seconds=0)
    found = {one.name: one for one in explore(template, settings).properties}
    assert found["no-message-loss"].verdict == "violated"
    assert "WorkerRole allows no dynamodb:PutItem on Table" in found["no-message-loss"].why
    assert "ok" not in {one.verdict for one in found.values()}


SWALLOWING = r"""
import boto3

def handler(event, context):
    for record in event['Records']:
        try:
            boto3.resource('dynamodb').Table('things').put_item(Item={'id': record['body']})
        except Exception:
            pass
""".replace("\n", "\\n")


def test_an_integration_role_that_lacks_a_right_is_named_and_shows_nothing() -> None:
    found = explored(ZOO / "integration-role-lacks-send" / "defective" / "template.yaml")
    missing = "ApiRole allows no sqs:SendMessage on TicketsQueue"
    assert found["no-message-loss"].why.startswith(missing)
    assert any(missing in line for line in found["no-message-loss"].story)
    assert {one.verdict for one in found.values()} <= {"unknown", "not-applicable"}


def test_the_option_turns_it_off() -> None:
    template = ZOO / "integration-role-lacks-send" / "defective" / "template.yaml"
    found = explored(template, permissions=False)
    assert {one.verdict for one in found.values()} <= {"ok", "not-applicable"}
    on = standing(template, load_settings(template))
    assert on is not standing(template, replace(load_settings(template), permissions=False))


def test_a_queue_policy_that_denies_the_consumer_stops_the_mapping(tmp_path: Path) -> None:
    """Lambda developer guide, services-sqs-configure: what the execution role must allow."""
    template = tmp_path / "template.yaml"
    template.write_text(
        TEMPLATE.replace(
            "        Statement:\n          - Effect: Allow\n            Principal: {Service: sns",
            "        Statement:\n          - {Effect: Deny, Principal: '*', Action: sqs:Receive*, "
            "Resource: '*'}\n          - Effect: Allow\n            Principal: {Service: sns",
        )
    )
    settings = Settings(entries=(Entry("queue", "Orders", {"id": "{unique}"}),), budget_seconds=0)
    found = {one.name: one for one in explore(template, settings).properties}
    said = "the policy of Orders denies sqs:ReceiveMessage to WorkerRole"
    assert found["drains"].verdict == "violated"
    assert said in found["drains"].why
    assert any(said in line for line in found["drains"].story)
    assert found["no-message-loss"].verdict == "unknown"
