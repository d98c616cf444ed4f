"""AWS::Lambda types. moto keeps a stand-in for the code, which it never runs."""

from __future__ import annotations

import io
import uuid
import zipfile
from functools import cache
from typing import Any

from botocore.exceptions import ClientError

from .model import Making, Properties, Resource

_FUNCTION_PROPERTIES = (
    "Architectures",
    "DeadLetterConfig",
    "Description",
    "Environment",
    "EphemeralStorage",
    "Handler",
    "MemorySize",
    "PackageType",
    "Role",
    "Runtime",
    "Timeout",
)
_FORGOTTEN = ("DeadLetterConfig", "TenancyConfig")


_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


@cache
def _archive() -> bytes:
    """A code archive, the same on every machine."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        entry = zipfile.ZipInfo("index.py", (1980, 1, 1, 0, 0, 0))
        archive.writestr(entry, "# storagefirst runs the real code from its folder\n")
    return content.getvalue()


def function(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-lambda-function.html"""
    name = properties.get("FunctionName") or making.name(64)
    code = properties.get("Code")
    image = code.get("ImageUri") if isinstance(code, dict) else None
    specification = {key: properties[key] for key in _FUNCTION_PROPERTIES if key in properties}
    specification["Role"] = _standing_role(making, making.require(properties, "Role"))
    if image:
        specification |= {"Code": {"ImageUri": image}, "PackageType": "Image"}
    else:
        making.require(properties, "Handler")
        making.require(properties, "Runtime")
        specification["Code"] = {"ZipFile": _archive()}
    specification["FunctionName"] = name
    layers = [arn for arn in properties.get("Layers") or [] if _layer_exists(making, arn)]
    if layers:
        specification["Layers"] = layers
    arn = making.call("lambda", "create_function", specification)["FunctionArn"]
    reserved = properties.get("ReservedConcurrentExecutions")
    if reserved is not None:
        concurrency = {"FunctionName": name, "ReservedConcurrentExecutions": reserved}
        making.call("lambda", "put_function_concurrency", concurrency)
    forgotten = {key: properties[key] for key in _FORGOTTEN if key in properties}
    if forgotten:
        _keep(making, name, forgotten)
    return Resource(name, {"Arn": arn})


def _keep(making: Making, name: str, told: dict[str, Any]) -> None:
    """moto forgets a function's DLQ and tenancy; `get_function_configuration` has to show them."""
    from moto.awslambda.models import lambda_backends

    made = lambda_backends[making.account][making.region].get_function(name)
    configuration = made.get_configuration
    made.get_configuration = lambda *args, **named: {  # type: ignore[method-assign]
        **configuration(*args, **named),
        **told,
    }


def _standing_role(making: Making, role: Any) -> Any:
    """A role that the template doesn't make gets a stand-in: moto asks that it exist."""
    arn = making.role_arn(role)
    prefix = f"arn:aws:iam::{making.account}:role/"
    if isinstance(arn, str) and arn.startswith(prefix):
        path, _, name = arn.removeprefix(prefix).rpartition("/")
        try:
            making.call("iam", "get_role", {"RoleName": name})
        except ClientError:
            request = {"RoleName": name, "AssumeRolePolicyDocument": _TRUST}
            making.call("iam", "create_role", {**request, "Path": f"/{path}/" if path else "/"})
    return arn


def _layer_exists(making: Making, arn: Any) -> bool:
    """A layer of another account can't be attached in moto; the template's notes name it."""
    if not isinstance(arn, str) or arn.count(":") != 7:
        return False
    name, _, number = arn.rpartition(":")
    try:
        making.call("lambda", "get_layer_version", {"LayerName": name, "VersionNumber": number})
    except ClientError:
        return False
    return True


def version(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-lambda-version.html"""
    name = making.require(properties, "FunctionName")
    published = making.call("lambda", "publish_version", {"FunctionName": name})
    arn, number = published["FunctionArn"], published["Version"]
    if not arn.endswith(f":{number}"):
        arn = f"{arn}:{number}"
    return Resource(arn, {"Version": number, "FunctionArn": arn})


def alias(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-lambda-alias.html"""
    for name in ("FunctionName", "FunctionVersion", "Name"):
        making.require(properties, name)
    arn = making.call("lambda", "create_alias", properties)["AliasArn"]
    return Resource(arn, {"AliasArn": arn})


def permission(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-lambda-permission.html"""
    statement = making.name(100)
    name, _, qualifier = _without_qualifier(making.require(properties, "FunctionName"))
    specification = {**properties, "FunctionName": name, "StatementId": statement}
    if qualifier:
        specification["Qualifier"] = qualifier
    if _exists(making, name):  # a permission may be for a function of another stack
        making.call("lambda", "add_permission", specification)
    return Resource(statement, {"Id": statement})


def _without_qualifier(name: str) -> tuple[str, str, str]:
    if not name.startswith("arn:"):
        return name.partition(":")
    parts = name.split(":")
    return ":".join(parts[:7]), ":", parts[7] if len(parts) > 7 else ""


def _exists(making: Making, name: str) -> bool:
    try:
        making.call("lambda", "get_function", {"FunctionName": name})
    except ClientError:
        return False
    return True


def layer(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-lambda-layerversion.html"""
    specification = {
        "LayerName": properties.get("LayerName") or making.name(100),
        "Content": {"ZipFile": _archive()},
    }
    arn = making.call("lambda", "publish_layer_version", specification)["LayerVersionArn"]
    return Resource(arn, {"LayerVersionArn": arn})


def event_source_mapping(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-lambda-eventsourcemapping.html

    A mapping from a source of another stack, or from a kind of source that plays no part, stands
    without being made.
    """
    source = properties.get("EventSourceArn")
    service = source.split(":")[2] if isinstance(source, str) and source.count(":") > 4 else ""
    if service not in ("sqs", "kinesis", "dynamodb") or making.is_external(source):
        unmade = str(uuid.uuid5(uuid.NAMESPACE_URL, making.name(64)))  # asked for by its form alone
        return Resource(unmade, {"Id": unmade})
    making.require(properties, "FunctionName")
    if service != "sqs":
        making.require(properties, "StartingPosition")
    made = making.call("lambda", "create_event_source_mapping", properties)
    arn = f"arn:aws:lambda:{making.region}:{making.account}:event-source-mapping:{made['UUID']}"
    return Resource(made["UUID"], {"Id": made["UUID"], "EventSourceMappingArn": arn})


def event_invoke_config(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-lambda-eventinvokeconfig.html"""
    name = making.require(properties, "FunctionName")
    specification = {key: value for key, value in properties.items() if key != "Qualifier"}
    making.call("lambda", "put_function_event_invoke_config", specification)
    return Resource(f"{name}|{properties.get('Qualifier', '$LATEST')}")


HANDLERS = {
    "AWS::Lambda::Alias": alias,
    "AWS::Lambda::EventInvokeConfig": event_invoke_config,
    "AWS::Lambda::EventSourceMapping": event_source_mapping,
    "AWS::Lambda::Function": function,
    "AWS::Lambda::LayerVersion": layer,
    "AWS::Lambda::Permission": permission,
    "AWS::Lambda::Version": version,
}
