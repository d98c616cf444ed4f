from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_storagefirst.errors import TemplateError
from pytest_storagefirst.simulation.frontdoor import (
    BackendCall,
    BackendFailure,
    GatewayContext,
    HttpReply,
    HttpRequest,
    acknowledged,
    answer,
    backend_call,
    service_error,
    service_reply,
)
from pytest_storagefirst.stack.topology import Integration, Route

CONTEXT = GatewayContext("123456789012", "eu-west-1", "request-1", 1_700_000_000_123)
QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"


def route(subtype: str = "", **settings: Any) -> Route:
    settings.setdefault("kind", "AWS_PROXY")
    path = settings.pop("path", "/orders/{id}")
    protocol = settings.pop("protocol", "HTTP")
    integration = Integration(subtype=subtype, **settings)
    variables = {"bus": "my-bus"}
    return Route("Api", "a", protocol, "POST", path, "$default", integration, variables)


def post(body: Any = "", **headers: str) -> HttpRequest:
    text = body if isinstance(body, str) else json.dumps(body)
    return HttpRequest("POST", "/orders/7", headers, {"q": "1", "Q": "2"}, text)


def send(parameters: dict[str, Any], request: HttpRequest) -> BackendCall | HttpReply:
    target = route("SQS-SendMessage", request_parameters={"QueueUrl": QUEUE, **parameters})
    return backend_call(target, request, {"id": "7"}, CONTEXT)


def sent(expression: str, request: HttpRequest) -> Any:
    made = send({"MessageBody": expression}, request)
    assert isinstance(made, BackendCall), made
    assert made.parameters is not None
    return made.parameters["MessageBody"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("$request.body", '{"a": {"b": [1, "x"]}, "t": true, "n": 1.5, "s": "é"}'),
        ("$request.body.s", "é"),
        ("$request.body.a", '{"b":[1,"x"]}'),
        ("$request.body.a.b[1]", "x"),
        ("$request.body['s']", "é"),
        ("$request.body.t", "true"),
        ("$request.body.n", "1.5"),
        ("$request.header.x-trace", "t"),
        ("$request.querystring.q", "1"),
        ("$request.querystring.Q", "2"),
        ("$request.path.id", "7"),
        ("$request.path", "/orders/7"),
        ("$context.requestId", "request-1"),
        ("$context.identity.sourceIp", "192.0.2.1"),
        ("$stageVariables.bus", "my-bus"),
        ("static text", "static text"),
        ("com.mycompany.$request.path.id", "com.mycompany.7"),
        ("${request.path.id}-${request.body.s}/$stageVariables.bus", "7-é/my-bus"),
        ("${request.method}", "POST"),
        ("costs $5", "costs $5"),
    ],
)
def test_a_parameter_selects_from_the_request(expression: str, expected: str) -> None:
    body = '{"a": {"b": [1, "x"]}, "t": true, "n": 1.5, "s": "é"}'
    assert sent(expression, post(body, **{"X-Trace": "t"})) == expected


@pytest.mark.parametrize(
    ("expression", "body"),
    [
        ("$request.body.none", {"s": 1}),
        ("$request.body.s", {"s": None}),
        ("$request.body.s", "no json"),
        ("$request.body.s", ""),
        ("$request.header.none", {}),
        ("$request.querystring.none", {}),
        ("$request.path.none", {}),
        ("${request.nothing.x}", {}),
        ("$context.nothing", {}),
        ("$stageVariables.none", {}),
        ("text ${request.header.none}", {}),
        ("$request.body.s", {"pad": "x" * 100 * 1024, "s": "beyond what a selector sees"}),
    ],
)
def test_a_selector_that_finds_nothing_is_a_400(expression: str, body: Any) -> None:
    reply = send({"MessageBody": expression}, post(body))
    assert isinstance(reply, HttpReply)
    assert (reply.status, reply.body) == (400, '{"message":"Bad Request"}')


def test_the_whole_body_is_passed_at_any_length() -> None:
    body = json.dumps({"pad": "x" * 200 * 1024})
    assert sent("$request.body", post(body)) == body


