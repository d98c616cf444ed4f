from __future__ import annotations

import dataclasses
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
    answer,
    backend_call,
    throttled,
)
from pytest_storagefirst.stack.topology import Integration, IntegrationResponse, Route

CONTEXT = GatewayContext("123456789012", "eu-west-1", "request-1", 0)
FORM = {"integration.request.header.Content-Type": "'application/x-www-form-urlencoded'"}
SQS_PATH = "arn:aws:apigateway:eu-west-1:sqs:path/123456789012/orders"
OK = (IntegrationResponse("200"),)


def route(uri: str = SQS_PATH, template: str | None = None, **settings: Any) -> Route:
    if template is not None:
        settings["request_templates"] = {"application/json": template}
    settings.setdefault("responses", OK)
    kind = settings.pop("kind", "AWS")
    outer = {
        name: settings.pop(name)
        for name in ("request_validator", "request_models", "stage_variables")
        if name in settings
    }
    integration = Integration(kind, uri=uri, **settings)
    return Route("Api", "a", "REST", "POST", "/orders/{id}", "prod", integration, **outer)


def post(body: Any = "", **headers: str) -> HttpRequest:
    text = body if isinstance(body, str) else json.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpRequest("POST", "/orders/7", named, {"q": "1"}, text)


def call(target: Route, request: HttpRequest) -> BackendCall:
    made = backend_call(target, request, {"id": "7"}, CONTEXT)
    assert isinstance(made, BackendCall), made
    return made


def test_a_form_is_read_as_sqs_reads_it() -> None:
    template = (
        "Action=SendMessage&MessageBody=$util.urlEncode($input.body)&DelaySeconds=5"
        "&MessageAttribute.1.Name=trace&MessageAttribute.1.Value.DataType=String"
        "&MessageAttribute.1.Value.StringValue=$context.requestId"
        "&MessageAttributes.2.Name=left+out&MessageSystemAttribute.1.Name=AWSTraceHeader"
        "&MessageSystemAttribute.1.Value.DataType=String&MessageSystemAttribute.1.Value.StringValue=t"
    )
    made = call(
        route(template=template, request_parameters=FORM, credentials="role"), post("a&b=c+d")
    )
    assert (made.service, made.operation, made.credentials) == ("sqs", "SendMessage", "role")
    assert made.url == "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
    assert made.parameters == {
        "QueueUrl": made.url,
        "MessageBody": "a&b=c+d",
        "DelaySeconds": 5,
        "MessageAttributes": {"trace": {"DataType": "String", "StringValue": "request-1"}},
        "MessageSystemAttributes": {"AWSTraceHeader": {"DataType": "String", "StringValue": "t"}},
    }


def test_a_batch_of_entries_is_read() -> None:
    template = (
        "Action=SendMessageBatch&SendMessageBatchRequestEntry.1.Id=a"
        "&SendMessageBatchRequestEntry.1.MessageBody=x&SendMessageBatchRequestEntry.2.Id=b"
        "&SendMessageBatchRequestEntry.2.MessageBody=y&AttributeName.1=All"
    )
    made = call(route(template=template, request_parameters=FORM), post())
    assert made.parameters is not None
    assert made.parameters["Entries"] == [
        {"Id": "a", "MessageBody": "x"},
        {"Id": "b", "MessageBody": "y"},
    ]


def test_sns_is_read_by_its_own_names() -> None:
    template = (
        "Action=Publish&TopicArn=arn&Message=$util.urlEncode($input.body)"
        "&MessageAttributes.entry.1.Name=k&MessageAttributes.entry.1.Value.DataType=String"
        "&MessageAttributes.entry.1.Value.StringValue=v"
    )
    made = call(
        route("arn:aws:apigateway:eu-west-1:sns:path//", template, request_parameters=FORM),
        post("m"),
    )
    assert made.operation == "Publish"
    assert made.parameters == {
        "TopicArn": "arn",
        "Message": "m",
        "MessageAttributes": {"k": {"DataType": "String", "StringValue": "v"}},
    }
    template = template.replace(
        "Publish&", "PublishBatch&PublishBatchRequestEntries.member.1.Id=a&"
    )
    template += "&PublishBatchRequestEntries.member.1.Message=m"
    made = call(
        route("arn:aws:apigateway:eu-west-1:sns:path/", template, request_parameters=FORM),
        post("m"),
    )
    assert made.parameters == {
        "TopicArn": "arn",
        "PublishBatchRequestEntries": [{"Id": "a", "Message": "m"}],
    }


