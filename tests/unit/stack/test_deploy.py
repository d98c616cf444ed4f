"""Templates stood up in moto, seen through the topology that the AWS APIs tell."""

# ruff: noqa: E501 (templates are easier to read with long lines)

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.errors import TemplateError
from pytest_storagefirst.stack.topology import Topology

StandUp = Callable[..., Topology]
ROLE = "arn:aws:iam::123456789012:role/r"

ORDERS = """
Transform: AWS::Serverless-2016-10-31
Globals: {Function: {Runtime: python3.12, Timeout: 5, Environment: {Variables: {STAGE: test}}}}
Resources:
  Dead: {Type: AWS::SQS::Queue, Properties: {MessageRetentionPeriod: 1209600}}
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: orders
      VisibilityTimeout: 30
      DelaySeconds: 2
      KmsMasterKeyId: alias/aws/sqs
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 5}
      Tags: [{Key: a, Value: b}]
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}, {AttributeName: sk, AttributeType: N}]
      KeySchema: [{AttributeName: sk, KeyType: RANGE}, {AttributeName: pk, KeyType: HASH}]
      StreamSpecification: {StreamViewType: NEW_IMAGE}
      TimeToLiveSpecification: {AttributeName: ttl, Enabled: true}
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handler
      MemorySize: 256
      ReservedConcurrentExecutions: 7
      InlineCode: "def handler(event, context): pass"
      Environment: {Variables: {TABLE: !Ref Table, QUEUE: !GetAtt Queue.QueueName, DEBUG: true}}
      Policies: [{DynamoDBCrudPolicy: {TableName: !Ref Table}}, AmazonSQSFullAccess]
      Events:
        Work:
          Type: SQS
          Properties:
            Queue: !GetAtt Queue.Arn
            BatchSize: 50
            MaximumBatchingWindowInSeconds: 3
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: {MaximumConcurrency: 4}
            FilterCriteria: {Filters: [{Pattern: '{"body": {"a": [1]}}'}]}
        Changed:
          Type: DynamoDB
          Properties: {Stream: !GetAtt Table.StreamArn, StartingPosition: LATEST, Enabled: false}
  Uploads: {Type: AWS::S3::Bucket}
  Alarm:
    Type: AWS::CloudWatch::Alarm
    Properties: {AlarmActions: [!GetAtt Worker.Arn]}
  Reader:
    Type: AWS::SSM::Parameter
    Properties: {Type: String, Value: !GetAtt Alarm.Arn}
"""


def test_a_queue_with_its_attributes(stand_up: StandUp) -> None:
    topology = stand_up(ORDERS)
    queue = next(queue for queue in topology.queues if queue.logical_id == "Queue")
    dead = next(queue for queue in topology.queues if queue.logical_id == "Dead")
    assert queue.name == "orders"
    assert queue.arn == "arn:aws:sqs:us-east-1:123456789012:orders"
    assert (queue.visibility_timeout_seconds, queue.delay_seconds) == (30, 2)
    assert (queue.dead_letter_arn, queue.max_receive_count) == (dead.arn, 5)
    assert queue.encrypted_with == "alias/aws/sqs"
    assert not queue.fifo
    assert dead.retention_seconds == 1_209_600
    assert dead.name.startswith("storagefirst-Dead-")
    assert {topology.logical_ids[name] for name in (queue.url, queue.arn, "orders")} == {"Queue"}


def test_a_function_with_its_settings(stand_up: StandUp) -> None:
    topology = stand_up(ORDERS)
    (function,) = topology.functions
    assert function.handler == "app.handler"
    assert function.runtime == "python3.12"
    assert (function.timeout_seconds, function.memory_megabytes) == (5, 256)
    assert function.reserved_concurrency == 7
    assert function.environment == {
        "STAGE": "test",
        "TABLE": topology.tables[0].name,
        "QUEUE": "orders",
        "DEBUG": "true",
    }
    assert topology.logical_ids[function.arn] == "Worker"
    assert topology.logical_ids[function.role_arn] == "WorkerRole"