def test_an_empty_body_is_refused_by_sqs_and_not_by_the_gateway() -> None:
    made = send({"MessageBody": "$request.body"}, post(""))
    assert isinstance(made, BackendCall)
    assert made.refused is not None
    assert (made.refused.status, made.parameters) == (400, None)
    assert answer(route("SQS-SendMessage"), post(""), CONTEXT, made.refused).status == 400


def test_sqs_parameters_of_every_type() -> None:
    attributes = {
        "a": {"DataType": "String", "StringValue": "${request.header.x}"},
        "b": {"DataType": "Number", "StringValue": "5"},
    }
    made = send(
        {
            "MessageBody": "$request.body",
            "MessageAttributes": json.dumps(attributes),
            "MessageGroupId": "$request.body.group",
            "MessageDeduplicationId": "$context.requestId",
            "DelaySeconds": "0",
            "Region": "us-east-1",
        },
        post({"group": "g"}, X="h"),
    )
    assert isinstance(made, BackendCall)
    attributes["a"]["StringValue"] = "h"
    assert made.parameters == {
        "QueueUrl": QUEUE,
        "MessageBody": '{"group": "g"}',
        "MessageAttributes": attributes,
        "MessageGroupId": "g",
        "MessageDeduplicationId": "request-1",
        "DelaySeconds": 0,
    }
    assert (made.region, made.url) == ("us-east-1", "https://sqs.us-east-1.amazonaws.com/")
    assert made.headers["X-Amz-Target"] == "AmazonSQS.SendMessage"
    assert json.loads(made.body) == made.parameters


def test_attributes_that_a_header_breaks_are_a_400() -> None:
    attributes = '{"a": {"DataType": "String", "StringValue": "${request.header.x}"}}'
    reply = send({"MessageBody": "b", "MessageAttributes": attributes}, post("", X='"'))
    assert isinstance(reply, HttpReply)
    assert reply.status == 400


@pytest.mark.parametrize(
    ("subtype", "given", "service", "expected"),
    [
        (
            "EventBridge-PutEvents",
            {"Detail": "$request.body", "DetailType": "t", "Source": "s", "Resources": '["r"]'},
            "events",
            {"Entries": [{"Source": "s", "Resources": ["r"], "DetailType": "t", "Detail": "{}"}]},
        ),
        (
            "Kinesis-PutRecord",
            {"StreamName": "s", "Data": "$request.body", "PartitionKey": "p"},
            "kinesis",
            {"StreamName": "s", "Data": b"{}", "PartitionKey": "p"},
        ),
        (
            "StepFunctions-StartExecution",
            {"StateMachineArn": "arn", "Input": "$request.body", "Name": "n"},
            "states",
            {"stateMachineArn": "arn", "input": "{}", "name": "n"},
        ),
        (
            "StepFunctions-StartSyncExecution",
            {"StateMachineArn": "arn"},
            "states",
            {"stateMachineArn": "arn"},
        ),
        (
            "StepFunctions-StopExecution",
            {"ExecutionArn": "arn", "Cause": "c"},
            "states",
            {"executionArn": "arn", "cause": "c"},
        ),
        (
            "SQS-ReceiveMessage",
            {"QueueUrl": "q", "MaxNumberOfMessages": "10", "AttributeNames": '["All"]'},
            "sqs",
            {"QueueUrl": "q", "MaxNumberOfMessages": 10, "AttributeNames": ["All"]},
        ),
        (
            "SQS-DeleteMessage",
            {"QueueUrl": "q", "ReceiptHandle": "r"},
            "sqs",
            {"QueueUrl": "q", "ReceiptHandle": "r"},
        ),
        ("SQS-PurgeQueue", {"QueueUrl": "q"}, "sqs", {"QueueUrl": "q"}),
        (
            "AppConfig-GetConfiguration",
            {"Application": "a", "Environment": "e", "Configuration": "c", "ClientId": "i"},
            "appconfig",
            {"Application": "a", "Environment": "e", "Configuration": "c", "ClientId": "i"},
        ),
    ],
)
def test_every_subtype_calls_its_operation(
    subtype: str, given: dict[str, str], service: str, expected: dict[str, Any]
) -> None:
    made = backend_call(route(subtype, request_parameters=given), post("{}"), {}, CONTEXT)
    assert isinstance(made, BackendCall)
    assert (made.service, made.parameters, made.refused) == (service, expected, None)
    assert made.operation == subtype.partition("-")[2]