def test_an_action_takes_parameters_from_the_query() -> None:
    made = call(
        route(
            "arn:aws:apigateway:eu-west-1:sqs:action/SendMessage",
            request_parameters={
                "integration.request.querystring.QueueUrl": "'https://q'",
                "integration.request.querystring.MessageBody": "method.request.body.text",
            },
        ),
        post({"text": "a & b"}),
    )
    assert made.parameters == {"QueueUrl": "https://q", "MessageBody": "a & b"}
    assert made.url.endswith("/?Action=SendMessage&QueueUrl=https%3A%2F%2Fq&MessageBody=a+%26+b")


def test_sqs_also_speaks_json() -> None:
    headers = {
        "integration.request.header.Content-Type": "'application/x-amz-json-1.0'",
        "integration.request.header.X-Amz-Target": "'AmazonSQS.SendMessage'",
    }
    template = '{"QueueUrl": "https://q", "MessageBody": "$input.params(\'id\')", "Unknown": 1}'
    made = call(
        route("arn:aws:apigateway:eu-west-1:sqs:path/", template, request_parameters=headers),
        post(),
    )
    assert made.operation == "SendMessage"
    assert made.parameters == {"QueueUrl": "https://q", "MessageBody": "7"}


@pytest.mark.parametrize(
    ("template", "parameters", "code"),
    [
        ("Action=SendMessage&MessageBody=x", {}, "UnknownOperationException"),
        ("MessageBody=x", FORM, "UnknownOperationException"),
        ("Action=SendMassage&MessageBody=x", FORM, "InvalidAction"),
        ("Action=SendMessage", FORM, "MissingParameter"),
        ("Action=SendMessage&MessageBody=", FORM, "MissingParameter"),
        ("Action=SendMessage&MessageBody=x&DelaySeconds=soon", FORM, "SerializationException"),
    ],
)
def test_what_sqs_cannot_read_it_refuses(
    template: str, parameters: dict[str, str], code: str
) -> None:
    made = call(route(template=template, request_parameters=parameters), post())
    assert made.parameters is None
    assert made.refused is not None
    assert made.refused.status >= 400
    assert code in made.refused.body


def test_json_services_get_their_target_and_their_blobs() -> None:
    template = '{"StreamName": "s", "Data": "$util.base64Encode($input.body)", "PartitionKey": "p"}'
    made = call(
        route("arn:aws:apigateway:eu-west-1:kinesis:action/PutRecord", template), post("{}")
    )
    assert made.headers["X-Amz-Target"] == "Kinesis_20131202.PutRecord"
    assert made.parameters == {"StreamName": "s", "Data": b"{}", "PartitionKey": "p"}


def test_dynamodb_items_are_read() -> None:
    lists = '"l": {"L": [{"BOOL": true}, {"NULL": true}]}, "m": {"M": {}}'
    item = f'{{"id": {{"S": "$context.requestId"}}, {lists}}}'
    template = f'{{"TableName": "t", "Item": {item}}}'
    made = call(route("arn:aws:apigateway:eu-west-1:dynamodb:action/PutItem", template), post())
    assert made.operation == "PutItem"
    assert made.parameters == {
        "TableName": "t",
        "Item": json.loads(item.replace("$context.requestId", "request-1")),
    }


@pytest.mark.parametrize(
    ("uri", "body", "code"),
    [
        ("dynamodb:action/PutItem", "no json", "SerializationException"),
        ("dynamodb:action/PutItem", "[]", "SerializationException"),
        ("dynamodb:action/PutItem", '{"TableName": "t"}', "ValidationException"),
        (
            "dynamodb:action/PutItem",
            '{"TableName": "t", "Item": {"id": {"N": 5}}}',
            "Serialization",
        ),
        ("dynamodb:action/PutItem", '{"TableName": "t", "Item": []}', "SerializationException"),
        ("dynamodb:action/PutThing", "{}", "UnknownOperationException"),
        ("dynamodb:path/", "{}", "UnknownOperationException"),
        (
            "kinesis:action/PutRecord",
            '{"StreamName": "s", "PartitionKey": "p", "Data": "{"}',
            "Serialization",
        ),
        # API_PutRecord (Kinesis API reference): a partition key has at least one character
        (
            "kinesis:action/PutRecord",
            '{"StreamName": "s", "PartitionKey": "", "Data": "eA=="}',
            "ValidationException",
        ),
        (
            "kinesis:action/PutRecords",
            '{"StreamName": "s", "Records": {}}',
            "SerializationException",
        ),
        (
            "dynamodb:action/Scan",
            '{"TableName": "t", "ConsistentRead": "si"}',
            "SerializationException",
        ),
        ("events:action/PutEvents", '{"Entries": []}', "UnknownOperationException"),
    ],
)
def test_what_a_json_service_cannot_read_it_refuses(uri: str, body: str, code: str) -> None:
    made = call(route(f"arn:aws:apigateway:eu-west-1:{uri}"), post(body))
    assert made.refused is not None
    assert code in made.refused.body


