"""`storagefirst init`, from a template to files that work."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_storagefirst.explore.refused_bodies import toml
from pytest_storagefirst.init.choosing import chosen_template
from pytest_storagefirst.settings_file import load_settings
from pytest_storagefirst.stack.locating import BLUEPRINTS

ORDERS = Path(__file__).parents[3] / "examples/orders"

PRINTING = """
Resources:
  Work: {Type: AWS::SQS::Queue}
  Printer:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      Role: arn:aws:iam::123456789012:role/r
      Code: {ZipFile: "def handler(event, context): print(event)"}
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {EventSourceArn: !GetAtt Work.Arn, FunctionName: !Ref Printer}
"""


@pytest.fixture
def orders(tmp_path):
    shutil.copytree(ORDERS, tmp_path, dirs_exist_ok=True)
    (tmp_path / "storagefirst.toml").unlink()
    return tmp_path


def test_what_is_written_of_a_template_alone(run, orders):
    result = run("init")

    assert result.exit_code == 0
    assert "wrote storagefirst.toml\nwrote test_storagefirst.py\n" in result.output
    assert result.output.endswith("next: pytest -p storagefirst template.yaml\n")
    (entry,) = load_settings(orders / "template.yaml").entries
    assert (entry.kind, entry.name) == ("route", "POST /orders")
    assert entry.body["orderId"] == "{unique}"


def test_the_files_work(run, orders, pytester):
    assert run("init", orders).exit_code == 0
    shutil.copytree(orders, pytester.path, dirs_exist_ok=True)

    result = pytester.runpytest_subprocess(
        "-p", "storagefirst", "--storagefirst-budget=0", "template.yaml", "test_storagefirst.py"
    )

    outcomes = result.parseoutcomes()
    assert "failed" not in outcomes
    assert "errors" not in outcomes
    result.stdout.no_fnmatch_line("*no body is given in storagefirst.toml*")
    assert outcomes["passed"] >= 5


def test_a_sample_event_with_its_id_where_effects_are_told_apart(run, orders):
    order = {"customerId": "c-7", "amount": 3, "orderId": "o-1", "note": None}
    (orders / "events").mkdir()
    event = {"httpMethod": "POST", "resource": "/orders", "body": json.dumps(order)}
    (orders / "events/order.json").write_text(json.dumps(event))

    result = run("init")

    assert "POST /orders: the body is from events/order.json" in result.output
    (entry,) = load_settings(orders / "template.yaml").entries
    assert entry.body == {"customerId": "c-7", "amount": 3, "orderId": "{unique}"}


def test_a_sample_that_the_stack_refuses_is_named_and_not_used(run, orders):
    (orders / "event.json").write_text('{"unrelated": "event"}')

    result = run("init")

    assert "event.json is not used for POST /orders: the stack refuses this" in result.output
    (entry,) = load_settings(orders / "template.yaml").entries
    assert "unrelated" not in entry.body


def test_nothing_is_overwritten_by_itself(run, orders):
    (orders / "storagefirst.toml").write_text("# mine\n")

    result = run("init")

    assert result.exit_code == 2
    assert "there are settings already" in result.output
    assert "storagefirst init --force" in result.output
    assert (orders / "storagefirst.toml").read_text() == "# mine\n"
    assert not (orders / "test_storagefirst.py").exists()
    assert run("init", "--force").exit_code == 0
    assert load_settings(orders / "template.yaml").entries


def test_what_is_there_is_told_once_and_the_template_is_named_again(run, orders):
    (orders / "other.yaml").write_text((orders / "template.yaml").read_text())
    assert run("init", "other.yaml").exit_code == 0

    for named in ("other.yaml", orders / "other.yaml"):
        output = run("init", named).output

        assert "found:    storagefirst.toml, test_storagefirst.py\n" in output
        assert f"storagefirst init {named} --force writes storagefirst.toml and" in output


def test_a_text_beside_the_template_is_a_message(run, tmp_path, orders):
    (tmp_path / "template.yaml").write_text(PRINTING)
    (tmp_path / "events").mkdir()
    event = {"Records": [{"eventSource": "aws:sqs", "body": "Test message-1"}]}
    (tmp_path / "events/one.json").write_text(json.dumps(event))

    output = run("init").output

    assert "Work: the body is from events/one.json\n" in output
    (entry,) = load_settings(tmp_path / "template.yaml").entries
    assert entry.body == "Test message-1 {unique}"


BUS = """
Resources:
  Kept: {Type: AWS::SQS::Queue}
  Allowed:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Kept]
      PolicyDocument:
        Statement:
        - {Effect: Allow, Principal: "*", Action: "sqs:*", Resource: !GetAtt Kept.Arn}
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: {pattern}
      Targets: [{Arn: !GetAtt Kept.Arn, Id: kept}]
