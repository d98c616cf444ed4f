"""The routes of REST and HTTP APIs, from resources, from definitions and from SAM events."""

# ruff: noqa: E501 (templates are easier to read with long lines)

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_storagefirst.errors import TemplateError
from pytest_storagefirst.stack.topology import Route, Topology

StandUp = Callable[..., Topology]

REST_RESOURCES = """
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Role:
    Type: AWS::IAM::Role
    Properties: {AssumeRolePolicyDocument: {Version: 2012-10-17, Statement: []}}
  Api: {Type: AWS::ApiGateway::RestApi, Properties: {Name: api}}
  Orders: {Type: AWS::ApiGateway::Resource, Properties: {RestApiId: !Ref Api, ParentId: !GetAtt Api.RootResourceId, PathPart: orders}}
  Order: {Type: AWS::ApiGateway::Resource, Properties: {RestApiId: !Ref Api, ParentId: !Ref Orders, PathPart: "{id}"}}
  Validator: {Type: AWS::ApiGateway::RequestValidator, Properties: {RestApiId: !Ref Api, ValidateRequestBody: true, ValidateRequestParameters: true}}
  Model: {Type: AWS::ApiGateway::Model, Properties: {RestApiId: !Ref Api, Schema: {type: object, required: [id]}}}
  Auth: {Type: AWS::ApiGateway::Authorizer, Properties: {RestApiId: !Ref Api, Name: people, Type: COGNITO_USER_POOLS, ProviderARNs: ["arn:aws:cognito-idp:us-east-1:1:userpool/x"]}}
  Post:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !Ref Order
      HttpMethod: POST
      AuthorizationType: COGNITO_USER_POOLS
      AuthorizerId: !Ref Auth
      RequestValidatorId: !Ref Validator
      RequestModels: {application/json: !Ref Model}
      RequestParameters: {method.request.path.id: true, method.request.header.X: false}
      Integration:
        Type: AWS
        IntegrationHttpMethod: POST
        Uri: !Sub arn:${AWS::Partition}:apigateway:${AWS::Region}:sqs:path/${AWS::AccountId}/${Queue.QueueName}
        Credentials: !GetAtt Role.Arn
        PassthroughBehavior: NEVER
        ContentHandling: CONVERT_TO_TEXT
        TimeoutInMillis: 5000
        RequestParameters: {integration.request.header.Content-Type: "'application/x-www-form-urlencoded'"}
        RequestTemplates: {application/json: "Action=SendMessage&MessageBody=$util.urlEncode($input.body)"}
        IntegrationResponses:
          - {StatusCode: 202, ResponseTemplates: {application/json: '{"ok": true}'}, ResponseParameters: {method.response.header.A: "'b'"}}
          - {StatusCode: "500", SelectionPattern: '5\\d{2}', ResponseTemplates: {application/json: ""}}
      MethodResponses: [{StatusCode: 202}, {StatusCode: 500}]
  Deployment: {Type: AWS::ApiGateway::Deployment, Properties: {RestApiId: !Ref Api, StageName: leftover}}
  Stage: {Type: AWS::ApiGateway::Stage, Properties: {RestApiId: !Ref Api, DeploymentId: !Ref Deployment, StageName: live, Variables: {a: b}}}
"""


def only(topology: Topology) -> Route:
    (route,) = topology.routes
    return route


def test_a_rest_method_keeps_all_that_the_front_door_needs(stand_up: StandUp) -> None:
    topology = stand_up(REST_RESOURCES)
    route = only(topology)
    assert route.name == "POST /orders/{id}"
    assert (route.protocol, route.api_logical_id, route.stage) == ("REST", "Api", "live")
    assert route.stage_variables == {"a": "b"}
    assert route.authorizer == "people"
    assert route.request_validator
    assert json.loads(route.request_models["application/json"])["required"] == ["id"]
    assert route.required_parameters == ("method.request.path.id",)
    integration = route.integration
    assert integration.kind == "AWS"
    assert integration.uri.endswith(f":sqs:path/123456789012/{topology.queues[0].name}")
    assert integration.http_method == "POST"
    assert topology.logical_ids[integration.credentials] == "Role"
    assert integration.passthrough_behavior == "NEVER"
    assert integration.content_handling == "CONVERT_TO_TEXT"
    assert integration.timeout_milliseconds == 5000
    assert integration.request_templates == {
        "application/json": "Action=SendMessage&MessageBody=$util.urlEncode($input.body)"
    }
    assert list(integration.request_parameters) == ["integration.request.header.Content-Type"]
    default, failed = integration.responses
    assert (default.status, default.selection_pattern) == ("202", None)
    assert default.templates == {"application/json": '{"ok": true}'}
    assert default.parameters == {"method.response.header.A": "'b'"}
    assert (failed.status, failed.selection_pattern) == ("500", "5\\d{2}")
    assert failed.templates == {"application/json": ""}