def test_kinesis_data_travels_as_base64() -> None:
    given = {"StreamName": "s", "Data": "$request.body", "PartitionKey": "p"}
    made = backend_call(
        route("Kinesis-PutRecord", request_parameters=given), post("{}"), {}, CONTEXT
    )
    assert isinstance(made, BackendCall)
    assert json.loads(made.body)["Data"] == "e30="


@pytest.mark.parametrize(
    ("subtype", "given", "expected"),
    [
        ("SQS-SendMassage", {}, "SQS-SendMessage"),
        ("SQS-SendMessage", {"QueueUrl": "q"}, "QueueUrl, MessageBody"),
    ],
)
def test_a_wrong_integration_is_the_users_to_mend(
    subtype: str, given: dict[str, str], expected: str
) -> None:
    with pytest.raises(TemplateError) as raised:
        backend_call(route(subtype, request_parameters=given), post(), {}, CONTEXT)
    assert expected in raised.value.expected
    assert raised.value.where == "Api: POST /orders/{id}"


def test_an_http_proxy_changes_what_it_is_told_to() -> None:
    parameters = {
        "append:header.x": "$request.querystring.q",
        "overwrite:header.y": "static",
        "remove:header.z": "''",
        "append:querystring.new": "$context.requestId",
        "overwrite:querystring.q": "$request.header.none",
        "overwrite:path": "/elsewhere",
    }
    target = route(
        kind="HTTP_PROXY",
        uri="https://example.org/{id}",
        http_method="ANY",
        request_parameters=parameters,
    )
    made = backend_call(target, post("b", x="0", z="9", Host="h"), {"id": "7"}, CONTEXT)
    assert isinstance(made, BackendCall)
    assert made.headers == {"x": "0,1", "y": "static"}
    assert (made.method, made.url) == ("POST", "https://example.org/7?q=1&Q=2&new=request-1")


def test_the_backends_answer_is_the_senders() -> None:
    target = route("SQS-SendMessage")
    backend = HttpReply(403, {"Content-Type": "text/xml"}, "<ErrorResponse/>")
    assert answer(target, post(), CONTEXT, backend) == backend
    assert answer(target, post(), CONTEXT, BackendFailure("timeout")).status == 503
    assert answer(target, post(), CONTEXT, BackendFailure("connection")).status == 500


FUNCTION = "arn:aws:lambda:eu-west-1:1:function:f"
URI = f"arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{FUNCTION}/invocations"


@pytest.mark.parametrize("uri", [URI, FUNCTION])
def test_a_lambda_proxy_invokes_the_function(uri: str) -> None:
    target = route(uri=uri, payload_format_version="2.0")
    made = backend_call(target, post('{"é": 1}', Abc="d"), {"id": "7"}, CONTEXT)
    assert isinstance(made, BackendCall)
    assert made.parameters is not None
    assert made.parameters["FunctionName"] == FUNCTION
    event = json.loads(made.parameters["Payload"])
    assert event["version"] == "2.0"
    assert event["routeKey"] == "POST /orders/{id}"
    assert event["body"] == '{"é": 1}'
    assert event["headers"] == {"abc": "d"}
    assert event["pathParameters"] == {"id": "7"}
    assert event["requestContext"]["http"]["method"] == "POST"
    assert event["requestContext"]["timeEpoch"] == 1_700_000_000_123
    bare = backend_call(target, HttpRequest("POST", "/orders/7"), {}, CONTEXT)
    assert isinstance(bare, BackendCall)
    assert not {"body", "pathParameters", "queryStringParameters"} & json.loads(bare.body).keys()


