"""What a template's policies allow, as far as it can be read without standing anything up.

In doubt it is allowed: a rule accuses only where nothing can be meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from pytest_storagefirst.audit.view import View, joined, listed

# AWS's own that allow nothing on what a stack stores in, and those that allow to read sources.
_IDLE = (
    "AWSLambdaBasicExecutionRole",
    "AWSLambdaVPCAccessExecutionRole",
    "AWSXRayDaemonWriteAccess",
    "AWSXrayWriteOnlyAccess",
    "CloudWatchLambdaInsightsExecutionRolePolicy",
    "AmazonAPIGatewayPushToCloudWatchLogs",
)
_MANAGED = {
    "AWSLambdaSQSQueueExecutionRole": (
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
    ),
    "AWSLambdaKinesisExecutionRole": ("kinesis:Get*", "kinesis:Describe*", "kinesis:List*"),
    "AWSLambdaDynamoDBExecutionRole": (
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:DescribeStream",
        "dynamodb:ListStreams",
    ),
}


class Unknown(Exception):
    """Some of a role's policies can't be read here."""


def allows(view: View, role: str, action: str, resource: str) -> bool:
    """Whether a role of the template may do something with a resource of it; True in doubt."""
    try:
        statements = list(_of_role(view, role))
    except Unknown:
        return True
    return any(_grants(view, one, action, resource) for one in statements)


def names(view: View, role: str, action: str, resource: str) -> bool:
    """Whether a role's policies allow something on this very resource; False in doubt."""
    try:
        statements = list(_of_role(view, role))
    except Unknown:
        return False
    return any(
        _grants(view, one, action, resource)
        and any(resource in view.mentioned(each) for each in listed(one.get("Resource")))
        for one in statements
    )


def allows_any(view: View, role: str, service: str, resource: str) -> bool:
    """Whether a role may do anything of a service with a resource; True in doubt."""
    try:
        statements = list(_of_role(view, role))
    except Unknown:
        return True
    return any(
        _effect(one) and _of_service(one, service) and _about(view, one, resource)
        for one in statements
    )


def carried_allows(view: View, kind: str, key: str, resource: str, service: str) -> bool:
    """Whether a policy of a type (`AWS::SQS::QueuePolicy`) lets a service reach the resource."""
    for _, properties in view.of_type(kind):
        named = listed(properties.get(key))
        if not any(view.pointed_at(one) == resource for one in named):
            if all(view.pointed_at(one) for one in named):
                continue
            return True  # it is for a resource that can't be told
        document = properties.get("PolicyDocument")
        for one in listed(document.get("Statement")) if isinstance(document, Mapping) else []:
            if isinstance(one, Mapping) and _effect(one) and _is_for(one, service):
                return True
    return False


def _is_for(statement: Mapping[str, Any], service: str) -> bool:
    principal = statement.get("Principal")
    if not isinstance(principal, Mapping):
        return True
    if "AWS" in principal:
        return True
    return service in [joined(one) for one in listed(principal.get("Service"))]


def _of_role(view: View, role: str) -> Iterator[Mapping[str, Any]]:
    properties = view.properties(role)
    for arn in listed(properties.get("ManagedPolicyArns")):
        policy = view.pointed_at(arn, "AWS::IAM::ManagedPolicy")
        name = joined(arn).rpartition("/")[2]
        if policy is not None:
            yield from _statements(view.properties(policy).get("PolicyDocument"))
        elif name in _MANAGED:
            yield {"Effect": "Allow", "Action": list(_MANAGED[name]), "Resource": "*"}
        elif name not in _IDLE:
            raise Unknown(name)
    for one in listed(properties.get("Policies")):
        yield from _statements(one.get("PolicyDocument") if isinstance(one, Mapping) else None)
    for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy"):
        for _, attached in view.of_type(kind):
            roles = listed(attached.get("Roles")) + listed(attached.get("RoleName"))
            if any(view.pointed_at(one, "AWS::IAM::Role") == role for one in roles):
                yield from _statements(attached.get("PolicyDocument"))


def _statements(document: Any) -> Iterator[Mapping[str, Any]]:
    if not isinstance(document, Mapping):
        raise Unknown("a policy that is no mapping")
    for one in listed(document.get("Statement")):
        if not isinstance(one, Mapping):
            raise Unknown("a statement that is no mapping")
        yield one


def _effect(statement: Mapping[str, Any]) -> bool:
    return bool(statement.get("Effect", "Allow") == "Allow")


def _grants(view: View, statement: Mapping[str, Any], action: str, resource: str) -> bool:
    if not _effect(statement):
        return False
    if "Action" in statement and not any(
        fnmatchcase(action.lower(), joined(one).lower()) for one in listed(statement["Action"])
    ):
        return False
    return _about(view, statement, resource)


def _of_service(statement: Mapping[str, Any], service: str) -> bool:
    if "Action" not in statement:
        return True
    actions = [joined(one).lower() for one in listed(statement["Action"])]
    return any(one == "*" or one.startswith(f"{service}:") for one in actions)


def _about(view: View, statement: Mapping[str, Any], resource: str) -> bool:
    """Whether a statement may be about a resource: not when all that it names are others."""
    if "Resource" not in statement:
        return True
    for one in listed(statement["Resource"]):
        named = view.mentioned(one)
        if not named or resource in named:
            return True
    return False
