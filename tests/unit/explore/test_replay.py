"""A failing schedule tells the same story again, and says when it no longer fails."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_storagefirst.errors import EntryError, ReplayError
from pytest_storagefirst.explore.exploration import explore
from pytest_storagefirst.explore.replay import replay
from pytest_storagefirst.settings import Settings

SETTINGS = Settings(budget_seconds=0)

# What a REST API stores when its template forgets to encode the form that it sends to SQS.
UNENCODED = """
Resources:
  Orders: {Type: AWS::SQS::Queue}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
  Api: {Type: AWS::ApiGateway::RestApi, Properties: {Name: api}}
  Resource:
    Type: AWS::ApiGateway::Resource
    Properties: {RestApiId: !Ref Api, ParentId: !GetAtt Api.RootResourceId, PathPart: orders}
  Method:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !Ref Resource
      HttpMethod: POST
      AuthorizationType: NONE
      MethodResponses: [{StatusCode: "200"}]
      Integration:
        Type: AWS
        IntegrationHttpMethod: POST
        Uri: !Sub "arn:aws:apigateway:${AWS::Region}:sqs:path/${AWS::AccountId}/${Orders.QueueName}"
        RequestParameters:
          integration.request.header.Content-Type: "'application/x-www-form-urlencoded'"
        RequestTemplates:
          application/json: "Action=SendMessage&MessageBody=BODY"
        IntegrationResponses: [{StatusCode: "200"}]
  Worker:
    Type: AWS::Lambda::Function
    Properties:
      Code: .
      Handler: app.handler
      Role: arn:aws:iam::123456789012:role/worker
      Runtime: python3.12
      Environment: {Variables: {TABLE: !Ref Table}}
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {EventSourceArn: !GetAtt Orders.Arn, FunctionName: !Ref Worker}
"""


def explored(template, name, folder):
    """The property's result, and its replay file."""
    (result,) = explore(template, Settings(budget_seconds=0, properties=(name,))).properties
    file = folder / "witness.json"
    file.write_text(json.dumps(result.witness))
    return result, file


@pytest.fixture
def lost(workshop, monkeypatch):
    """A stack that loses, what exploring it showed, and the replay file."""
    monkeypatch.chdir(workshop.folder)
    template = workshop.write(app=workshop.marks_first)
    return (template, *explored(template, "no-message-loss", workshop.folder))


def test_it_tells_the_same_story_in_this_process_and_in_another(lost):
    _, found, file = lost
    assert found.verdict == "violated"
    assert (len(found.witness["schedule"]["workload"]), len(found.witness["schedule"]["plan"])) == (
        1,
        1,
    )

    here = replay(file, SETTINGS)
    there = subprocess.run(
        [
            *(sys.executable, "-c"),
            "import sys; from pathlib import Path\n"
            "from pytest_storagefirst.explore.replay import replay\n"
            "from pytest_storagefirst.settings import Settings\n"
            "print('\\n'.join(replay(Path(sys.argv[1]), Settings()).story))",
            str(file),
        ],
        capture_output=True,
        text=True,
        check=True,
    )

    assert here.still_fails
    assert here.why == found.why
    assert here.story == found.story == tuple(found.witness["story"])
    assert there.stdout.splitlines() == list(found.story)


def test_it_is_fixed_when_the_code_is(lost, workshop):
    _, _, file = lost
    workshop.write(app=workshop.app)

    found = replay(file, SETTINGS)

    assert (found.verdict, found.property_name) == ("ok", "no-message-loss")
    assert not found.still_fails


def test_it_is_fixed_when_the_sender_is_told_no(tmp_path, monkeypatch):
    """Storage still refuses, and nothing is acknowledged any more: nothing can be lost."""
    pair = Path(__file__).parents[2] / "zoo" / "rest-default-200"
    stack = shutil.copytree(pair / "defective", tmp_path / "stack")
    monkeypatch.chdir(stack)
    found, file = explored(stack / "template.yaml", "no-message-loss", stack)
    assert found.verdict == "violated"
    shutil.copytree(pair / "sound", stack, dirs_exist_ok=True)

    again = replay(file, SETTINGS)

    assert (again.verdict, again.still_fails) == ("ok", False)
    assert "told yes" in again.why


def test_a_front_door_that_tells_everybody_no_is_not_fixed(tmp_path, monkeypatch):
    pair = Path(__file__).parents[2] / "zoo" / "rest-default-200"
    stack = shutil.copytree(pair / "defective", tmp_path / "stack")
    monkeypatch.chdir(stack)
    _, file = explored(stack / "template.yaml", "no-message-loss", stack)
    template = (pair / "sound" / "template.yaml").read_text(encoding="utf-8")
    refusing = template.replace('statusCode: "200"', 'statusCode: "503"')
    assert refusing != template
    (stack / "template.yaml").write_text(refusing, encoding="utf-8")

    with pytest.raises(EntryError, match="refuses this message even without faults"):
        replay(file, SETTINGS)


