"""A body for an entry: the user's, or one found by asking the handler; else what to write."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from pytest_storagefirst.errors import EntryError, HandlerError
from pytest_storagefirst.explore.bodies import describe_entries, notes_on, said
from pytest_storagefirst.explore.first_guess import first_guess
from pytest_storagefirst.explore.judge import Judge
from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.explore.telling_apart import all_alike, refuse_alike
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.simulation.deployed import Entry
from pytest_storagefirst.simulation.schedule import UNIQUE
from pytest_storagefirst.stack.topology import Integration, Route

QUEUE = '[[entry]]\nqueue = "Orders"\n'


def body_for(workshop, work, **files):
    judge = workshop.judge(workshop.working(work, **files))
    return judge.deployed.entries[0].body


def refusal(workshop, template, kind=EntryError):
    with pytest.raises(kind) as raised:
        workshop.judge(template)
    return raised.value


def test_the_handler_is_asked_although_it_catches_what_it_asks(workshop):
    work = (
        'if not body.get("name"): raise ValueError("name")\n'
        'body["amount"] + 1\nint(body["size"])\nbody["customer"]["email"]'
    )

    assert body_for(workshop, work) == {
        "id": "{unique}",
        "name": "text",
        "amount": 12,
        "size": 12,
        "customer": {"email": "{unique}@example.com"},
    }


def test_what_a_handler_can_do_without_is_not_sent(workshop):
    assert body_for(workshop, 'body.get("colour", "red")') == {"id": "{unique}"}


def test_a_handler_that_lets_its_key_errors_through(workshop):
    app = workshop.app.replace("except Exception:", "except ZeroDivisionError:")
    template = workshop.write(app.replace('body["id"]', 'body["id"], "of": body["orderId"]'))

    assert workshop.judge(template).deployed.entries[0].body == {
        "id": "{unique}",
        "orderId": "{unique}",
    }


def test_a_given_body_is_taken_as_it_is(workshop):
    toml = QUEUE + 'body = { id = "{unique}", more = [1, 2] }\n'

    assert body_for(workshop, "pass", toml=toml) == {"id": "{unique}", "more": [1, 2]}


def test_a_given_body_that_is_refused(workshop):
    template = workshop.write(
        "def handler(event, context):\n    raise ValueError('never')\n",
        toml=QUEUE + 'body = { id = "{unique}" }\n',
    )

    error = refusal(workshop, template)

    assert error.where == "Orders"
    assert "app.py:2 (ValueError: never)" in error.found
    assert '{"id": "{unique}"}' in error.found
    assert 'queue = "Orders"' in error.remedy


def test_no_guess_suits(workshop):
    error = refusal(workshop, workshop.working('raise ValueError("never")'))

    assert error.found == 'Worker failed: reported by the handler; sent {"id": "{unique}"}'


def test_sys_exit_in_the_handler(workshop):
    error = refusal(workshop, workshop.working("import sys\nsys.exit(1)"))

    assert "Worker left with sys.exit()" in error.found


@pytest.mark.parametrize(
    ("app", "line", "found", "remedy"),
    [
        ("import nowhere_at_all.client\n", 1, "No module named 'nowhere_at_all'", "nowhere-at-all"),
        ("import json\nimport jwt.nowhere_1\n", 2, "ModuleNotFoundError", "pip install PyJWT"),
        ("import os\n\nURL = os.environ['URL']\n", 3, "KeyError: 'URL'", "set URL under Environ"),
        ("def handler(event, context)\n    pass\n", 1, "SyntaxError: expected ':'", "mend"),
        ("import json\n\n{}['key']\n", 3, "KeyError: 'key'", "mend that line"),
        ("from json import nothing\n", 1, "ImportError: cannot import name 'nothing'", "mend"),
    ],
)
def test_code_that_cannot_be_imported(workshop, app, line, found, remedy):
    error = refusal(workshop, workshop.write(app), HandlerError)

    assert error.where.endswith(f"app.py:{line} (Worker)")
    assert found in error.found
    assert remedy in error.remedy
    assert error.expected


def test_the_requirements_beside_the_code_are_named(workshop):
    template = workshop.write("import nowhere_at_all\n")
    (template.parent / "requirements.txt").write_text("nowhere\n")

    error = refusal(workshop, template, HandlerError)

    assert error.remedy.endswith("or pip install -r " + str(template.parent / "requirements.txt"))


def test_code_that_exits_while_it_is_imported(workshop):
    error = refusal(workshop, workshop.write("import sys\nsys.exit(3)\n"), HandlerError)

    assert (error.where, error.found) == ("Worker", "sys.exit()")


def test_what_qualifies_the_verdicts_is_noted(workshop):
    judge = workshop.judge(
        workshop.write("def handler(event, context):\n    print(event)\n"), described=False
    )
    given = judge.deployed.entries
    described = describe_entries(judge, given)

    notes = notes_on(judge, given, described)

    assert len(notes) == 2
    assert 'so {"id": "{unique}"} was sent' in notes[0]
    assert "judged by its acknowledgement alone" in notes[1]
    assert judge.deployed.entries == given


@pytest.mark.parametrize(
    ("body", "proposed"),
    [
        ('{ orderId = "1", n = 2 }', '{ orderId = "{unique}", n = 2 }'),
        ("{ n = 2 }", '{ n = 2, id = "{unique}" }'),
        ("5", '{ id = "{unique}" }'),
        ('"text"', '"{unique}"'),
    ],
)
def test_a_body_without_an_id_is_refused(workshop, body, proposed):
    with pytest.raises(EntryError) as raised:
        workshop.judge(workshop.write(toml=QUEUE + f"body = {body}\n"))

    assert "Orders: the body holds no {unique}, so all messages look the same" in str(raised.value)
    assert f"found:    body = {body}" in str(raised.value)
    assert str(raised.value).endswith(f"            body = {proposed}")


def test_an_event_without_an_id_gets_it_in_its_detail():
    with pytest.raises(EntryError) as raised:
        refuse_alike(Entry("Bus", None, "bus"), {"source": "shop", "detail": {"n": 1}})

    proposed = 'body = { source = "shop", detail = { n = 1, id = "{unique}" } }'
    assert str(raised.value).endswith(proposed)


def test_a_body_may_lack_an_id_that_stands_beside_it(workshop):
    store = SimpleNamespace(key_names=("pk",))
    assert not all_alike(Entry("Table", None, "table", store), {"n": 1})
    assert all_alike(Entry("Table", None, "table", store), {"pk": "a"})
    assert not all_alike(Entry("Bucket", None, "bucket"), {"n": 1})
    assert all_alike(Entry("Topic", None, "topic"), {"n": 1})
    for path, template, alike in (
        ("/orders", {}, True),
        ("/orders/{id}", {}, False),
        ("/orders", {"x": "$input.params().header.get('key')"}, False),
    ):
        integration = Integration("AWS", request_templates=template)
        route = Route("Api", "a", "REST", "POST", path, "prod", integration)
        assert all_alike(Entry(route.name, None, "route", route), {"n": 1}) is alike


@pytest.mark.parametrize(
    "through",
    [
        "#foreach($elem in $input.path('$.records'))",
        "#set($root = $input.path('$')) #foreach( $elem in $root.records )",
    ],
)
def test_a_list_that_is_gone_through_is_guessed_with_an_element(through):
    template = through + '{"Data": "$elem.data", "Key": "${elem.partition-key}"} #end'
    integration = Integration("AWS", request_templates={"application/json": template})
    route = Route("Api", "a", "REST", "PUT", "/", "prod", integration)

    assert first_guess(Entry(route.name, None, "route", route)) == {
        "id": UNIQUE,
        "records": [{"data": "text", "partition-key": UNIQUE}],
    }


FRONT_DOOR = """
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
  Role: {Type: AWS::IAM::Role, Properties: {AssumeRolePolicyDocument: {}}}
  Api: {Type: AWS::ApiGateway::RestApi, Properties: {Name: api}}
  Method:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !GetAtt Api.RootResourceId
      HttpMethod: POST
      AuthorizationType: NONE
      MethodResponses: [{StatusCode: "200"}]
      Integration:
        Type: AWS
        IntegrationHttpMethod: POST
        Uri: !Sub arn:aws:apigateway:${AWS::Region}:dynamodb:action/PutItem
        Credentials: !GetAtt Role.Arn
        IntegrationResponses: [{StatusCode: "200"}]
        RequestTemplates:
          application/json: !Sub >-
            {"TableName": "${Table}", "Item": {"id": {"S": "$context.requestId"},
            "size": {"%s": "$input.path('$.size')"}}}
  Stage:
    Type: AWS::ApiGateway::Stage
    Properties: {RestApiId: !Ref Api, StageName: prod, DeploymentId: !Ref Made}
  Made: {Type: AWS::ApiGateway::Deployment, DependsOn: Method, Properties: {RestApiId: !Ref Api}}