def test_a_get_is_no_call_of_a_json_service() -> None:
    made = call(
        route("arn:aws:apigateway:eu-west-1:dynamodb:action/Scan", http_method="GET"), post("{}")
    )
    assert made.refused is not None
    assert made.refused.status == 404


def test_s3_by_path_and_by_subdomain() -> None:
    settings: dict[str, Any] = {
        "http_method": "PUT",
        "request_parameters": {
            "integration.request.path.key": "method.request.path.id",
            "integration.request.header.Content-Type": "'text/plain'",
        },
    }
    expected = {"Bucket": "box", "Key": "in/7", "Body": b"body", "ContentType": "text/plain"}
    made = call(
        route("arn:aws:apigateway:eu-west-1:s3:path/box/in/{key}", **settings), post("body")
    )
    assert (made.operation, made.parameters) == ("PutObject", expected)
    made = call(
        route("arn:aws:apigateway:eu-west-1:box.s3:path/in/{key}", **settings), post("body")
    )
    assert made.parameters == expected
    assert made.url == "https://box.s3.eu-west-1.amazonaws.com/in/7"
    made = call(route("arn:aws:apigateway:eu-west-1:s3:path/box", **settings), post("body"))
    assert (made.operation, made.parameters) == (None, None)
    settings["http_method"] = "GET"
    made = call(route("arn:aws:apigateway:eu-west-1:s3:path/box/{key}", **settings), post(""))
    assert (made.operation, made.parameters) == ("GetObject", {"Bucket": "box", "Key": "7"})


def test_an_unknown_service_gets_the_request_and_no_parameters() -> None:
    made = call(route("arn:aws:apigateway:eu-west-1:nosuch:path/x"), post("b"))
    assert (made.service, made.operation, made.parameters, made.refused) == (
        "nosuch",
        None,
        None,
        None,
    )


FUNCTION = "arn:aws:lambda:x:1:function:f"
LAMBDA = f"arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{FUNCTION}/invocations"


def test_lambda_gets_the_rendered_payload() -> None:
    asynchronous = {"integration.request.header.X-Amz-Invocation-Type": "'Event'"}
    made = call(
        route(LAMBDA, '{"id": "$input.params(\'id\')"}', request_parameters=asynchronous), post()
    )
    assert made.parameters == {
        "FunctionName": FUNCTION,
        "InvocationType": "Event",
        "Payload": '{"id": "7"}',
    }
    refused = backend_call(route(LAMBDA, "no json"), post(), {}, CONTEXT)
    assert isinstance(refused, HttpReply)
    assert refused.status == 400
    assert call(route(LAMBDA.replace("2015", "2014")), post()).operation is None


def test_parameters_are_mapped_from_everywhere() -> None:
    prefix = "integration.request."
    mapped = {
        f"{prefix}header.from-path": "method.request.path.id",
        f"{prefix}header.from-query": "method.request.querystring.q",
        f"{prefix}header.from-header": "method.request.header.x-trace",
        f"{prefix}header.from-multi": "method.request.multivalueheader.x-trace",
        f"{prefix}header.from-body": "method.request.body",
        f"{prefix}header.from-field": "method.request.body.a[0].b",
        f"{prefix}header.from-object": "method.request.body.a",
        f"{prefix}header.from-context": "context.identity.sourceIp",
        f"{prefix}header.from-stage": "stageVariables.v",
        f"{prefix}header.fixed": "'x'",
        f"{prefix}header.none": "method.request.header.none",
        f"{prefix}querystring.k": "'a b'",
        f"{prefix}path.p": "method.request.path.id",
    }
    target = route(
        "https://${stageVariables.v}/{p}",
        kind="HTTP",
        request_parameters=mapped,
        stage_variables={"v": "example.org"},
    )
    made = call(target, post('{"a": [{"b": "f"}]}', X_Trace="t"))
    assert made.url == "https://example.org/7?k=a+b"
    given = {
        name: value
        for name, value in made.headers.items()
        if name.startswith(("from", "fix", "none"))
    }
    assert given == {
        "from-path": "7",
        "from-query": "1",
        "from-header": "t",
        "from-multi": "t",
        "from-body": '{"a": [{"b": "f"}]}',
        "from-field": "f",
        "from-object": '[{"b":"f"}]',
        "from-context": "192.0.2.1",
        "from-stage": "example.org",
        "fixed": "x",
    }
    assert "from-field" not in call(target, post("no json")).headers