def test_a_redrive_is_fixed_when_nothing_has_to_be_redriven(tmp_path, monkeypatch):
    """The function may do its work now, so that nothing is set aside."""
    pair = Path(__file__).parents[2] / "zoo" / "function-role-lacks-write"
    stack = shutil.copytree(pair / "defective", tmp_path / "stack")
    monkeypatch.chdir(stack)
    found, file = explored(stack / "template.yaml", "redrive-completes", stack)
    assert found.verdict == "violated"
    assert replay(file, SETTINGS).still_fails
    shutil.copytree(pair / "sound", stack, dirs_exist_ok=True)

    again = replay(file, SETTINGS)

    assert (again.verdict, "nothing to redrive" in again.why) == ("ok", True)


def test_a_fault_that_strikes_no_more_shows_nothing(lost, workshop):
    _, _, file = lost
    document = json.loads(file.read_text())
    document["schedule"]["plan"] = ["Worker: sns.Publish #1: refused"]
    file.write_text(json.dumps(document))

    found = replay(file, SETTINGS)

    assert found.verdict == "unknown"
    assert found.why == (
        "the fault “Worker: sns.Publish #1: refused” does not strike any more: "
        "run the whole test again"
    )


def test_an_entry_that_is_gone(lost):
    _, _, file = lost
    document = json.loads(file.read_text())
    document["schedule"]["workload"][0]["entry"] = "POST /orders"
    file.write_text(json.dumps(document))

    with pytest.raises(ReplayError, match="an entry that the stack no longer has") as raised:
        replay(file, SETTINGS)
    assert raised.value.expected == "Orders"


def test_a_template_that_is_gone(lost):
    template, _, file = lost
    template.unlink()

    with pytest.raises(ReplayError, match="the template of the replay file is not here"):
        replay(file, SETTINGS)


def test_a_property_that_the_schedule_no_longer_shows_is_unknown(lost):
    _, _, file = lost
    document = json.loads(file.read_text())
    document["property"] = "order-preserved"
    document["schedule"]["plan"] = []
    file.write_text(json.dumps(document))

    found = replay(file, SETTINGS)

    assert found.verdict == "unknown"
    assert "nothing in this run has an order to keep" in found.why


def test_what_was_changed_on_its_way_is_found_again_until_it_is_mended(workshop, monkeypatch):
    monkeypatch.chdir(workshop.folder)
    unencoded = UNENCODED.replace("BODY", "$input.body")
    app = workshop.app.replace("except Exception:", "except ZeroDivisionError:")
    template = workshop.write(app=app, template=unencoded)
    found, file = explored(template, "no-message-loss", workshop.folder)
    assert found.verdict == "violated"
    assert "m1 was acknowledged and what was stored of note is not what was sent" in found.why

    again = replay(file, SETTINGS)
    assert (again.verdict, again.why, again.story) == ("violated", found.why, found.story)

    workshop.write(app=app, template=UNENCODED.replace("BODY", "$util.urlEncode($input.body)"))
    assert replay(file, SETTINGS).verdict == "ok"


# A REST API that writes a field as it came into JSON: DynamoDB refuses some texts.
UNESCAPED = """
Resources:
  Notes:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: Notes
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
  Api: {Type: AWS::ApiGateway::RestApi, Properties: {Name: api}}
  Resource:
    Type: AWS::ApiGateway::Resource
    Properties: {RestApiId: !Ref Api, ParentId: !GetAtt Api.RootResourceId, PathPart: notes}
  Method:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !Ref Resource
      HttpMethod: POST
      AuthorizationType: NONE
      MethodResponses: [{StatusCode: "200"}, {StatusCode: "400"}]
      Integration:
        Type: AWS
        IntegrationHttpMethod: POST
        Uri: !Sub "arn:aws:apigateway:${AWS::Region}:dynamodb:action/PutItem"
        RequestTemplates:
          application/json: >
            {"TableName": "Notes", "Item": {"id": {"S": "$context.requestId"},
            "note": {"S": "$input.path('$.note')"}}}
        IntegrationResponses:
          - StatusCode: "200"
"""
TELLS_NO = '          - {StatusCode: "400", SelectionPattern: "4[0-9]{2}"}\n'


def test_what_would_be_changed_is_fixed_when_the_sender_is_told_no(tmp_path, monkeypatch):
    """Nothing acknowledged is changed where what can't be stored is refused."""
    monkeypatch.chdir(tmp_path)
    template = tmp_path / "template.yaml"
    template.write_text(UNESCAPED, encoding="utf-8")
    found, file = explored(template, "no-message-loss", tmp_path)
    assert found.verdict == "violated"
    assert found.witness["kept"]
    template.write_text(UNESCAPED + TELLS_NO, encoding="utf-8")

    again = replay(file, SETTINGS)

    assert (again.verdict, again.still_fails) == ("ok", False)
    assert "nothing acknowledged can be changed" in again.why
