"""A body that is refused: the text says which field, attribute or wrapping, and what to write."""

from __future__ import annotations

import json

import pytest

from pytest_storagefirst.errors import EntryError
from pytest_storagefirst.explore.exploration import explore
from pytest_storagefirst.explore.refused_bodies import toml
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.settings_file import load_settings
from pytest_storagefirst.simulation.sources.mismatches import why_not

WORKER = """
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
  Orders: {Type: AWS::SQS::Queue}
  Open:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Orders]
      PolicyDocument:
        Statement: [{Effect: Allow, Principal: "*", Action: sqs:SendMessage, Resource: "*"}]
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: app.handler
      CodeUri: .
      Environment: {Variables: {TABLE: !Ref Table}}
      Policies: [{DynamoDBCrudPolicy: {TableName: !Ref Table}}]
      Events:
        Orders: {Type: SQS, Properties: {Queue: !GetAtt Orders.Arn,
                 FunctionResponseTypes: [ReportBatchItemFailures]}}
"""
HEAD = "Transform: AWS::Serverless-2016-10-31\nResources:"
TOPIC = (
    HEAD
    + WORKER
    + """
  News: {Type: AWS::SNS::Topic}
  Subscribed:
    Type: AWS::SNS::Subscription
    Properties:
      TopicArn: !Ref News
      Protocol: sqs
      Endpoint: !GetAtt Orders.Arn
      %s
"""
)
BUS = (
    HEAD
    + WORKER
    + """
  Shop: {Type: AWS::Events::EventBus, Properties: {Name: shop}}
  Placed:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: !Ref Shop
      EventPattern: {source: [shop], detail: {kind: [order]}}
      Targets: [{Id: one, Arn: !GetAtt Orders.Arn}]
"""
)
API = (
    HEAD
    + """
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement: [{Effect: Allow, Principal: {Service: apigateway.amazonaws.com},
                     Action: sts:AssumeRole}]
      Policies:
        - PolicyName: all
          PolicyDocument: {Statement: [{Effect: Allow, Action: "*", Resource: "*"}]}
  Queue: {Type: AWS::SQS::Queue}
  Api: {Type: AWS::ApiGateway::RestApi, Properties: {Name: orders}}
  Model:
    Type: AWS::ApiGateway::Model
    Properties:
      RestApiId: !Ref Api
      ContentType: application/json
      Schema:
        type: object
        required: [orderId, total]
        properties: {orderId: {type: string}, total: {type: number}}
  Validator:
    Type: AWS::ApiGateway::RequestValidator
    Properties: {RestApiId: !Ref Api, ValidateRequestBody: true}
  Post:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !GetAtt Api.RootResourceId
      HttpMethod: POST
      AuthorizationType: NONE
      RequestValidatorId: !Ref Validator
      RequestModels: {application/json: !Ref Model}
      Integration:
        Type: AWS
        IntegrationHttpMethod: POST
        Credentials: !GetAtt Role.Arn
        Uri: !Sub "arn:aws:apigateway:${AWS::Region}:%s"
        RequestParameters:
          integration.request.header.Content-Type: "'application/x-www-form-urlencoded'"
        RequestTemplates: {application/json: 'Action=SendMessage&MessageBody=$input.body'}
        IntegrationResponses: [{StatusCode: "200"%s}]
      MethodResponses: [{StatusCode: "200"}]
  Deployed:
    Type: AWS::ApiGateway::Deployment
    DependsOn: Post
    Properties: {RestApiId: !Ref Api, StageName: prod}
"""
)


def told(workshop, template, toml_text, app=None):
    path = workshop.write(app or workshop.app, toml_text, template)
    with pytest.raises(EntryError) as raised:
        explore(path, load_settings(path, Settings(budget_seconds=0)))
    return str(raised.value)


def given(entry, body):
    return f"[[entry]]\n{entry}\nbody = {body}\n"


def test_a_filter_policy_that_drops_what_is_sent_says_which_field(workshop):
    """A topic forgets what it has told nobody of, as a bus does: the body is not to blame."""
    more = "FilterPolicyScope: MessageBody\n      FilterPolicy: {kind: [order]}"
    body = '{ id = "{unique}", kind = "refund" }'
    path = workshop.write(workshop.app, given('topic = "News"', body), TOPIC % more)
    result = explore(path, load_settings(path, Settings(budget_seconds=0)))
    loss = next(one for one in result.properties if one.name == "no-message-loss")

    assert loss.verdict == "violated"
    assert "News dropped it" in loss.why
    assert 'kind is "refund", and wanted is ["order"]' in loss.why


