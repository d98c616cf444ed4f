"""AppConfig's data API and its Lambda extension, read by handlers as they are in AWS."""

from __future__ import annotations

from textwrap import dedent, indent

import pytest

from pytest_storagefirst.explore.stack import open_stack
from pytest_storagefirst.settings import Settings

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Application:
    Type: AWS::AppConfig::Application
    Properties: {Name: shop}
  Environment:
    Type: AWS::AppConfig::Environment
    Properties: {Name: live, ApplicationId: !Ref Application}
  Profile:
    Type: AWS::AppConfig::ConfigurationProfile
    Properties: {Name: switches, ApplicationId: !Ref Application, LocationUri: hosted, Type: TYPE}
  Version:
    Type: AWS::AppConfig::HostedConfigurationVersion
    Properties:
      ApplicationId: !Ref Application
      ConfigurationProfileId: !Ref Profile
      ContentType: application/json
      Content: 'CONTENT'
  Strategy:
    Type: AWS::AppConfig::DeploymentStrategy
    Properties:
      {Name: all, DeploymentDurationInMinutes: 0, GrowthFactor: 100, ReplicateTo: NONE}
  Deployment:
    Type: AWS::AppConfig::Deployment
    Properties:
      ApplicationId: !Ref Application
      EnvironmentId: !Ref Environment
      ConfigurationProfileId: !Ref Profile
      ConfigurationVersion: !Ref Version
      DeploymentStrategyId: !Ref Strategy
  Queue: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: 180}}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      Timeout: 30
      Environment: {Variables: {TABLE: !Ref Table}}
      Policies:
        - DynamoDBCrudPolicy: {TableName: !Ref Table}
        - Version: "2012-10-17"
          Statement:
            - Effect: Allow
              Action: ["appconfig:StartConfigurationSession", ALSO]
              Resource: !Sub "arn:aws:appconfig:${AWS::Region}:${AWS::AccountId}:application/\\
                ${Application}/environment/${Environment}/configuration/${Profile}"
      Events:
        Queue: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn}}
      InlineCode: |
CODE
"""
FREEFORM = ("AWS.Freeform", '{"fast": {"default": true}}')
FLAGS = (
    "AWS.AppConfig.FeatureFlags",
    '{"version": "1", "flags": {"fast": {"name": "fast"}, "old": {"name": "old"}}, '
    '"values": {"fast": {"enabled": true, "limit": 5}, "old": {"enabled": false, "limit": 7}}}',
)
ALL_READS = '"appconfig:GetLatestConfiguration"'

POWERTOOLS = """
import json, os, boto3
from aws_lambda_powertools.utilities.feature_flags import AppConfigStore, FeatureFlags
flags = FeatureFlags(AppConfigStore(environment="live", application="shop", name="switches"))
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])
def handler(event, context):
    for record in event["Records"]:
        fast = flags.evaluate(name="fast", default=False)
        table.put_item(Item={"id": json.loads(record["body"])["id"], "fast": fast})
"""
DATA_API = """
import json, os, boto3
client = boto3.client("appconfigdata")
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])
def handler(event, context):
    token = client.start_configuration_session(ApplicationIdentifier="shop",
        EnvironmentIdentifier="live", ConfigurationProfileIdentifier="switches",
        RequiredMinimumPollIntervalInSeconds=15)["InitialConfigurationToken"]
    first = client.get_latest_configuration(ConfigurationToken=token)
    token = first["NextPollConfigurationToken"]
    try:
        client.get_latest_configuration(ConfigurationToken=token)
    except client.exceptions.BadRequestException as error:
        early = error.response["Details"]["InvalidParameters"]["ConfigurationToken"]["Problem"]
    import time
    time.sleep(first["NextPollIntervalInSeconds"])
    again = client.get_latest_configuration(ConfigurationToken=token)["Configuration"].read()
    try:
        client.get_latest_configuration(ConfigurationToken="nothing")
    except client.exceptions.BadRequestException as error:
        wrong = error.response["Details"]["InvalidParameters"]["ConfigurationToken"]["Problem"]
    for record in event["Records"]:
        table.put_item(Item={"id": json.loads(record["body"])["id"], "again": len(again),
            "said": first["Configuration"].read().decode(), "early": early, "wrong": wrong,
            "type": first["ContentType"]})
"""
EXTENSION = """
import json, os, urllib.request, boto3
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])
URL = "http://localhost:2772/applications/shop/environments/live/configurations/switches"
def handler(event, context):
    said = urllib.request.urlopen(URL).read().decode()
    one = json.loads(urllib.request.urlopen(URL + "?flag=fast").read())
    for record in event["Records"]:
        table.put_item(Item={"id": json.loads(record["body"])["id"], "said": said,
            "fast": one["enabled"]})
"""


@pytest.fixture
def stack(tmp_path):
    def opened(code, content=FREEFORM, also=ALL_READS):
        text = TEMPLATE.replace("TYPE", content[0]).replace("CONTENT", content[1])
        text = text.replace("CODE", indent(dedent(code), " " * 8)).replace("ALSO", also)
        (tmp_path / "template.yaml").write_text(text, encoding="utf-8")
        return open_stack(tmp_path / "template.yaml", Settings())

    return opened


def test_feature_flags_of_powertools_are_read_by_its_own_code(stack):
    with stack(POWERTOOLS) as opened:
        opened.send("Queue", {"id": "{unique}"})
        opened.run()
        [item] = opened.table("Table").items
        assert item["fast"] is True
        assert [effect.place for effect in opened.effects()] == ["Table"]
        opened.verify("no-message-loss")


def test_a_session_has_tokens_and_an_interval_and_says_nothing_twice(stack):
    """botocore's model: InvalidParameterProblem; API_appconfigdata_GetLatestConfiguration."""
    with stack(DATA_API) as opened:
        opened.send("Queue", {"id": "{unique}"})
        opened.run()
        [item] = opened.table("Table").items
        del item["id"]
        assert item == {
            "said": FREEFORM[1],
            "type": "application/json",
            "early": "PollIntervalNotSatisfied",
            "wrong": "Corrupted",
            "again": 0,
        }


def test_the_extension_serves_the_values_of_feature_flags(stack):
    """appconfig-integration-lambda-extensions: a flag's attributes are told while it is on."""
    with stack(EXTENSION, FLAGS) as opened:
        opened.send("Queue", {"id": "{unique}"})
        opened.run()
        [item] = opened.table("Table").items
        assert item["said"] == '{"fast": {"enabled": true, "limit": 5}, "old": {"enabled": false}}'
        assert item["fast"] is True


@pytest.mark.parametrize("code", [POWERTOOLS, EXTENSION])
def test_a_role_that_may_not_read_is_refused(stack, code):
    with stack(code, FLAGS, '"appconfig:GetEnvironment"') as opened:
        opened.send("Queue", {"id": "{unique}"})
        opened.run()
        assert not opened.table("Table").items
        denied = [event.detail for event in opened.history if event.kind == "denied"]
        assert any("allows no appconfig:GetLatestConfiguration on Profile" in one for one in denied)


@pytest.mark.parametrize("fault", ["refused", "response-lost", "slow", "crash-before"])
def test_faults_strike_a_read_as_any_call(stack, fault):
    with stack(POWERTOOLS) as opened:
        opened.inject(f"Worker: appconfigdata.GetLatestConfiguration #1: {fault}")
        opened.send("Queue", {"id": "{unique}"})
        opened.run()
        assert "faulted" in {event.kind for event in opened.history}
        opened.verify("no-message-loss")