@pytest.mark.parametrize(("protocol", "version"), [("REST", None), ("HTTP", "1.0")])
def test_payload_format_1(protocol: str, version: str | None) -> None:
    target = route(uri=URI, protocol=protocol, payload_format_version="1.0" if version else "")
    made = backend_call(target, post("b", Abc="d"), {"id": "7"}, CONTEXT)
    assert isinstance(made, BackendCall)
    event = json.loads(made.body)
    assert event.get("version") == version
    assert event["resource"] == "/orders/{id}"
    assert event["multiValueHeaders"] == {"Abc": ["d"]}
    assert event["requestContext"]["requestId"] == "request-1"
    bare = backend_call(target, HttpRequest("POST", "/orders/7"), {}, CONTEXT)
    assert isinstance(bare, BackendCall)
    assert json.loads(bare.body)["queryStringParameters"] is None


@pytest.mark.parametrize(
    ("result", "rest", "http"),
    [
        ('{"statusCode": 202, "body": "b", "headers": {"A": 1}}', 202, 202),
        ('{"statusCode": "201"}', 201, 201),
        ('{"order": 1}', 502, 200),
        ('"text"', 502, 200),
        ("null", 502, 200),
        ("no json", 502, 500),
        ('{"statusCode": "often"}', 502, 500),
        ('{"statusCode": 200, "body": {"a": 1}}', 502, 500),
        ('{"statusCode": 200, "headers": "a"}', 502, 500),
    ],
)
def test_a_functions_result_becomes_the_reply(result: str, rest: int, http: int) -> None:
    backend = HttpReply(200, {}, result)
    for protocol, expected in (("REST", rest), ("HTTP", http)):
        target = route(uri=URI, protocol=protocol, payload_format_version="2.0")
        assert answer(target, post(), CONTEXT, backend).status == expected


def test_a_functions_reply_keeps_its_headers_and_body() -> None:
    backend = HttpReply(200, {}, '{"statusCode": 202, "body": "b", "headers": {"A": 1}}')
    reply = answer(route(uri=URI, protocol="REST"), post(), CONTEXT, backend)
    assert reply == HttpReply(202, {"A": "1", "Content-Type": "application/json"}, "b")
    backend = HttpReply(200, {}, '{"order": 1}')
    reply = answer(route(uri=URI, payload_format_version="2.0"), post(), CONTEXT, backend)
    assert reply.body == '{"order":1}'


@pytest.mark.parametrize(("protocol", "failed", "slow"), [("REST", 502, 504), ("HTTP", 500, 503)])
def test_a_function_that_fails_or_is_silent(protocol: str, failed: int, slow: int) -> None:
    target = route(uri=URI, protocol=protocol)
    raised = HttpReply(200, {"x-amz-function-error": "Unhandled"}, '{"statusCode": 200}')
    for backend in (raised, HttpReply(429, {}, "{}"), BackendFailure("connection")):
        assert answer(target, post(), CONTEXT, backend).status == failed
    assert answer(target, post(), CONTEXT, BackendFailure("timeout")).status == slow


def call(service: str, operation: str, **headers: str) -> BackendCall:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return BackendCall(service, operation, "POST", "", named, "")


FORM = {"Content_Type": "application/x-www-form-urlencoded"}


def test_sqs_answers_a_form_in_json_when_asked_to() -> None:
    result = {"MessageId": "m-1", "ResponseMetadata": {"HTTPStatusCode": 200}}
    made = call("sqs", "SendMessage", **FORM, Accept="application/json")
    reply = service_reply(made, "r-1", result)
    assert json.loads(reply.body) == {
        "SendMessageResponse": {
            "SendMessageResult": {"MessageId": "m-1"},
            "ResponseMetadata": {"RequestId": "r-1"},
        }
    }


