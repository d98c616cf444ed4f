"""A way in by which nothing is sent is named, with why."""

from __future__ import annotations

import shutil

import pytest

from pytest_storagefirst.explore.exploration import explore
from pytest_storagefirst.settings import Entry, Settings
from pytest_storagefirst.stack.locating import BLUEPRINTS

WORKER = """
  {name}:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      InlineCode: |
        import boto3
        def handler(event, context):
            for record in event["Records"]:
                boto3.client("sqs").send_message(QueueUrl="{next}", MessageBody=record["body"])
      Policies: [AdministratorAccess]
      Events:
        Read: {{Type: SQS, Properties: {{Queue: !GetAtt {queue}.Arn}}}}
"""
URL = "https://sqs.us-east-1.amazonaws.com/123456789012/"
TWO_QUEUES = (
    "Transform: AWS::Serverless-2016-10-31\nResources:\n"
    "  Orders: {Type: AWS::SQS::Queue}\n"
    "  Paid: {Type: AWS::SQS::Queue, Properties: {QueueName: paid}}\n"
    "  Done: {Type: AWS::SQS::Queue, Properties: {QueueName: done}}\n"
)
API = """
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: prod
      DefinitionBody:
        openapi: "3.0.1"
        paths:
          /by-function:
            post: &function
              x-amazon-apigateway-integration:
                type: aws_proxy
                httpMethod: POST
                uri: !Sub
                  - "arn:aws:apigateway:${AWS::Region}:lambda:path/${Of}/${Take.Arn}/invocations"
                  - {Of: 2015-03-31/functions}
            get: *function
          /echo:
            post:
              x-amazon-apigateway-integration: {type: mock}
"""


def notes(tmp_path, text, *entries):
    template = tmp_path / "template.yaml"
    template.write_text(text, encoding="utf-8")
    return explore(template, Settings(entries=entries, budget_seconds=0)).notes


def worker(name, queue, following):
    return WORKER.format(name=name, queue=queue, next=URL + following)


def undriven(found):
    return [note for note in found if "no message starts there" in note]


def test_a_queue_that_the_settings_leave_out(tmp_path):
    text = TWO_QUEUES + worker("Take", "Orders", "done") + worker("Pay", "Paid", "done")

    found = notes(tmp_path, text, Entry("queue", "Orders", {"id": "{unique}"}))

    assert undriven(found) == [
        "Paid: storagefirst.toml names other entries, so no message starts there; to send to it, "
        'write [[entry]] and below it queue = "Paid"'
    ]


@pytest.mark.parametrize(
    "entries",
    [
        (),
        (Entry("queue", "Orders", {"id": "{unique}"}),),
        (Entry("queue", "paid", {"id": "{unique}"}), Entry("queue", "Orders", {"id": "{unique}"})),
    ],
)
def test_one_that_a_handler_writes_to_is_seen(tmp_path, entries):
    text = TWO_QUEUES + worker("Take", "Orders", "paid") + worker("Pay", "Paid", "done")

    assert undriven(notes(tmp_path, text, *entries)) == []


def test_routes_that_store_nothing_themselves(tmp_path):
    found = notes(tmp_path, TWO_QUEUES + worker("Take", "Orders", "done") + API)

    assert undriven(found) == [
        "POST /by-function: runs Take before anything is stored, so no message starts there",
        "POST /echo: stores nothing, so no message starts there",
    ]


def test_what_refuses_every_body_has_a_note_of_its_own(tmp_path):
    refusing = worker("Pay", "Paid", "done").replace('for record in event["Records"]', "if 1/0")
    text = TWO_QUEUES + worker("Take", "Orders", "done") + refusing

    found = notes(tmp_path, text)

    assert [note for note in found if note.startswith("Paid: refuses every body")]
    assert undriven(found) == []


def test_a_route_is_known_however_it_is_written(tmp_path):
    template = BLUEPRINTS / "api-queue-table" / "template.yaml"
    text = template.read_text(encoding="utf-8")
    shutil.copytree(template.parent, tmp_path, dirs_exist_ok=True)

    found = notes(tmp_path, text, Entry("route", "ANY /messages/", {"id": "{unique}"}))

    assert undriven(found) == []


def test_what_is_not_simulated_and_what_is_nested_is_told(tmp_path):
    text = TWO_QUEUES + WORKER.format(name="Pay", queue="Orders", next=f"{URL}done")
    text += "  Hose: {Type: AWS::KinesisFirehose::DeliveryStream}\n"
    text += "  Sub: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: gone.yaml}}\n"
    found = notes(tmp_path, text)

    assert (
        "Hose (AWS::KinesisFirehose::DeliveryStream): not simulated: no verdict is about that"
    ) in found
    assert (
        "Sub (AWS::CloudFormation::Stack): nested and not read, so give its own template: no "
        "verdict is about that"
    ) in found