def test_overrides_go_over_mapped_parameters() -> None:
    template = (
        '#set($context.requestOverride.header.content-type = "text/x")'
        '#set($context.requestOverride.path.p = "over")'
        "#set($context.requestOverride.querystring.k = 2)"
    )
    mapped = {**FORM, "integration.request.path.p": "'mapped'"}
    made = call(
        route("https://example.org/{p}", template, kind="HTTP", request_parameters=mapped), post()
    )
    assert made.url == "https://example.org/over?k=2"
    assert [v for k, v in made.headers.items() if k.lower() == "content-type"] == ["text/x"]


def test_one_override_twice_is_an_internal_error() -> None:
    twice = (
        "#set($context.responseOverride.status = 201)#set($context.responseOverride.status = 202)"
    )
    assert backend_call(route(template=twice), post(), {}, CONTEXT) == HttpReply(
        500,
        {"Content-Type": "application/json", "x-amzn-ErrorType": "InternalServerErrorException"},
        '{"message":"Internal server error"}',
    )
    responses = (IntegrationResponse("200", templates={"application/json": twice}),)
    assert answer(route(responses=responses), post(), CONTEXT, HttpReply(200)).status == 500


def test_an_http_proxy_passes_the_request_on() -> None:
    mapped = {
        "integration.request.path.p": "method.request.path.id",
        "integration.request.header.X": "'y'",
    }
    target = route(
        "https://example.org/{p}", kind="HTTP_PROXY", http_method="ANY", request_parameters=mapped
    )
    made = call(target, post("b", Host="h", X_Trace="t"))
    assert (made.method, made.url, made.body) == ("POST", "https://example.org/7?q=1", "b")
    assert made.headers == {"X-Trace": "t", "X": "y"}
    backend = HttpReply(418, {"a": "b"}, "teapot")
    assert answer(target, post(), CONTEXT, backend) == backend
    assert answer(target, post(), CONTEXT, BackendFailure("timeout")).status == 504


def test_a_mock_answers_by_itself() -> None:
    template = '#set($context.requestOverride.path.body = "kept"){statusCode: 404}'
    responses = (
        IntegrationResponse("200"),
        IntegrationResponse(
            "202", "4..", templates={"application/json": "$context.requestOverride.path.body"}
        ),
    )
    reply = backend_call(
        route(template=template, kind="MOCK", responses=responses), post(), {}, CONTEXT
    )
    assert isinstance(reply, HttpReply)
    assert (reply.status, reply.body) == (202, "kept")
    broken = backend_call(route(template="{}", kind="MOCK"), post(), {}, CONTEXT)
    assert isinstance(broken, HttpReply)
    assert broken.status == 500


def test_a_validator_turns_away_what_does_not_fit_its_model() -> None:
    schema = '{"type": "object", "required": ["a"], "properties": {"a": {"type": "number"}}}'
    target = route(
        template="{}", request_validator=True, request_models={"application/json": schema}
    )
    for body in ("", "no json", "{}", '{"a": "x"}'):
        refused = backend_call(target, post(body), {}, CONTEXT)
        assert isinstance(refused, HttpReply)
        assert (refused.status, refused.body) == (400, '{"message":"Invalid request body"}')
    call(target, post({"a": 1}))
    call(dataclasses.replace(target, request_validator=False), post("no json"))
    call(dataclasses.replace(target, request_models={"text/xml": schema}), post("no json"))