def test_mappings_with_their_settings(stand_up: StandUp) -> None:
    topology = stand_up(ORDERS)
    work, changed = sorted(topology.mappings, key=lambda mapping: mapping.batch_size)
    assert topology.logical_ids[work.source_arn] == "Queue"
    assert topology.logical_ids[work.function_arn] == "Worker"
    assert (work.batch_size, work.batching_window_seconds) == (50, 3)
    assert work.reports_batch_item_failures
    assert work.maximum_concurrency == 4
    assert work.filters == ('{"body": {"a": [1]}}',)
    assert work.enabled
    assert topology.logical_ids[changed.source_arn] == "Table"
    assert not changed.enabled
    assert not changed.reports_batch_item_failures


def test_a_table_and_a_bucket(stand_up: StandUp) -> None:
    topology = stand_up(ORDERS)
    (table,) = topology.tables
    assert table.key_names == ("pk", "sk")
    assert table.stream_arn is not None
    assert topology.logical_ids[table.arn] == "Table"
    (bucket,) = topology.buckets
    assert topology.logical_ids[f"arn:aws:s3:::{bucket.name}"] == "Uploads"


def test_what_plays_no_part_is_named_and_can_be_referred_to(stand_up: StandUp) -> None:
    import boto3

    topology = stand_up(ORDERS)
    assert topology.inert == ("Alarm (AWS::CloudWatch::Alarm)",)
    name = next(name for name, logical in topology.logical_ids.items() if logical == "Reader")
    value = boto3.client("ssm", "us-east-1").get_parameter(Name=name)["Parameter"]["Value"]
    assert value.startswith("arn:aws:cloudwatch:us-east-1:123456789012:invented-")


def test_an_alias_is_the_functions_mapping(stand_up: StandUp) -> None:
    text = ORDERS.replace("MemorySize: 256", "AutoPublishAlias: live")
    topology = stand_up(text)
    # moto tells the version that the alias stands for
    assert {mapping.qualifier for mapping in topology.mappings} == {"1"}
    assert {mapping.function_arn for mapping in topology.mappings} == {topology.functions[0].arn}


def test_a_fifo_queue(stand_up: StandUp) -> None:
    text = """
    Resources:
      Q: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true, ContentBasedDeduplication: true}}
      Plain: {Type: AWS::SQS::Queue, Properties: {FifoQueue: false}}
    """
    fifo, plain = stand_up(text).queues
    assert fifo.fifo
    assert fifo.content_based_deduplication
    assert fifo.name.endswith(".fifo")
    assert not plain.fifo


def test_a_queue_policy_is_set(stand_up: StandUp) -> None:
    text = """
    Resources:
      Q: {Type: AWS::SQS::Queue}
      P:
        Type: AWS::SQS::QueuePolicy
        Properties:
          Queues: [!Ref Q]
          PolicyDocument:
            Version: 2012-10-17
            Statement: [{Effect: Allow, Principal: "*", Action: "sqs:SendMessage", Resource: !GetAtt Q.Arn}]
    """
    (queue,) = stand_up(text).queues
    assert json.loads(queue.policy or "")["Statement"][0]["Resource"] == queue.arn