"""


@pytest.mark.parametrize(
    ("pattern", "detail", "written"),
    [
        ("{source: [shop]}", {"result": "hello"}, {"result": "{unique}"}),
        (
            "{source: [shop], detail: {kind: [{prefix: a}], of: {kind: [b]}}}",
            {"kind": "a", "of": {"kind": "b", "name": "c"}},
            {"kind": "a", "of": {"kind": "b", "name": "{unique}"}},
        ),
        (
            "{$or: [{source: [shop]}, {detail: {kind: [a]}}]}",
            {"kind": "a"},
            {"id": "{unique}", "kind": "a"},
        ),
        ("{source: [shop]}", {"celsius": 12}, {"id": "{unique}", "celsius": 12}),
    ],
)
def test_of_a_sample_event_the_detail_tells_messages_apart(run, tmp_path, pattern, detail, written):
    (tmp_path / "template.yaml").write_text(BUS.replace("{pattern}", pattern))
    event = {"Source": "shop", "DetailType": "Placed", "Detail": json.dumps(detail)}
    (tmp_path / "event.json").write_text(json.dumps([event]))

    output = run("init").output

    assert "default: the body is from event.json\n" in output
    (entry,) = load_settings(tmp_path / "template.yaml").entries
    assert entry.body == {"source": "shop", "detail-type": "Placed", "detail": written}


def test_a_guess_that_shows_nothing_is_told(run, tmp_path, orders):
    (tmp_path / "template.yaml").write_text(PRINTING)

    assert "    a guess that leaves no effect shows nothing\n" in run("init").output


def test_a_test_of_the_users_own_is_kept(run, orders):
    (orders / "tests").mkdir()
    (orders / "tests/test_storagefirst.py").write_text("# mine\n")

    assert run("init").exit_code == 2
    assert not (orders / "storagefirst.toml").exists()


def test_settings_in_pyproject_are_not_hidden_by_themselves(run, orders):
    (orders / "pyproject.toml").write_text("[tool.storagefirst]\nbookkeeping = []\n")

    result = run("init")

    assert result.exit_code == 2
    assert "pyproject.toml: there are settings already" in result.output


def test_the_test_goes_where_tests_are(run, orders):
    (orders / "tests").mkdir()

    assert "wrote tests/test_storagefirst.py" in run("init").output
    text = (orders / "tests/test_storagefirst.py").read_text()
    assert 'TEMPLATE = Path(__file__).resolve().parent.parent / "template.yaml"' in text


def test_what_has_no_value_is_made_up_and_marked(run, orders):
    template = orders / "template.yaml"
    text = template.read_text().replace(
        "Resources:", "Parameters:\n  Mail: {Type: String, MinLength: 3}\n\nResources:", 1
    )
    template.write_text(text)

    result = run("init")

    assert "parameters were made up, edit them: Mail" in result.output
    assert load_settings(template).parameters == {"Mail": "invented-mail"}
    assert "# made up: edit" in (orders / "storagefirst.toml").read_text()


def test_a_function_that_is_no_python_is_left_to_the_user(run, orders):
    template = orders / "template.yaml"
    template.write_text(template.read_text().replace("python3.13", "nodejs22.x"))

    result = run("init")

    assert result.exit_code == 0
    assert "can't be run here, name what stands in for them: Worker" in result.output
    text = (orders / "storagefirst.toml").read_text()
    assert '# [functions.Worker]\n# handler = "tests.doubles:worker"' in text
    (entry,) = load_settings(template).entries
    assert entry.body is None  # what was guessed while nothing ran is a comment
    assert not (orders / "test_storagefirst.py").exists()


ANOTHER_WAY = """
  Refunds:
    Type: AWS::SQS::Queue
  Refunder:
    Type: AWS::Serverless::Function
    Properties:
      InlineCode: |
        {code}
      Handler: index.handler
      Events:
        FromQueue: {{Type: SQS, Properties: {{Queue: !GetAtt Refunds.Arn}}}}

