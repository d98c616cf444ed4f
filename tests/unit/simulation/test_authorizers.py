"""A front door's Lambda authorizer: asked with the headers that the entry gives, and heard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.explore.standing import Standing
from pytest_storagefirst.settings import Entry, Settings
from pytest_storagefirst.simulation.playing import play
from pytest_storagefirst.simulation.schedule import Schedule, Send

BODY = {"id": "{unique}"}
STACK = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement:
          - Effect: Allow
            Principal: {Service: apigateway.amazonaws.com}
            Action: "sts:AssumeRole"
      ManagedPolicyArns: [arn:aws:iam::aws:policy/AdministratorAccess]
  Guard:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      InlineCode: "def handler(event, context): pass"
  Invokes:
    Type: AWS::Lambda::Permission
    Properties:
      FunctionName: !Ref Guard
      Principal: apigateway.amazonaws.com
      Action: lambda:InvokeFunction
"""
REST = """
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: live
      DefinitionBody:
        swagger: "2.0"
        info: {title: t, version: "1"}
        securityDefinitions:
          guard:
            type: apiKey
            name: Authorization
            in: header
            x-amazon-apigateway-authtype: custom
            x-amazon-apigateway-authorizer:
              type: token
              authorizerUri: !Sub "%(functions)s/${Guard.Arn}/invocations"
        paths:
          /orders:
            post:
              security: [{guard: []}]
              responses: {"200": {description: ok}}
              x-amazon-apigateway-integration:
                type: aws
                httpMethod: POST
                credentials: !GetAtt Role.Arn
                uri: !Sub "%(queues)s/${AWS::AccountId}/${Queue.QueueName}"
                requestParameters:
                  integration.request.header.Content-Type: "'application/x-www-form-urlencoded'"
                requestTemplates:
                  application/json: "Action=SendMessage&MessageBody=$util.urlEncode($input.body)\
$util.urlEncode($context.authorizer.who)"
                responses: {default: {statusCode: "200"}}
"""
HTTP = """
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      DefinitionBody:
        openapi: 3.0.1
        info: {title: t, version: "1"}
        components:
          securitySchemes:
            guard:
              type: apiKey
              name: Authorization
              in: header
              x-amazon-apigateway-authorizer:
                type: request
                identitySource: $request.header.Authorization
                authorizerPayloadFormatVersion: "2.0"
                enableSimpleResponses: true
                authorizerUri: !Sub "%(functions)s/${Guard.Arn}/invocations"
        paths:
          /orders:
            post:
              security: [{guard: []}]
              x-amazon-apigateway-integration:
                type: aws_proxy
                integrationSubtype: SQS-SendMessage
                credentials: !GetAtt Role.Arn
                payloadFormatVersion: "1.0"
                requestParameters: {QueueUrl: !Ref Queue, MessageBody: $request.body}
"""


def token_guard(event: dict[str, Any], context: Any) -> Any:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html"""
    assert event["type"] == "TOKEN"
    token = event["authorizationToken"]
    if token == "nobody":
        raise ValueError("Unauthorized")
    if token == "broken":
        raise ValueError("no database")
    effect = "Allow" if token == "friend" else "Deny"
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    return {"principalId": token, "policyDocument": document, "context": {"who": f"for {token}"}}


def simple_guard(event: dict[str, Any], context: Any) -> Any:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html"""
    assert event["routeKey"] == "POST /orders"
    return {"isAuthorized": event["identitySource"] == ["friend"]}


def told(folder: Path, api: str, guard: Any, **headers: str) -> tuple[list[str], list[Any]]:
    template = folder / "template.yaml"
    services = "arn:aws:apigateway:${AWS::Region}"
    uris = {
        "functions": f"{services}:lambda:path/2015-03-31/functions",
        "queues": f"{services}:sqs:path",
    }
    template.write_text(STACK + api % uris, encoding="utf-8")
    entry = Entry("route", "POST /orders", BODY, headers=headers)
    deployed = prepare(template, Settings(entries=(entry,)), {"Guard": guard}).deployed
    played = play(deployed, Schedule((Send("m1", "POST /orders", BODY),)))
    answers = [
        f"{event.kind} {event.detail}"
        for event in played.observation.history
        if event.kind in ("acknowledged", "rejected", "indeterminate")
    ]
    return answers, [effect.value for effect in played.observation.effects]


@pytest.mark.parametrize(
    ("token", "answer"),
    [
        ("friend", "acknowledged 200"),
        ("foe", "rejected 403"),
        ("nobody", "rejected 401"),
        ("broken", "indeterminate 500"),
    ],
)
def test_a_token_authorizer_of_a_rest_api(tmp_path, token, answer):
    answers, left = told(tmp_path, REST, token_guard, Authorization=token)

    assert answers == [answer]
    assert len(left) == (token == "friend")


def test_its_context_comes_into_the_mapping_template(tmp_path):
    _, [message] = told(tmp_path, REST, token_guard, Authorization="friend")

    assert message.endswith("for friend")


@pytest.mark.parametrize(
    ("token", "answer"), [("friend", "acknowledged 200"), ("foe", "rejected 403")]
)
def test_a_simple_response_of_an_http_api(tmp_path, token, answer):
    answers, _ = told(tmp_path, HTTP, simple_guard, Authorization=token)

    assert answers == [answer]


def test_without_the_header_it_is_not_asked_and_the_report_says_so(tmp_path):
    def guard(event: Any, context: Any) -> Any:
        raise AssertionError("asked")

    answers, _ = told(tmp_path, REST, guard)

    assert answers == ["acknowledged 200"]
    settings = Settings(entries=(Entry("route", "POST /orders", BODY),))
    from pytest_storagefirst.explore.bodies import notes_on

    standing = Standing(lambda: prepare(tmp_path / "template.yaml", settings))
    entries = standing.judge.deployed.entries
    [note, *_] = notes_on(standing.judge, standing.prepared.deployed.entries, entries)
    assert "its authorizer guard was not asked" in note
    assert "Authorization" in note