EVERY_OTHER_TYPE = """
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      Path: /app/
      ManagedPolicyArns: ["arn:aws:iam::aws:policy/AWSLambdaExecute"]
      AssumeRolePolicyDocument: {Version: 2012-10-17, Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: "sts:AssumeRole"}]}
  Policy:
    Type: AWS::IAM::Policy
    Properties: {PolicyName: p, Roles: [!Ref Role], PolicyDocument: &document {Statement: [{Effect: Allow, Action: "sqs:*", Resource: "*"}]}}
  Managed: {Type: AWS::IAM::ManagedPolicy, Properties: {PolicyDocument: *document, Roles: [!Ref Role]}}
  Key: {Type: AWS::KMS::Key, Properties: {KeyPolicy: {Version: 2012-10-17, Statement: []}}}
  KeyAlias: {Type: AWS::KMS::Alias, Properties: {AliasName: alias/a, TargetKeyId: !Ref Key}}
  Secret: {Type: AWS::SecretsManager::Secret, Properties: {GenerateSecretString: {SecretStringTemplate: '{"user": "u"}', GenerateStringKey: password}}}
  Log: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: !Sub "/aws/lambda/${Function}"}}
  Queue: {Type: AWS::SQS::Queue}
  Topic: {Type: AWS::SNS::Topic, Properties: {DisplayName: t, Subscription: [{Protocol: sqs, Endpoint: !GetAtt Queue.Arn}]}}
  TopicPolicy: {Type: AWS::SNS::TopicPolicy, Properties: {Topics: [!Ref Topic], PolicyDocument: *document}}
  Subscription:
    Type: AWS::SNS::Subscription
    Properties: {TopicArn: !Ref Topic, Protocol: lambda, Endpoint: !GetAtt Function.Arn, FilterPolicy: {a: [b]}, RedrivePolicy: {deadLetterTargetArn: !GetAtt Queue.Arn}}
  Stream: {Type: AWS::Kinesis::Stream, Properties: {ShardCount: 2, RetentionPeriodHours: 48}}
  OnDemand: {Type: AWS::Kinesis::Stream, Properties: {StreamModeDetails: {StreamMode: ON_DEMAND}}}
  Bus: {Type: AWS::Events::EventBus, Properties: {Name: bus}}
  Rule:
    Type: AWS::Events::Rule
    Properties: {EventBusName: !Ref Bus, EventPattern: {source: [a]}, Targets: [{Id: q, Arn: !GetAtt Queue.Arn, DeadLetterConfig: {Arn: !GetAtt Queue.Arn}}]}
  Schedule: {Type: AWS::Events::Rule, Properties: {ScheduleExpression: rate(5 minutes), Targets: [{Id: f, Arn: !GetAtt Function.Arn}]}}
  Elsewhere: {Type: AWS::Events::Rule, Properties: {EventBusName: !ImportValue other-bus, EventPattern: {source: [a]}}}
  Machine:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      RoleArn: !GetAtt Role.Arn
      DefinitionString: '{"StartAt": "S", "States": {"S": {"Type": "Task", "Resource": "${fn}", "End": true}}}'
      DefinitionSubstitutions: {fn: !GetAtt Function.Arn}
  Layer: {Type: AWS::Lambda::LayerVersion, Properties: {Content: .}}
  Function:
    Type: AWS::Lambda::Function
    Properties: {Handler: a.b, Runtime: python3.12, Role: !GetAtt Role.Arn, Code: ., Layers: [!Ref Layer, "arn:aws:lambda:us-east-1:1:layer:x:1"]}
  Version: {Type: AWS::Lambda::Version, Properties: {FunctionName: !Ref Function}}
  Live: {Type: AWS::Lambda::Alias, Properties: {FunctionName: !Ref Function, FunctionVersion: !GetAtt Version.Version, Name: live}}
  Permission: {Type: AWS::Lambda::Permission, Properties: {FunctionName: !Ref Live, Action: "lambda:InvokeFunction", Principal: sns.amazonaws.com}}
  Invoke: {Type: AWS::Lambda::EventInvokeConfig, Properties: {FunctionName: !Ref Function, Qualifier: $LATEST, MaximumRetryAttempts: 1}}
  FromStream: {Type: AWS::Lambda::EventSourceMapping, Properties: {FunctionName: !GetAtt Function.Arn, EventSourceArn: !GetAtt Stream.Arn, StartingPosition: LATEST}}
  FromElsewhere: {Type: AWS::Lambda::EventSourceMapping, Properties: {FunctionName: !Ref Function, EventSourceArn: !ImportValue other-QueueArn}}
  Global:
    Type: AWS::DynamoDB::GlobalTable
    Properties:
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}, {AttributeName: gk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
      GlobalSecondaryIndexes: [{IndexName: index, KeySchema: [{AttributeName: gk, KeyType: HASH}], Projection: {ProjectionType: ALL}}]
      Replicas: [{Region: us-east-1}]
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      VersioningConfiguration: {Status: Enabled}
      NotificationConfiguration:
        QueueConfigurations: [{Event: "s3:ObjectCreated:*", Queue: !GetAtt Queue.Arn, Filter: {S3Key: {Rules: [{Name: suffix, Value: .json}]}}}]
  BucketPolicy: {Type: AWS::S3::BucketPolicy, Properties: {Bucket: !Ref Bucket, PolicyDocument: *document}}
"""