DEFINITION = """
openapi: 3.0.1
info: {title: orders, version: 1.0}
x-amazon-apigateway-request-validators:
  body: {validateRequestBody: true, validateRequestParameters: false}
x-amazon-apigateway-request-validator: body
security: [{key: []}]
paths:
  /orders/{id}:
    parameters: [{$ref: "#/components/parameters/Id"}]
    post:
      parameters: [{name: q, in: query, required: true}]
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/Order"}}}}
      responses: {"200": {description: ok}, default: {description: else}}
      x-amazon-apigateway-integration:
        type: aws
        httpMethod: POST
        uri: arn:${AWS::Partition}:apigateway:${AWS::Region}:sqs:path/${AWS::AccountId}/q
        passthroughBehavior: never
        requestTemplates: {application/json: "Action=SendMessage&MessageBody=$input.body"}
        responses:
          default: {statusCode: 200, responseTemplates: {application/json: "{}"}}
          "5\\\\d{2}": {statusCode: "502"}
    get:
      description: has no integration
  /any:
    x-amazon-apigateway-any-method:
      security: [{sigv4: []}]
      x-amazon-apigateway-integration:
        type: MOCK
        requestTemplates: {application/json: '{"statusCode": 200}'}
components:
  parameters: {Id: {name: id, in: path, required: true}}
  schemas:
    Order: {type: object, properties: {line: {$ref: "#/components/schemas/Line"}}}
    Line: {type: object}
  securitySchemes:
    key: {type: apiKey, name: x-api-key, in: header}
    sigv4: {type: apiKey, name: Authorization, in: header, x-amazon-apigateway-authtype: awsSigv4}
"""


@pytest.mark.parametrize(
    "api",
    [
        "{Type: AWS::ApiGateway::RestApi, Properties: {Body: {Fn::Transform: {Name: AWS::Include,"
        " Parameters: {Location: api.yaml}}}}}",
        "{Type: AWS::Serverless::Api, Properties: {StageName: live, DefinitionUri: api.yaml}}",
        "{Type: AWS::Serverless::Api, Properties: {StageName: live, DefinitionBody: {Fn::Transform:"
        " {Name: AWS::Include, Parameters: {Location: ./api.yaml}}}}}",
    ],
)
def test_a_rest_definition_is_imported(stand_up: StandUp, tmp_path: Path, api: str) -> None:
    (tmp_path / "api.yaml").write_text(DEFINITION)
    head = "Transform: AWS::Serverless-2016-10-31\n" if "Serverless" in api else ""
    topology = stand_up(f"{head}Resources:\n  Api: {api}\n")
    anything, post = topology.routes
    assert anything.name == "ANY /any"
    assert anything.integration.kind == "MOCK"
    assert anything.authorizer == "AWS_IAM"
    assert post.name == "POST /orders/{id}"
    assert post.stage == ("live" if "Serverless" in api else "")
    assert post.authorizer == ""
    assert post.request_validator
    assert post.required_parameters == ()
    schema = json.loads(post.request_models["application/json"])
    assert schema["properties"]["line"] == {"$ref": "#/definitions/Line"}
    assert schema["definitions"]["Line"] == {"type": "object"}
    assert post.integration.uri == "arn:aws:apigateway:us-east-1:sqs:path/123456789012/q"
    assert post.integration.passthrough_behavior == "NEVER"
    default, failed = post.integration.responses
    assert (default.status, default.selection_pattern) == ("200", None)
    assert (failed.status, failed.selection_pattern) == ("502", "5\\d{2}")