Outputs:
"""


def with_two_queues(folder, code: str) -> None:
    """The example without its front door, and with a queue that is read by other code."""
    template = folder / "template.yaml"
    head, _, rest = template.read_text().partition("  OrdersApi:")
    rest = rest[rest.index("  OrdersQueue:") :].partition("\nOutputs:")[0]
    template.write_text(head + rest + ANOTHER_WAY.format(code=code) + "  A: {Value: 1}\n")


@pytest.mark.parametrize(
    ("code", "written"),
    [
        # One without any effect: judged as if nothing were written, so it stays an entry.
        ("handler = lambda event, context: None", [("OrdersQueue", True), ("Refunds", False)]),
        # One that takes nothing is left out by a run, too.
        ("def handler(event, context): raise ValueError(1)", [("OrdersQueue", True)]),
        # One that can't be imported ends a run, and no entry may hide that.
        ("import no_such_package", []),
    ],
)
def test_no_entry_hides_another(run, orders, code, written):
    with_two_queues(orders, code)

    assert run("init").exit_code == 0

    found = load_settings(orders / "template.yaml").entries
    assert sorted((one.name, one.body is not None) for one in found) == written


def test_code_that_can_not_be_imported_is_told(run, orders):
    (orders / "src/app.py").write_text("import no_such_package\n")

    result = run("init")

    assert result.exit_code == 0
    assert "No module named 'no_such_package'" in result.output
    assert load_settings(orders / "template.yaml").entries == ()


def test_a_template_without_a_way_in_is_refused_and_nothing_is_written(run, tmp_path):
    (tmp_path / "template.yaml").write_text("Resources:\n  Q: {Type: AWS::SQS::Queue}\n")

    result = run("init")

    assert result.exit_code == 2
    assert "the stack has no way into storage" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["template.yaml"]


@pytest.mark.parametrize("name", ["breaker-in-handler"])
def test_third_parties_and_the_breaker_are_seen(run, tmp_path, name):
    shutil.copytree(BLUEPRINTS / name, tmp_path, dirs_exist_ok=True)
    theirs = load_settings(chosen_template(tmp_path, tmp_path))

    assert run("init", "--force").exit_code == 0

    found = load_settings(tmp_path / "template.yaml")
    assert [(one.url, one.method) for one in found.downstreams] == [
        (one.url, one.method) for one in theirs.downstreams
    ]
    for key in ("table", "key", "state"):
        assert found.circuit[key] == theirs.circuit[key]


MODEL = """\
        x-amazon-apigateway-request-validators: {body: {validateRequestBody: true}}
        x-amazon-apigateway-request-validator: body
        components:
          schemas:
            Message:
              type: object
              required: [id, currency]
              properties:
                id: {type: string}
                currency: {type: string, pattern: "^[A-Z]{3}$"}
        paths:
          /messages:
            post:
              requestBody:
                content:
                  application/json:
                    schema: {$ref: "#/components/schemas/Message"}
