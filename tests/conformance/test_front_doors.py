"""AWS's rules 34 to 36. Pages are of the API Gateway developer guide unless named otherwise."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_storagefirst.simulation.frontdoor import (
    BackendCall,
    BackendFailure,
    GatewayContext,
    HttpReply,
    HttpRequest,
    acknowledged,
    answer,
    backend_call,
)
from pytest_storagefirst.stack.topology import Integration, IntegrationResponse, Route

CONTEXT = GatewayContext("123456789012", "eu-west-1", "request-1", 0)
QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
FORM = {"integration.request.header.Content-Type": "'application/x-www-form-urlencoded'"}
JSON, XML = "application/json", "application/xml"


def rest(**integration: Any) -> Route:
    integration.setdefault("uri", "arn:aws:apigateway:eu-west-1:sqs:path/123456789012/orders")
    integration.setdefault("responses", (IntegrationResponse("200"),))
    return Route("Api", "a", "REST", "POST", "/", "prod", Integration("AWS", **integration))


def http(subtype: str, **parameters: str) -> Route:
    integration = Integration("AWS_PROXY", subtype=subtype, request_parameters=parameters)
    return Route("Api", "a", "HTTP", "POST", "/", "$default", integration)


def post(body: str, content_type: str | None = JSON) -> HttpRequest:
    return HttpRequest(
        "POST", "/", {"Content-Type": content_type} if content_type else {}, {}, body
    )


def called(route: Route, request: HttpRequest) -> BackendCall:
    made = backend_call(route, request, {}, CONTEXT)
    assert isinstance(made, BackendCall), made
    return made


TRANSFORMED, AS_IS, REJECTED = "transformed", "as it is", "415"


@pytest.mark.parametrize(
    ("template_for", "content_type", "behavior", "expected"),
    [
        *(
            (JSON, None, behavior, TRANSFORMED)
            for behavior in ("WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER")
        ),
        *(
            (JSON, JSON, behavior, TRANSFORMED)
            for behavior in ("WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER")
        ),
        (JSON, f"{JSON}; charset=UTF-8", "NEVER", TRANSFORMED),
        (JSON, XML, "WHEN_NO_MATCH", AS_IS),
        (JSON, XML, "WHEN_NO_TEMPLATES", REJECTED),
        (JSON, XML, "NEVER", REJECTED),
        (XML, None, "WHEN_NO_MATCH", AS_IS),
        (XML, JSON, "WHEN_NO_TEMPLATES", REJECTED),
        (XML, JSON, "NEVER", REJECTED),
        (XML, XML, "NEVER", TRANSFORMED),
        (None, JSON, "WHEN_NO_MATCH", AS_IS),
        (None, JSON, "WHEN_NO_TEMPLATES", AS_IS),
        (None, JSON, "NEVER", REJECTED),
    ],
)
def test_34_the_content_type_chooses_the_template_and_passthrough_the_rest(
    template_for: str | None, content_type: str | None, behavior: str, expected: str
) -> None:
    """integration-passthrough-behaviors, examples 1 to 3; request-response-data-mappings."""
    templates = {template_for: "transformed"} if template_for else {}
    route = rest(
        uri="https://example.org/",
        request_templates=templates,
        passthrough_behavior=behavior,
    )
    outcome = backend_call(route, post("as it is", content_type), {}, CONTEXT)
    if expected == REJECTED:
        assert isinstance(outcome, HttpReply)
        assert outcome.status == 415
    else:
        assert isinstance(outcome, BackendCall)
        assert outcome.body == expected


def test_34_the_default_response_tells_200_for_a_backend_error() -> None:
    """api-gateway-integration-settings-integration-response: an empty pattern catches the rest."""
    route = rest(responses=(IntegrationResponse("200"),))
    reply = answer(route, post("{}"), CONTEXT, HttpReply(403, {}, '{"Error": {}}'))
    assert reply.status == 200
    assert acknowledged(route, reply, '{"Error": {}}')


def test_34_the_selection_pattern_is_matched_against_the_whole_status() -> None:
    """API_IntegrationResponse (API reference), selectionPattern."""
    responses = (
        IntegrationResponse("200"),
        IntegrationResponse("400", r"4\d{2}"),
        IntegrationResponse("502", "5"),
        IntegrationResponse("503", r"[45]\d\d"),
    )
    route = rest(responses=responses)
    told = {
        status: answer(route, post("{}"), CONTEXT, HttpReply(status)).status
        for status in (200, 201, 404, 500)
    }
    assert told == {200: 200, 201: 200, 404: 400, 500: 503}
    assert not acknowledged(route, answer(route, post("{}"), CONTEXT, HttpReply(404)), "")


def test_34_without_a_default_response_an_unmatched_status_is_a_500() -> None:
    """supported-gateway-response-types, API_CONFIGURATION_ERROR."""
    route = rest(responses=(IntegrationResponse("200", r"2\d{2}"),))
    assert answer(route, post("{}"), CONTEXT, HttpReply(200)).status == 200
    assert answer(route, post("{}"), CONTEXT, HttpReply(400)).status == 500


def test_34_an_integration_that_never_answers_is_a_504() -> None:
    """supported-gateway-response-types: INTEGRATION_TIMEOUT, INTEGRATION_FAILURE."""
    route = rest()
    assert route.integration.timeout_milliseconds == 29_000
    for kind in ("timeout", "connection"):
        assert answer(route, post("{}"), CONTEXT, BackendFailure(kind)).status == 504


def test_34_request_overrides_replace_mapped_headers() -> None:
    """apigateway-override-request-response-parameters."""
    template = (
        '#set($context.requestOverride.header.X-Amz-Target = "AWSEvents.PutEvents")$input.body'
    )
    route = rest(
        uri="arn:aws:apigateway:eu-west-1:events:action/PutEvents",
        request_templates={JSON: template},
        request_parameters={"integration.request.header.X-Amz-Target": "'mapped'"},
    )
    body = '{"Entries": [{"Source": "s", "DetailType": "t", "Detail": "{}"}]}'
    made = called(route, post(body))
    assert made.headers["X-Amz-Target"] == "AWSEvents.PutEvents"
    assert (made.operation, made.parameters) == ("PutEvents", json.loads(body))


def test_35_parameters_are_mapped_from_the_request() -> None:
    """http-api-develop-integrations-aws-services, mapping request parameters."""
    route = http(
        "SQS-SendMessage",
        QueueUrl="$request.header.queueUrl",
        MessageBody="$request.body.message",
    )
    request = HttpRequest("POST", "/", {"queueurl": QUEUE}, {}, '{"message": {"a": "&+%"}}')
    made = called(route, request)
    assert made.parameters == {"QueueUrl": QUEUE, "MessageBody": '{"a":"&+%"}'}


def test_35_the_whole_body_is_passed_as_it_came() -> None:
    """http-api-develop-integrations-aws-services: request body passthrough."""
    body = '{ "note": "a&b=c+d %41 \\"é\\"" }'
    made = called(http("SQS-SendMessage", QueueUrl=QUEUE, MessageBody="$request.body"), post(body))
    assert made.parameters == {"QueueUrl": QUEUE, "MessageBody": body}


def test_35_the_sender_gets_the_backends_status() -> None:
    """http-api-develop-integrations-aws-services: no response is mapped in between."""
    route = http("SQS-SendMessage", QueueUrl=QUEUE, MessageBody="$request.body")
    for status in (200, 400, 403, 503):
        backend = HttpReply(status, {}, "whatever")
        assert answer(route, post("{}"), CONTEXT, backend) == backend
        assert acknowledged(route, backend, "whatever") is (status == 200)


def test_35_put_events_can_be_a_200_with_a_failed_entry() -> None:
    """API_PutEvents (EventBridge API reference): failed entries come with HTTP 200."""
    route = http("EventBridge-PutEvents", Detail="$request.body", DetailType="t", Source="s")
    body = '{"FailedEntryCount":1,"Entries":[{"ErrorCode":"InternalFailure"}]}'
    reply = answer(route, post("{}"), CONTEXT, HttpReply(200, {}, body))
    assert reply.status == 200
    assert not acknowledged(route, reply, body)


def test_36_an_action_goes_into_the_query() -> None:
    """api-gateway-api-integration-types; API_Integration (API reference), uri."""
    route = rest(
        uri="arn:aws:apigateway:eu-west-1:kinesis:action/PutRecord",
        request_templates={JSON: '{"StreamName":"s","Data":"eA==","PartitionKey":"p"}'},
    )
    made = called(route, post("{}"))
    assert made.url == "https://kinesis.eu-west-1.amazonaws.com/?Action=PutRecord"
    assert made.parameters == {"StreamName": "s", "Data": b"x", "PartitionKey": "p"}


def stored(template: str, body: str) -> Any:
    route = rest(request_templates={JSON: template}, request_parameters=FORM)
    made = called(route, post(body))
    assert made.url == QUEUE
    assert made.parameters is not None
    return made.parameters["MessageBody"]


@pytest.mark.parametrize(
    ("body", "arrives"),
    [
        ('{"note":"plain"}', '{"note":"plain"}'),
        ('{"note":"salt & pepper"}', '{"note":"salt '),
        ('{"note":"1 + 1"}', '{"note":"1   1"}'),
        ('{"note":"%41"}', '{"note":"A"}'),
        ('{"note":"a=b"}', '{"note":"a=b"}'),
    ],
)
def test_36_a_form_body_that_is_not_encoded_is_cut_and_changed(body: str, arrives: str) -> None:
    """making-api-requests-xml (SQS developer guide): parameters are form-encoded."""
    assert stored("Action=SendMessage&MessageBody=$input.body", body) == arrives
    assert stored("Action=SendMessage&MessageBody=$util.urlEncode($input.body)", body) == body


def test_36_without_the_forms_content_type_sqs_finds_no_operation() -> None:
    """api-gateway-rest-api-sqs-errors (AWS knowledge centre): UnknownOperationException."""
    template = "Action=SendMessage&MessageBody=$util.urlEncode($input.body)"
    made = called(rest(request_templates={JSON: template}), post("{}"))
    assert made.refused is not None
    assert "UnknownOperationException" in made.refused.body
    assert answer(rest(), post("{}"), CONTEXT, made.refused).status == 200