def test_a_swagger_two_definition_is_imported(stand_up: StandUp) -> None:
    operation = {
        "consumes": ["application/json"],
        "parameters": [{"in": "body", "name": "b", "schema": {"type": "object"}}],
        "security": [{"people": []}],
        "x-amazon-apigateway-integration": {
            "type": "aws_proxy",
            "httpMethod": "POST",
            "uri": "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/f/invocations",
        },
    }
    body = {
        "swagger": "2.0",
        "paths": {"/": {"post": operation}},
        "securityDefinitions": {
            "people": {
                "type": "apiKey",
                "name": "Token",
                "in": "header",
                "x-amazon-apigateway-authtype": "custom",
                "x-amazon-apigateway-authorizer": {"type": "token", "authorizerUri": "arn:aws:x"},
            }
        },
    }
    api = {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "a", "Body": body}}
    route = only(stand_up(json.dumps({"Resources": {"Api": api}}), name="t.json"))
    assert route.name == "POST /"
    assert route.authorizer == "people"
    assert json.loads(route.request_models["application/json"]) == {"type": "object"}
    assert route.integration.kind == "AWS_PROXY"


HTTP_RESOURCES = """
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Api: {Type: AWS::ApiGatewayV2::Api, Properties: {Name: api, ProtocolType: HTTP}}
  Send:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Api
      IntegrationType: AWS_PROXY
      IntegrationSubtype: SQS-SendMessage
      PayloadFormatVersion: 1.0
      CredentialsArn: arn:aws:iam::123456789012:role/r
      TimeoutInMillis: 4000
      RequestParameters: {QueueUrl: !Ref Queue, MessageBody: $request.body}
  People:
    Type: AWS::ApiGatewayV2::Authorizer
    Properties: {ApiId: !Ref Api, Name: people, AuthorizerType: JWT, IdentitySource: [$request.header.Authorization], JwtConfiguration: {Issuer: i, Audience: [a]}}
  Post: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Api, RouteKey: POST /orders, Target: !Sub "integrations/${Send}", AuthorizationType: JWT, AuthorizerId: !Ref People}}
  Else: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Api, RouteKey: $default, Target: !Join [/, [integrations, !Ref Send]]}}
  Stage: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref Api, StageName: $default, AutoDeploy: true, StageVariables: {a: b}}}
  Sockets: {Type: AWS::ApiGatewayV2::Api, Properties: {Name: s, ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}}
  Connect: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Sockets, RouteKey: $connect}}
  Deployment: {Type: AWS::ApiGatewayV2::Deployment, Properties: {ApiId: !Ref Sockets}}
"""


def test_an_http_route_keeps_all_that_the_front_door_needs(stand_up: StandUp) -> None:
    topology = stand_up(HTTP_RESOURCES)
    default, post = [route for route in topology.routes if route.protocol == "HTTP"]
    assert default.name == "ANY $default"
    assert default.authorizer == ""
    assert default.integration == post.integration
    assert post.name == "POST /orders"
    assert (post.protocol, post.stage, post.authorizer) == ("HTTP", "$default", "people")
    assert post.stage_variables == {"a": "b"}
    integration = post.integration
    assert (integration.kind, integration.subtype) == ("AWS_PROXY", "SQS-SendMessage")
    assert integration.payload_format_version == "1.0"
    assert integration.credentials == "arn:aws:iam::123456789012:role/r"
    assert integration.timeout_milliseconds == 4000
    url = topology.queues[0].url
    assert integration.request_parameters == {"QueueUrl": url, "MessageBody": "$request.body"}


def test_an_http_definition_is_imported(stand_up: StandUp, tmp_path: Path) -> None:
    (tmp_path / "api.yaml").write_text("""
openapi: 3.0.1
info: {title: t}
paths:
  /orders:
    post:
      security: [{people: [write]}]
      x-amazon-apigateway-integration:
        type: aws_proxy
        integrationSubtype: SQS-SendMessage
        credentials: arn:aws:iam::123456789012:role/r
        payloadFormatVersion: "1.0"
        requestParameters: {QueueUrl: {Ref: Queue}, MessageBody: $request.body}
  /$default:
    x-amazon-apigateway-any-method:
      x-amazon-apigateway-integration: {$ref: "#/components/x-amazon-apigateway-integrations/Web"}
components:
  x-amazon-apigateway-integrations:
    Web: {type: http_proxy, uri: "https://example.test", httpMethod: ANY}
  securitySchemes:
    people:
      type: oauth2
      x-amazon-apigateway-authorizer:
        type: jwt
        identitySource: $request.header.Authorization
        jwtConfiguration: {audience: [a], issuer: "https://issuer.test"}
""")
    text = """
    Transform: AWS::Serverless-2016-10-31
    Resources:
      Queue: {Type: AWS::SQS::Queue}
      Api:
        Type: AWS::Serverless::HttpApi
        Properties:
          DefinitionBody: {Fn::Transform: {Name: AWS::Include, Parameters: {Location: api.yaml}}}
    """
    topology = stand_up(text)
    default, post = [route for route in topology.routes if route.protocol == "HTTP"]
    assert default.name == "ANY $default"
    assert default.integration.kind == "HTTP_PROXY"
    assert default.integration.uri == "https://example.test"
    assert post.authorizer == "people"
    assert post.integration.request_parameters["QueueUrl"] == topology.queues[0].url