"""


@pytest.mark.parametrize(("kind", "size"), [("S", "text"), ("N", 12), ("nothing", "text")])
def test_a_guess_that_storage_refuses_behind_a_yes_gives_place_to_one_that_it_takes(
    tmp_path, kind, size
):
    """What never suits is sent all the same: the front door loses it, whatever it is."""
    template = tmp_path / "template.yaml"
    template.write_text(FRONT_DOOR % kind, encoding="utf-8")
    deployed = prepare(template, Settings(permissions=False)).deployed

    (entry,) = describe_entries(Judge(deployed), deployed.entries)

    assert entry.body == {"id": UNIQUE, "size": size}


def test_a_guess_from_a_closed_model_holds_an_id(workshop):
    schema = {
        "type": "object",
        "properties": {"text": {"type": "string"}},
        "additionalProperties": False,
    }
    route = Route(
        "Api",
        "a",
        "REST",
        "POST",
        "/",
        "prod",
        Integration("AWS"),
        request_models={"application/json": json.dumps(schema)},
    )
    assert first_guess(Entry(route.name, None, "route", route)) == {"text": UNIQUE}


CHARGES = """
import json, urllib.request

def handler(event, context):
    for record in event["Records"]:
        body = json.dumps({"chargeId": json.loads(record["body"])["id"], "amount": 12}).encode()
        urllib.request.urlopen(urllib.request.Request("https://pay.example/charge?x=1", body))
"""


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("chargeId", []),
        ("chargId", ["is no field of what is sent there (amount, chargeId)", 'mean "chargeId"?']),
        ("zzz", ["idempotency = 'zzz' is no field of what is sent there", "so each call counts"]),
    ],
)
def test_an_idempotency_field_that_no_call_has_is_noted(workshop, field, told):
    toml = f'{QUEUE}body = {{ id = "{{unique}}" }}\n[[downstream]]\nurl = "https://pay.example"\n'
    judge = workshop.judge(workshop.write(CHARGES, toml=f'{toml}idempotency = "{field}"\n'))
    entries = judge.deployed.entries

    notes = notes_on(judge, entries, entries)

    assert len(notes) == bool(told)
    assert all(part in notes[0] for part in told)


def test_an_error_that_speaks_of_others_is_told_with_the_last_one():
    text = (
        "All records failed.\n\nTraceback (most recent call last):\n  File …\nTypeError: no order\n"
    )
    assert said(RuntimeError(text)) == "RuntimeError: All records failed. … TypeError: no order"
    assert said(KeyError("id")) == "KeyError: 'id'"
    assert said(RuntimeError()) == "RuntimeError"