def test_every_other_type_stands(stand_up: StandUp) -> None:
    import boto3

    topology = stand_up(EVERY_OTHER_TYPE)
    assert topology.inert == ()
    names = set(topology.logical_ids.values())
    assert {"Role", "Key", "Topic", "Stream", "Bus", "Machine", "Layer", "Live", "Global"} <= names
    (function,) = topology.functions
    assert len(function.layer_arns) == 1  # the other account's layer isn't there to attach
    assert [topology.logical_ids[one.source_arn] for one in topology.mappings] == ["Stream"]

    def client(service: str) -> Any:
        return boto3.client(service, "us-east-1")

    bucket = topology.buckets[0].name
    notification = client("s3").get_bucket_notification_configuration(Bucket=bucket)
    (entry,) = notification["QueueConfigurations"]
    assert topology.logical_ids[entry["QueueArn"]] == "Queue"
    assert entry["Filter"]["Key"]["FilterRules"][0]["Value"] == ".json"
    machines = client("stepfunctions").list_state_machines()["stateMachines"]
    arn = machines[0]["stateMachineArn"]
    definition = client("stepfunctions").describe_state_machine(stateMachineArn=arn)["definition"]
    assert json.loads(definition)["States"]["S"]["Resource"] == function.arn
    (target,) = client("events").list_targets_by_rule(Rule=_rule(client), EventBusName="bus")[
        "Targets"
    ]
    assert topology.logical_ids[target["DeadLetterConfig"]["Arn"]] == "Queue"
    subscriptions = client("sns").list_subscriptions()["Subscriptions"]
    assert {one["Protocol"] for one in subscriptions} == {"sqs", "lambda"}


def _rule(client: Callable[[str], Any]) -> str:
    name: str = client("events").list_rules(EventBusName="bus")["Rules"][0]["Name"]
    return name


def test_nothing_is_in_a_queue_after_deployment(stand_up: StandUp) -> None:
    import boto3

    topology = stand_up(EVERY_OTHER_TYPE)
    for queue in topology.queues:
        answer = boto3.client("sqs", "us-east-1").get_queue_attributes(
            QueueUrl=queue.url, AttributeNames=["ApproximateNumberOfMessages"]
        )
        assert answer["Attributes"]["ApproximateNumberOfMessages"] == "0"


NOTIFIED_BY_CDK = """
Resources:
  Passes: {{Type: AWS::SQS::Queue}}
  Inbox: {{Type: AWS::S3::Bucket}}
  Notifications:
    Type: Custom::S3BucketNotifications
    Properties:
      ServiceToken: !ImportValue the-cdk-function
      BucketName: {bucket}
      Managed: true
      NotificationConfiguration:
        QueueConfigurations:
          - Events: ["s3:ObjectCreated:*"]
            Filter: {{Key: {{FilterRules: [{{Name: prefix, Value: in/}}]}}}}
            QueueArn: !GetAtt Passes.Arn
"""


def test_the_cdk_notifies_by_a_custom_resource(stand_up: StandUp) -> None:
    topology = stand_up(NOTIFIED_BY_CDK.format(bucket="!Ref Inbox"))
    (bucket,) = topology.buckets
    (notified,) = [edge for edge in topology.edges if edge.source == bucket.arn]
    assert topology.logical_ids[notified.target] == "Passes"
    assert topology.inert == ()


def test_anothers_bucket_is_not_here_to_be_told(stand_up: StandUp) -> None:
    topology = stand_up(NOTIFIED_BY_CDK.format(bucket="!ImportValue their-bucket"))
    assert topology.edges == ()


def test_a_name_that_was_invented_makes_nobody_anothers(stand_up: StandUp) -> None:
    """`storagefirst survey` makes up what a parameter lacks, often the name of a resource."""
    text = """
    Resources:
      Q: {Type: AWS::SQS::Queue, Properties: {QueueName: invented-queuename}}
      T: {Type: AWS::SNS::Topic, Properties: {TopicName: invented-topicname}}
      Theirs:
        Type: AWS::Lambda::EventSourceMapping
        Properties: {EventSourceArn: !ImportValue TheirQueueArn, FunctionName: !Ref F}
      Ours:
        Type: AWS::Lambda::EventSourceMapping
        Properties: {EventSourceArn: !GetAtt Q.Arn, FunctionName: !Ref F}
      S:
        Type: AWS::SNS::Subscription
        Properties: {TopicArn: !Ref T, Protocol: sqs, Endpoint: !GetAtt Q.Arn}
      F:
        Type: AWS::Lambda::Function
        Properties:
          {Role: "arn:aws:iam::123456789012:role/r", Handler: a.b, Runtime: python3.13, Code: {ZipFile: ""}}
    """
    topology = stand_up(text)

    assert [mapping.logical_id for mapping in topology.mappings] == ["Ours"]
    assert any(edge.target.endswith(":invented-queuename") for edge in topology.edges)