@pytest.mark.parametrize(
    "schema",
    ["{", '{"type": "thing"}', '{"$ref": "https://example.invalid/models/b"}'],
)
def test_a_model_that_is_no_schema_is_the_users_to_mend(
    schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    monkeypatch.setattr("urllib.request.urlopen", lambda url, *_: fetched.append(url))
    target = route(request_validator=True, request_models={"application/json": schema})
    with pytest.raises(TemplateError) as raised:
        backend_call(target, post({}), {}, CONTEXT)
    assert raised.value.where == "Api: POST /orders/{id}"
    assert fetched == []


def test_required_parameters_are_named_together() -> None:
    target = dataclasses.replace(
        route(template="{}"),
        required_parameters=(
            "method.request.header.x-header",
            "method.request.path.issuer",
            "method.request.querystring.qs1",
            "method.request.querystring.q",
        ),
    )
    refused = backend_call(target, post(), {}, CONTEXT)
    assert isinstance(refused, HttpReply)
    assert refused.body == (
        '{"message":"Missing required request parameters: [x-header, issuer, qs1]"}'
    )


def test_a_body_over_ten_mebibytes_is_too_large() -> None:
    reply = backend_call(route(), post("x" * (10 * 1024 * 1024 + 1)), {}, CONTEXT)
    assert isinstance(reply, HttpReply)
    assert reply.status == 413


def test_response_templates_read_the_backend_and_set_headers() -> None:
    template = (
        "#set($reply = $input.path('$.SendMessageResponse'))"
        '{"messageId": "$reply.SendMessageResult.MessageId", "order": "$input.params(\'id\')"}'
        '#set($context.responseOverride.header.X-Over = "o")'
        "#set($context.responseOverride.status = 202)"
    )
    parameters = {
        "method.response.header.Location": "integration.response.body.SendMessageResponse.where",
        "method.response.header.Same": "integration.response.header.x-same",
        "method.response.header.Fixed": "'f'",
        "method.response.header.None": "integration.response.header.none",
    }
    responses = (IntegrationResponse("200", None, {"application/json": template}, parameters),)
    backend = HttpReply(
        200,
        {"X-Same": "s"},
        '{"SendMessageResponse": {"where": "/w", "SendMessageResult": {"MessageId": "m-1"}}}',
    )
    reply = answer(route(responses=responses), post(), CONTEXT, backend)
    assert (reply.status, reply.body) == (202, '{"messageId": "m-1", "order": "7"}')
    assert reply.headers == {
        "Content-Type": "application/json",
        "Location": "/w",
        "Same": "s",
        "Fixed": "f",
        "X-Over": "o",
    }


def test_an_override_of_the_request_template_holds_for_the_response() -> None:
    target = route(template="#set($context.responseOverride.status = 444)Action=SendMessage")
    assert answer(target, post(), CONTEXT, HttpReply(200, {}, "b")).status == 444


def test_a_status_override_that_is_no_status_is_ignored() -> None:
    template = '#set($context.responseOverride.status = "often")'
    responses = (IntegrationResponse("200", templates={"application/json": template}),)
    assert answer(route(responses=responses), post(), CONTEXT, HttpReply(200)).status == 200


@pytest.mark.parametrize(
    ("accept", "body"),
    [("text/xml", "x"), ("application/json", "j"), ("image/png", "j"), (None, "j")],
)
def test_the_senders_accept_chooses_the_response_template(accept: str | None, body: str) -> None:
    templates = {"text/xml": "x", "application/json": "j"}
    target = route(responses=(IntegrationResponse("200", templates=templates),))
    request = post(**({"Accept": accept} if accept else {}))
    assert answer(target, request, CONTEXT, HttpReply(200, {}, "b")).body == body
    target = route(responses=(IntegrationResponse("200", templates={"text/xml": "x"}),))
    assert answer(target, request, CONTEXT, HttpReply(200, {}, "b")).body == "x"
    target = route(responses=(IntegrationResponse("200", templates={"application/json": ""}),))
    assert answer(target, request, CONTEXT, HttpReply(200, {}, "b")).body == "b"


def test_a_lambda_error_is_chosen_by_its_message() -> None:
    responses = (IntegrationResponse("200"), IntegrationResponse("422", "Bad .*"))
    target = route(LAMBDA, "{}", responses=responses)
    failed = {"X-Amz-Function-Error": "Unhandled"}
    error = '{"errorMessage": "Bad order"}'
    assert answer(target, post(), CONTEXT, HttpReply(200, failed, error)).status == 422
    assert answer(target, post(), CONTEXT, HttpReply(200, {}, error)).status == 200
    assert answer(target, post(), CONTEXT, HttpReply(200, failed, "Bad")).status == 200
    assert answer(target, post(), CONTEXT, HttpReply(200, failed, '"Bad x"')).status == 200


def test_a_pattern_that_is_no_regular_expression_is_the_users_to_mend() -> None:
    target = route(responses=(IntegrationResponse("500", "5{"), IntegrationResponse("500", "(")))
    with pytest.raises(TemplateError, match="no regular expression") as raised:
        answer(target, post(), CONTEXT, HttpReply(200))
    assert raised.value.where == "Api: POST /orders/{id}"


def test_throttling_is_a_429() -> None:
    assert throttled(route()).status == 429
    assert "TooManyRequestsException" in throttled(route()).headers.values()
    assert throttled(dataclasses.replace(route(), protocol="HTTP")).status == 429


def test_the_same_request_makes_the_same_call() -> None:
    target = route(
        template="Action=SendMessage&MessageBody=$util.urlEncode($input.body)",
        request_parameters=FORM,
    )
    assert backend_call(target, post("x"), {}, CONTEXT) == backend_call(
        target, post("x"), {}, CONTEXT
    )