def test_a_filter_about_bodies_says_what_a_guess_must_have(workshop):
    more = "FilterPolicyScope: MessageBody\n      FilterPolicy: {kind: [order], at: {shop: [1]}}\n"
    more += "      RawMessageDelivery: true"
    path = workshop.write(workshop.app, "", TOPIC % more)
    result = explore(path, load_settings(path, Settings(budget_seconds=0)))
    loss = next(one for one in result.properties if one.name == "no-message-loss")

    body = json.dumps({"id": "{unique}", "kind": "order", "at": {"shop": 1}})
    assert any(f"so {body} was sent" in note for note in result.notes), result.notes
    assert loss.runs > 1


def test_raw_delivery_and_the_envelope_are_named(workshop):
    body = '{ key = "{unique}" }'
    raw = told(workshop, TOPIC % "RawMessageDelivery: true", given('topic = "News"', body))
    assert "Orders gets from News the body alone, as its subscription has RawMessage" in raw
    assert "the code asks it for id, which it does not have" in raw
    assert 'body = { key = "{unique}", id = "{unique}" }' in raw
    assert "and, if the function asks for them, attributes = {" in raw

    wrapped = told(workshop, TOPIC % "", given('topic = "News"', body))
    assert "Orders gets from News SNS's envelope, with the body as text in its field" in wrapped


def test_what_the_code_printed_of_an_error_that_it_caught_is_shown(workshop):
    app = workshop.app.replace(
        "        except Exception:", "        except Exception as e:\n            print('bad:', e)"
    ).replace(
        "def work(body):", "def work(body):\n    raise ValueError('no stock of ' + body['id'])"
    )
    text = told(
        workshop,
        TOPIC % "RawMessageDelivery: true",
        given('topic = "News"', '{ id = "{unique}" }'),
        app,
    )
    assert "it printed “bad: no stock of <m1>”" in text


def test_a_body_of_a_bus_without_detail_is_told_what_it_became(workshop):
    body = '{ source = "shop", Detail = "{unique}" }'
    app = workshop.app.replace('body["id"]', 'body["detail"]["id"]')
    template = BUS.replace(", detail: {kind: [order]}", "")
    text = told(workshop, template, given('bus = "Shop"', body), app)

    assert "the body has no `detail`, so all of it became the event's detail" in text
    assert 'detail = { id = "{unique}" } }' in text


@pytest.mark.parametrize(
    "detail",
    ['{ id = "{unique}", kind = "order" }', """'{"id": "{unique}", "kind": "order"}'"""],
)
def test_an_entry_of_put_events_is_the_event_that_it_becomes(workshop, detail):
    """As `aws events put-events --entries` takes it, whose Detail is a text."""
    body = f'{{ Source = "shop", DetailType = "Placed", Detail = {detail} }}'
    app = workshop.app.replace('json.loads(record["body"])', 'json.loads(record["body"])["detail"]')
    path = workshop.write(app, given('bus = "Shop"', body), BUS)
    result = explore(path, load_settings(path, Settings(budget_seconds=0)))

    loss = next(one for one in result.properties if one.name == "no-message-loss")
    assert "no rule matches" not in loss.why
    assert loss.runs > 1


def test_only_the_way_of_the_message_is_told_of(workshop):
    """The topic's envelope is no matter of a message that came by the bus."""
    news = (TOPIC % "").partition(WORKER)[2].replace("Orders.Arn", "Others.Arn")
    template = BUS.replace(", detail: {kind: [order]}", "") + news
    template += "  Others: {Type: AWS::SQS::Queue}\n"
    app = workshop.app.replace('body["id"]', 'body["detail"]["id"]')
    text = told(workshop, template, given('bus = "Shop"', '{ key = "{unique}" }'), app)
    assert "envelope" not in text


def test_an_event_that_no_rule_matches_says_what_the_rule_wants(workshop):
    body = '{ source = "shop", detail-type = "Placed", detail = { id = "{unique}" } }'
    app = workshop.app.replace('json.loads(record["body"])', 'json.loads(record["body"])["detail"]')
    path = workshop.write(app, given('bus = "Shop"', body), BUS)
    result = explore(path, load_settings(path, Settings(budget_seconds=0)))
    loss = next(one for one in result.properties if one.name == "no-message-loss")

    assert loss.verdict == "violated"
    assert "(no rule matches it: for Placed, " in loss.why
    assert 'there is no detail.kind, and wanted is ["order"])' in loss.why


def test_a_request_model_says_which_field_failed(workshop):
    path = "sqs:path/${AWS::AccountId}/${Queue.QueueName}"
    body = '{ orderId = "{unique}", total = "12" }'
    text = told(workshop, API % (path, ""), given('route = "POST /"', body))

    assert "by the request model of POST /, total: '12' is not of type 'number'" in text
    assert 'body = { orderId = "{unique}", total = 12 }' in text

    lacking = told(workshop, API % (path, ""), given('route = "POST /"', "{ total = 1 }"))
    assert "'orderId' is a required property" in lacking
    assert 'body = { orderId = "{unique}", total = 1 }' in lacking