def test_a_dead_letter_queue_of_another_stack_is_stood_in_for(stand_up: StandUp) -> None:
    text = """
    Resources:
      Q:
        Type: AWS::SQS::Queue
        Properties: {RedrivePolicy: {deadLetterTargetArn: !ImportValue other, maxReceiveCount: 2}}
    """
    arn = "arn:aws:sqs:us-east-1:123456789012:their-dead-letters"
    (queue,) = stand_up(text, imports={"other": arn}).queues
    assert queue.dead_letter_arn == arn


@pytest.mark.parametrize(
    ("resource", "problem"),
    [
        ("{Type: AWS::SQS::Queue, Properties: {QueueName: 'a b'}}", "InvalidParameterValue"),
        ("{Type: AWS::Lambda::Function, Properties: {Role: r, Code: .}}", "property Handler"),
        ("{Type: AWS::DynamoDB::Table, Properties: {TableName: t}}", "property KeySchema"),
        ("{Type: AWS::SNS::Subscription, Properties: {Protocol: sqs}}", "property TopicArn"),
        ("{Type: AWS::SQS::Queue, Properties: {QueueName: [a]}}", "AWS refuses AWS::SQS::Queue"),
        (
            "{Type: AWS::Kinesis::Stream, Properties: {ShardCount: many}}",
            "property ShardCount",
        ),
        ("{Type: AWS::S3::Bucket, Properties: {NotificationConfiguration: {QueueConfigurations: [5]}}}",
            "can't be stood up"),
    ],
)  # fmt: skip
def test_a_resource_that_aws_refuses_is_named(
    stand_up: StandUp, resource: str, problem: str
) -> None:
    with pytest.raises(TemplateError) as caught:
        stand_up(f"Resources:\n  Culprit: {resource}\n")
    assert problem in str(caught.value)
    assert "template.yaml:2 (Culprit)" in caught.value.where


def test_moto_itself_is_left_as_it_was(stand_up: StandUp) -> None:
    from moto.cloudformation import parsing
    from moto.s3 import notifications
    from moto.sqs.models import Queue

    before = (parsing.resource_class_from_type, notifications.send_test_event)
    stand_up(ORDERS)
    assert (parsing.resource_class_from_type, notifications.send_test_event) == before
    assert parsing.resource_class_from_type("AWS::SQS::Queue") is Queue


def test_the_same_template_gets_the_same_names_and_ids(tmp_path: Path) -> None:
    path = tmp_path / "template.yaml"
    path.write_text(ORDERS)
    program = (
        "import sys; from pathlib import Path; from moto import mock_aws\n"
        "from pytest_storagefirst.stack.template import load_template\n"
        "from pytest_storagefirst.stack.deploy import deploy\n"
        "with mock_aws(): print(deploy(load_template(Path(sys.argv[1]))))"
    )
    told = []
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        run = subprocess.run(
            [sys.executable, "-c", program, str(path)],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
        # a stream's ARN holds the time at which the table was made
        told.append([part for part in run.stdout.split("'") if "/stream/" not in part])
    assert told[0] == told[1]


def test_without_moto_nothing_is_called(load: Callable[..., Any]) -> None:
    from pytest_storagefirst.stack.deploy import deploy

    with pytest.raises(RuntimeError, match="in moto only"):
        deploy(load("Resources:\n  Q: {Type: AWS::SQS::Queue}\n"))


def test_a_mapping_from_a_source_that_plays_no_part(stand_up: StandUp) -> None:
    topology = stand_up(f"""
Resources:
  Topics: {{Type: AWS::MSK::Cluster}}
  Worker:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      Role: {ROLE}
      Code: {{ZipFile: "def handler(event, context): pass"}}
  M:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {{EventSourceArn: !GetAtt Topics.Arn, FunctionName: !Ref Worker, Topics: [t]}}
""")
    assert topology.mappings == ()
    assert [function.logical_id for function in topology.functions] == ["Worker"]


def test_what_a_nested_stack_would_make_is_no_refusal_of_awss(stand_up: StandUp) -> None:
    with pytest.raises(TemplateError) as raised:
        stand_up(
            """
Resources:
  Sub: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: dlq.yaml}}
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Sub.Outputs.Arn, maxReceiveCount: 3}
"""
        )

    assert "needs a value that does not stand in this template" in raised.value.line
    assert "what a nested stack makes (it is not read)" in raised.value.line
    assert "AWS refuses" not in raised.value.line