def test_sqs_answers_a_form_in_xml_otherwise() -> None:
    made = call("sqs", "SendMessageBatch", **FORM, Accept="application/xml")
    result = {"Failed": [{"Id": "a", "SenderFault": True}, {"Id": "<b>", "SenderFault": False}]}
    reply = service_reply(made, "r-1", result)
    assert reply.headers["Content-Type"] == "text/xml"
    assert "<Failed><Id>a</Id><SenderFault>true</SenderFault></Failed>" in reply.body
    assert "<Id>&lt;b&gt;</Id>" in reply.body


def test_other_services_answer_in_plain_json() -> None:
    from datetime import UTC, datetime

    made = call("states", "StartExecution", X_Amz_Target="AWSStepFunctions.StartExecution")
    result = {"executionArn": "a", "startDate": datetime.fromtimestamp(5, UTC), "b": [b"x"]}
    reply = service_reply(made, "r-1", result)
    assert json.loads(reply.body) == {"executionArn": "a", "startDate": 5.0, "b": ["eA=="]}
    made = call("sqs", "SendMessage", X_Amz_Target="AmazonSQS.SendMessage")
    assert service_reply(made, "r-1", {"MessageId": "m"}).body == '{"MessageId":"m"}'
    assert service_reply(call("lambda", "Invoke"), "r-1", {"Payload": "{}"}).body == "{}"
    assert service_reply(call("s3", "PutObject"), "r-1", {"ETag": "e"}).status == 200


def test_an_error_is_worded_as_the_service_words_it() -> None:
    reply = service_error(call("sqs", "SendMessage"), "r-1", "AccessDenied", "no", 403)
    assert (reply.status, json.loads(reply.body)["Error"]["Code"]) == (403, "AccessDenied")
    reply = service_error(call("dynamodb", "PutItem"), "r-1", "ThrottlingException", "slow", 400)
    assert json.loads(reply.body) == {"__type": "ThrottlingException", "message": "slow"}


SYNC = "StepFunctions-StartSyncExecution"


@pytest.mark.parametrize(
    ("subtype", "status", "body", "backend", "expected"),
    [
        ("SQS-SendMessage", 200, "{}", "{}", True),
        ("SQS-SendMessage", 202, "", "", True),
        ("SQS-SendMessage", 400, "{}", "{}", False),
        ("SQS-SendMessage", 302, "{}", "{}", False),
        ("EventBridge-PutEvents", 200, '{"FailedEntryCount": 1, "Entries": [{}]}', "", False),
        ("EventBridge-PutEvents", 200, '{"FailedEntryCount": 0, "Entries": [{}]}', "", True),
        ("", 200, '{"FailedRecordCount": 2}', "", False),
        ("", 200, '{"outer": [{"Failed": [{"Id": "a"}]}]}', "", False),
        ("", 200, '{"Failed": []}', "", True),
        ("", 200, '{"Failed": "nothing"}', "", True),
        ("", 200, '{"UnprocessedItems": {"t": [{}]}}', "", False),
        ("", 200, '{"UnprocessedItems": {}}', "", True),
        ("", 200, "<R><BatchResultErrorEntry><Id>a</Id></BatchResultErrorEntry></R>", "", False),
        (SYNC, 200, '{"status": "FAILED"}', "", False),
        (SYNC, 200, '{"status": "SUCCEEDED"}', "", True),
        ("SQS-SendMessage", 200, '{"status": "FAILED"}', "", True),
        ("", 200, "{}", '{"FailedEntryCount": 1}', True),
        (
            *("", 200, '{"why": "Throttled by us"}'),
            *('{"FailedEntryCount": 1, "Entries": [{"ErrorMessage": "Throttled by us"}]}', False),
        ),
        (
            *("", 200, '{"ok": true}'),
            *('{"FailedEntryCount": 1, "Entries": [{"ErrorCode": "Throttled"}]}', True),
        ),
        ("", 200, '{"id": "x"}', '{"Message": "x", "FailedEntryCount": 0}', True),
    ],
)
def test_a_yes_is_a_yes_for_this_entry(
    subtype: str, status: int, body: str, backend: str, expected: bool
) -> None:
    assert acknowledged(route(subtype), HttpReply(status, {}, body), backend) is expected