@pytest.mark.parametrize("responses", ["", ', SelectionPattern: "2.."}, {StatusCode: "200"'])
def test_a_service_that_is_not_simulated_is_named(workshop, responses):
    template = (
        (API % ("firehose:action/PutRecord", responses))
        .replace(
            "Action=SendMessage&MessageBody=$input.body",
            '{"DeliveryStreamName": "hose", "Record": {"Data": "$util.base64Encode($input.body)"}}',
        )
        .replace("application/x-www-form-urlencoded", "application/x-amz-json-1.1")
    )
    text = told(workshop, template, "")

    assert "the integration of POST / calls firehose:PutRecord, which is not simulated" in text
    assert "expected: an integration into SQS, SNS" in text


def test_a_way_in_that_is_not_simulated_is_named(workshop):
    graph = "{Type: AWS::AppSync::GraphQLApi, Properties: {Name: g, AuthenticationType: API_KEY}}"
    template = f"Resources:\n  Graph: {graph}\n"
    text = told(workshop, template, "")

    assert "the stack has no way into storage" in text
    assert "Graph (AWS::AppSync::GraphQLApi): not simulated" in text


def test_what_lies_in_other_stacks_is_named(workshop):
    template = HEAD + WORKER.replace("!GetAtt Orders.Arn", "!ImportValue orders-QueueArn")
    template += (
        "  Inner: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: inner.yaml}}\n"
    )
    text = told(workshop, template, "")

    assert (
        "WorkerOrders reads arn:aws:sqs:us-east-1:123456789012:invented-orders-QueueArn, "
        "which another stack holds" in text
    )
    assert (
        "Inner (AWS::CloudFormation::Stack): nested and not read, so give its own template" in text
    )


@pytest.mark.parametrize(
    ("pattern", "event", "why"),
    [
        ({"a": ["x"]}, {"a": "x"}, ""),
        ({"a": ["x"]}, {"a": "y"}, 'a is "y", and wanted is ["x"]'),
        ({"a": {"b": [1]}}, {}, "there is no a.b, and wanted is [1]"),
        ({"$or": [{"a": [1]}]}, {"a": 2}, 'none of the alternatives [{"a": [1]}] holds'),
        ({"a": [{"exists": False}]}, {"a": 2}, 'a is 2, and wanted is [{"exists": false}]'),
    ],
)
def test_why_a_pattern_does_not_match(pattern, event, why):
    assert why_not(pattern, event) == why


def test_a_body_is_written_as_toml():
    body = {"id": "{unique}", "a b": [1, True], "detail-type": {"x": "é"}, "none": None}
    assert toml(body) == '{ id = "{unique}", "a b" = [1, true], detail-type = { x = "é" } }'


@pytest.mark.parametrize(
    ("entry", "lines"),
    [
        (
            'queue = "Table"',
            ("storagefirst.toml:1: Table is no queue", "it is a table", 'write table = "Table"'),
        ),
        (
            'queue = "Worker"',
            (
                "storagefirst.toml:1: Worker can't be an entry",
                "Worker is of type AWS::Lambda::Function",
                'write topic = "News"',
            ),
        ),
        ('queue = "Ordres"', ("the stack has no queue 'Ordres'", 'write "Orders"')),
    ],
)
def test_an_entry_of_another_kind_is_told_what_it_is(workshop, entry, lines):
    text = told(workshop, TOPIC % "RawMessageDelivery: true", f"[[entry]]\n{entry}\n")
    for line in lines:
        assert line in text


def test_a_filter_of_a_mapping_says_which_field_and_what_to_write(workshop):
    criteria = """FunctionResponseTypes: [ReportBatchItemFailures],
                 FilterCriteria: {Filters: [{Pattern: '{"body": {"kind": ["order"]}}'}]}"""
    template = (HEAD + WORKER).replace("FunctionResponseTypes: [ReportBatchItemFailures]", criteria)
    text = told(workshop, template, given('queue = "Orders"', '{ id = "{unique}", kind = "x" }'))

    assert 'body.kind is "x", and wanted is ["order"]' in text
    assert 'body = { id = "{unique}", kind = "order" }' in text


def test_a_standard_queue_may_have_a_group_that_a_function_asks_for(workshop):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html"""
    asks = """
def handler(event, context):
    for record in event["Records"]:
        record["attributes"]["MessageGroupId"]
"""
    entry = 'queue = "Orders"'
    missing = told(workshop, HEAD + WORKER, given(entry, '{ id = "{unique}" }'), asks)
    assert 'or group = "name" (MessageGroupId)' in missing