def test_sam_events_become_routes(stand_up: StandUp) -> None:
    text = """
    Transform: AWS::Serverless-2016-10-31
    Resources:
      F:
        Type: AWS::Serverless::Function
        Properties:
          Runtime: python3.12
          Handler: app.handler
          Events:
            Rest: {Type: Api, Properties: {Path: /rest, Method: post}}
            Http: {Type: HttpApi, Properties: {Path: "/http/{id}", Method: put}}
            All: {Type: HttpApi}
    """
    topology = stand_up(text)
    routes = {(route.protocol, route.name): route for route in topology.routes}
    assert set(routes) == {
        ("REST", "POST /rest"),
        ("HTTP", "PUT /http/{id}"),
        ("HTTP", "ANY $default"),
    }
    assert routes["REST", "POST /rest"].stage == "Prod"
    for route in routes.values():
        assert route.integration.kind == "AWS_PROXY"
        assert topology.functions[0].arn in route.integration.uri


def test_a_quick_created_http_api(stand_up: StandUp) -> None:
    text = """
    Resources:
      Api: {Type: AWS::ApiGatewayV2::Api, Properties: {Name: a, ProtocolType: HTTP, Target: "https://example.test"}}
    """
    route = only(stand_up(text))
    assert (route.name, route.stage) == ("ANY $default", "$default")
    assert route.integration.kind == "HTTP_PROXY"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{Type: AWS::ApiGateway::RestApi, Properties: {Body: 'x'}}", "is no JSON"),
        ("{Type: AWS::ApiGateway::RestApi, Properties: {Body: {paths: [a]}}}", "is no OpenAPI"),
        (
            "{Type: AWS::ApiGateway::RestApi, Properties: {Body: {paths: {/a: {$ref: '#/b'}}}}}",
            "refers to what isn't there",
        ),
        (
            "{Type: AWS::ApiGateway::RestApi, Properties: {Body: {paths: {/a: {$ref: '#/paths/~1a'}}}}}",
            "refers in a circle",
        ),
        (
            "{Type: AWS::ApiGateway::RestApi, Properties: {Body: {paths: {/: {get: "
            "{x-amazon-apigateway-integration: {type: aws, httpMethod: POST, uri: 'arn:aws:apigateway:"
            "us-east-1:sqs:path/q', credentials: 'arn:aws:iam::999999999999:role/r'}}}}}}}",
            "no role of this account",
        ),
        (
            "{Type: AWS::ApiGateway::RestApi, Properties: {Body: {paths: {/: {get: "
            "{x-amazon-apigateway-integration: {type: aws, httpMethod: POST, uri: nonsense}}}}}}}",
            "AWS refuses AWS::ApiGateway::RestApi",
        ),
        ("{Type: AWS::ApiGatewayV2::Api, Properties: {BodyS3Location: no.yaml}}", "is missing"),
        ("{Type: AWS::ApiGatewayV2::Api, Properties: {BodyS3Location: {Bucket: b}}}", "isn't here"),
    ],
)
def test_a_wrong_definition_is_refused(stand_up: StandUp, text: str, problem: str) -> None:
    with pytest.raises(TemplateError) as caught:
        stand_up(f"Resources:\n  Api: {text}\n")
    assert problem in str(caught.value)
    assert "(Api)" in caught.value.where


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("arn:aws:iam::*:user/*", "arn:aws:iam::123456789012:user/*"),
        ("!ImportValue other-name", "arn:aws:iam::123456789012:role/invented-other-name"),
        ("arn:aws:iam::123456789012:role/r", "arn:aws:iam::123456789012:role/r"),
    ],
)
def test_an_integrations_credentials(stand_up: StandUp, written: str, told: str) -> None:
    text = f"""
    Resources:
      Api:
        Type: AWS::ApiGateway::RestApi
        Properties:
          Body:
            paths:
              /:
                post:
                  x-amazon-apigateway-integration:
                    type: aws
                    httpMethod: POST
                    uri: arn:aws:apigateway:us-east-1:sqs:path/q
                    credentials: {written}
    """
    assert only(stand_up(text)).integration.credentials == told