"""


def test_a_body_is_made_from_the_request_model(run, tmp_path):
    shutil.copytree(BLUEPRINTS / "rest-queue-table", tmp_path, dirs_exist_ok=True)
    template = tmp_path / "template.yaml"
    found = "        paths:\n          /messages:\n            post:\n"
    assert found in template.read_text()
    template.write_text(template.read_text().replace(found, MODEL))

    result = run("init", "--force")

    assert "POST /messages: the body is guessed" in result.output
    (entry,) = load_settings(template).entries
    assert entry.body["id"] == "{unique}"
    assert re.fullmatch("[A-Z]{3}", entry.body["currency"])


JSON = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(value=JSON)
def test_what_is_written_reads_the_same(value):
    assert tomllib.loads(f"body = {toml(value)}")["body"] == value


OF_A_CDK_APP = """
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      BillingMode: PAY_PER_REQUEST
  Bus: {Type: AWS::Events::EventBus, Properties: {Name: shop}}
  Placed:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: !Ref Bus
      EventPattern: {source: [shop], detail-type: [placed]}
      Targets: [{Id: one, Arn: !GetAtt OnEvent.Arn}]
  Allowed:
    Type: AWS::Lambda::Permission
    Properties:
      FunctionName: !Ref OnEvent
      Action: lambda:InvokeFunction
      Principal: events.amazonaws.com
      SourceArn: !GetAtt Placed.Arn
  Stream: {Type: AWS::Kinesis::Stream, Properties: {ShardCount: 1}}
  FromStream:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      EventSourceArn: !GetAtt Stream.Arn
      FunctionName: !Ref OnStream
      StartingPosition: TRIM_HORIZON
  OnEvent: &function
    Type: AWS::Lambda::Function
    Properties: &properties
      Runtime: python3.13
      Handler: index.handler
      Role: !GetAtt Role.Arn
      Environment: {Variables: {TABLE: !Ref Table}}
      Code:
        ZipFile: |
          import os, boto3
          table = boto3.resource("dynamodb").Table(os.environ["TABLE"])
          def handler(event, context):
              detail = event["detail"]
              table.put_item(Item={"id": detail["id"], "amount": detail["amount"]})
  OnStream:
    Type: AWS::Lambda::Function
    Properties:
      <<: *properties
      Code:
        ZipFile: |
          import base64, json, os, boto3
          table = boto3.resource("dynamodb").Table(os.environ["TABLE"])
          def handler(event, context):
              for record in event["Records"]:
                  body = json.loads(base64.b64decode(record["kinesis"]["data"]))
                  table.put_item(Item={"id": body["id"], "read": True})
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement:
          - {Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}
      Policies:
        - PolicyName: all
          PolicyDocument: {Statement: [{Effect: Allow, Action: "*", Resource: "*"}]}
"""


@pytest.fixture
def app(tmp_path):
    assembly = tmp_path / "cdk.out"
    assembly.mkdir()
    (assembly / "cdk.out").write_text('{"version": "55.0.0"}')
    (assembly / "Shop.template.json").write_text(OF_A_CDK_APP)
    return tmp_path


def test_the_files_of_a_cdk_app_stand_beside_what_it_writes(run, app):
    result = run("init")

    assert result.exit_code == 0, result.output
    assert "wrote Shop.storagefirst.toml\nwrote test_shop_storagefirst.py\n" in result.output
    assert result.output.endswith("next: pytest -p storagefirst cdk.out/Shop.template.json\n")
    assert {file.name for file in (app / "cdk.out").iterdir()} == {"cdk.out", "Shop.template.json"}


def test_the_files_of_a_cdk_app_work(run, app, pytester):
    assert run("init", app).exit_code == 0
    shutil.copytree(app, pytester.path, dirs_exist_ok=True)
    pytester.runpytest_subprocess("test_shop_storagefirst.py").assert_outcomes(passed=2)


def test_of_an_event_the_detail_is_what_the_handler_asks(run, app):
    """An event has an id of its own, which is not the one that was sent."""
    run("init")
    (bus,) = [
        entry
        for entry in load_settings(app / "cdk.out/Shop.template.json").entries
        if entry.kind == "bus"
    ]

    assert bus.body == {"id": "{unique}", "amount": 12}


def test_what_is_broken_lies_on_the_way_of_what_is_sent(run, app):
    run("init")
    text = (app / "test_shop_storagefirst.py").read_text()

    way_in = re.search(r'stack.send\("(\w+)"', text)[1]
    broken = re.search(r'stack.inject\("(\w+):', text)[1]
    assert (way_in, broken) in (("Bus", "OnEvent"), ("Stream", "OnStream"))
