"""Whether the stack's policies allow what the stack does, and which of them is missing if not.

moto lets everything pass. Nothing is said where a role or a resource is another stack's, or where a
call or a condition is not known here.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_storagefirst.simulation.configurations import configuration_asked
from pytest_storagefirst.simulation.permissions.actions import Need, Place, needs, owner_of
from pytest_storagefirst.simulation.permissions.evaluation import (
    ALLOWED,
    DENIED_BY_RESOURCE,
    DENIED_BY_ROLE,
    IMPLICITLY_DENIED,
    Request,
    decide,
)
from pytest_storagefirst.stack.topology import EventSourceMapping, Function, Topology

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.deployed import Deployed

# Keys that calls carry, or that they are known not to carry: a role's call has no source.
_OF_ROLES: Mapping[str, str | None] = {
    "aws:principalisawsservice": "false",
    "aws:securetransport": "true",
    "aws:sourceaccount": None,
    "aws:sourcearn": None,
    "aws:sourceowner": None,
    "aws:viaawsservice": "false",
}
_OF_SERVICES: Mapping[str, str | None] = {
    "aws:principalisawsservice": "true",
    "aws:securetransport": "true",
    "aws:sourceowner": None,
}
# What a queue or topic that is encrypted with a key of the user's asks of whom besides (SQS:
# sqs-key-management; SNS: sns-key-management). AWS's own key asks nothing of the account's roles,
# and lets in no service that comes without one (the same pages: an event source needs another key).
_ENCRYPTING = ("kms:GenerateDataKey", "kms:Decrypt")
_OF_KEYS = {
    "sns:Publish": _ENCRYPTING,
    "sqs:ReceiveMessage": ("kms:Decrypt",),
    "sqs:SendMessage": _ENCRYPTING,
}
# What Lambda's pollers do with the function's role (services-sqs-configure,
# services-kinesis-create, services-ddb-create): AWSLambda…ExecutionRole, without logs.
_POLLED = {
    "sqs": ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
    "kinesis": ("kinesis:GetRecords", "kinesis:GetShardIterator"),
    "dynamodb": ("dynamodb:GetRecords", "dynamodb:GetShardIterator"),
}
# What a service does with its target, by the service in the target's ARN.
_DELIVERING = {
    "events": "events:PutEvents",
    "firehose": "firehose:PutRecord",
    "kinesis": "kinesis:PutRecord",
    "lambda": "lambda:InvokeFunction",
    "sns": "sns:Publish",
    "sqs": "sqs:SendMessage",
    "states": "states:StartExecution",
}
_CARRIES_POLICY = frozenset({"events", "lambda", "sns", "sqs"})
_SIMPLE = frozenset(
    f"dynamodb.{name}" for name in ("DeleteItem", "GetItem", "PutItem", "UpdateItem")
) | frozenset(
    f"sqs.{name}"
    for name in ("ChangeMessageVisibility", "DeleteMessage", "SendMessage", "SendMessageBatch")
)
# Of such a call's JSON: inside a message or an item these quotes would be escaped, or be followed
# by no text.
_NAMED = re.compile(rb'"(?:QueueUrl|TableName)": "([^"]*)"')


@dataclass(frozen=True)
class Refusal:
    """What a policy does not allow. `reading` says so for people, `message` in AWS's words.

    `principal` is a role's ARN or a service, `action` "sqs:SendMessage", `resource` an ARN or "*".
    """

    principal: str
    action: str
    resource: str
    reading: str
    message: str

    @property
    def code(self) -> str:
        """The error's code, where it is not the service's own; "" where it is."""
        return "KMS.AccessDeniedException" if self.action.startswith("kms:") else ""


class Permissions:
    """The decisions of one deployed stack, each made once."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._policies = topology.policies
        names = {**topology.logical_ids}
        for key, arn in self._policies.key_arns.items():
            names.setdefault(arn, names.get(key, key))
        self._place = Place(topology.region, topology.account, names, self._policies.key_arns)
        self._of_calls: dict[tuple[str, str, str | bytes], Refusal | None] = {}
        self._of_mappings: dict[str, Refusal | None] = {}
        self._decided: dict[tuple[str, str, str | None], Refusal | None] = {}

    def of_call(
        self, role_arn: str, point: str, request: Mapping[str, Any], client: Any
    ) -> Refusal | None:
        """Why a role's call is refused. `point` is "sqs.SendMessage", `request` as botocore's."""
        if role_arn not in self._policies.roles:
            return None
        body = request["body"]
        named = _NAMED.search(body) if point in _SIMPLE and isinstance(body, bytes) else None
        if named is None:
            refused = self._of_request(role_arn, point, request)
        else:
            key = (role_arn, point, named[1])
            if key not in self._of_calls:
                self._of_calls[key] = self._of_request(role_arn, point, request)
            refused = self._of_calls[key]
        return refused if refused is not None and _signs_as_role(client) else None

    def _of_request(self, role_arn: str, point: str, request: Mapping[str, Any]) -> Refusal | None:
        service, _, operation = point.partition(".")
        parameters = _parameters(service, request)
        if service == "appconfigdata":  # who says what is asked for by name, or by a token
            parameters = configuration_asked(self._topology, parameters)
        return self.of_operation(role_arn, service, operation, parameters)

    def of_operation(
        self, role_arn: str, service: str, operation: str, parameters: Mapping[str, Any]
    ) -> Refusal | None:
        """Why a role may not do this, with parameters as boto3 takes them; None when it may."""
        if role_arn not in self._policies.roles:
            return None
        if service != "sqs" or operation != "SendMessage":
            return self._first(role_arn, needs(service, operation, parameters, self._place))
        key = (role_arn, operation, str(parameters.get("QueueUrl")))
        if key not in self._of_calls:
            asked = needs(service, operation, parameters, self._place)
            self._of_calls[key] = self._first(role_arn, asked)
        return self._of_calls[key]

    def of_mapping(self, mapping: EventSourceMapping, function: Function) -> Refusal | None:
        """Why Lambda can't poll a mapping's source with the function's role."""
        if mapping.uuid not in self._of_mappings:
            service = mapping.source_arn.split(":")[2]
            asked = tuple((action, mapping.source_arn) for action in _POLLED.get(service, ()))
            self._of_mappings[mapping.uuid] = self._first(function.role_arn, asked)
        return self._of_mappings[mapping.uuid]

    def of_delivery(
        self, service: str, source_arn: str, target_arn: str, role_arn: str | None, action: str = ""
    ) -> Refusal | None:
        kind = target_arn.split(":")[2] if target_arn.startswith("arn:") else ""
        action = action or _DELIVERING.get(kind, "")
        if not action:
            return None
        if role_arn:
            return self._first(role_arn, ((action, target_arn),))
        owner = owner_of(target_arn)
        if kind not in _CARRIES_POLICY or owner not in self._policies.resources:
            return None
        source: dict[str, str | None] = {
            **_OF_SERVICES,
            "aws:sourceaccount": self._topology.account,
            "aws:sourcearn": source_arn,
        }
        request = Request(action, target_arn, service, self._topology.account, source)
        decision = decide(request, None, self._policies.resources[owner])
        if decision != ALLOWED:
            return self._refusal(request, decision, source_arn)
        if owner in self._policies.aws_keys:
            request = Request(_ENCRYPTING[0], self._policies.aws_keys[owner], service, "", {})
            refused = self._refusal(request, IMPLICITLY_DENIED, source_arn)
            reading = f"{refused.reading}: {self._label(owner)} needs a key of the stack's own"
            return replace(refused, reading=reading)
        key = self._policies.keys.get(owner)
        for wanted in _ENCRYPTING if key is not None else ():
            # Which source the key is told of depends on the service.
            request = Request(wanted, key, service, self._topology.account, _OF_SERVICES)
            decision = decide(request, None, self._policies.resources.get(key or ""))
            if decision != ALLOWED:
                return self._refusal(request, decision, source_arn)
        return None

    def _first(self, role_arn: str, asked: tuple[Need, ...]) -> Refusal | None:
        for action, arn in asked:
            refused = self._of_role(role_arn, action, arn)
            key = self._policies.keys.get(arn or "")
            for wanted in _OF_KEYS.get(action, ()) if key is not None else ():
                refused = refused or self._of_role(role_arn, wanted, key)
            if refused is not None:
                return refused
        return None

    def _of_role(self, role_arn: str, action: str, arn: str | None) -> Refusal | None:
        key = (role_arn, action, arn)
        if key not in self._decided:
            self._decided[key] = self._decide(role_arn, action, arn)
        return self._decided[key]

    def _decide(self, role_arn: str, action: str, arn: str | None) -> Refusal | None:
        role = self._policies.roles.get(role_arn)
        if role is None:
            return None
        account = self._topology.account
        keys = {
            **_OF_ROLES,
            "aws:principalaccount": account,
            "aws:principalarn": role_arn,
            "aws:requestedregion": self._topology.region,
        }
        request = Request(action, arn, role_arn, account, keys)
        carried = self._policies.resources.get(owner_of(arn)) if arn else None
        decision = decide(request, role.documents, carried)
        return None if decision == ALLOWED else self._refusal(request, decision)

    def _refusal(self, request: Request, decision: str, source_arn: str = "") -> Refusal:
        place = self._label(request.resource)
        action, arn = request.action, request.resource or "*"
        role = self._policies.roles.get(request.principal)
        if role is None:
            who = f"{request.principal} ({self._label(source_arn)})"
            user = request.principal
            reading = {
                IMPLICITLY_DENIED: f"no policy of {place} allows {action} to {who}",
            }.get(decision, f"the policy of {place} denies {action} to {who}")
        else:
            user = f"arn:aws:sts::{request.account}:assumed-role/{role.name}/{role.logical_id}"
            reading = {
                DENIED_BY_RESOURCE: f"the policy of {place} denies {action} to {role.logical_id}",
                DENIED_BY_ROLE: f"{role.logical_id} denies {action} on {place}",
            }.get(decision, f"{role.logical_id} allows no {action} on {place}")
            if action.startswith("kms:") and decision == IMPLICITLY_DENIED:
                reading += f", nor does {place}'s key policy let it"
        why = {
            DENIED_BY_RESOURCE: "with an explicit deny in a resource-based policy",
            DENIED_BY_ROLE: "with an explicit deny in an identity-based policy",
        }.get(
            decision,
            f"because no {'identity' if role else 'resource'}-based policy allows the "
            f"{action} action",
        )
        message = f"User: {user} is not authorized to perform: {action} on resource: {arn} {why}"
        return Refusal(request.principal, action, arn, reading, message)

    def _label(self, arn: str | None) -> str:
        """What the template calls a resource, with what follows its own name."""
        if arn is None:
            return "any resource"
        owner = owner_of(arn)
        rule = "|".join(owner.split("/")[1:])  # as CloudFormation calls a bus's rule
        logical_id = self._place.names.get(owner) or self._place.names.get(rule)
        return arn if logical_id is None else logical_id + arn[len(owner) :]


def _signs_as_role(client: Any) -> bool:
    """Whether a client has the function's own credentials; of others nothing is known."""
    credentials = getattr(getattr(client, "_request_signer", None), "_credentials", None)
    own = os.environ.get("AWS_ACCESS_KEY_ID")
    return credentials is None or own is None or credentials.access_key == own


_FUNCTION = re.compile(r"/functions/([^/]+)/")


def _parameters(service: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
    """A call's parameters, read from what botocore is about to send."""
    if service == "s3":
        return dict(request.get("context", {}).get("s3_redirect", {}).get("params") or {})
    if service == "lambda":
        from urllib.parse import unquote

        found = _FUNCTION.search(request.get("url_path", ""))
        qualifier = (request.get("query_string") or {}).get("Qualifier")
        return {"FunctionName": unquote(found[1]) if found else "", "Qualifier": qualifier}
    if service == "appconfigdata" and request.get("query_string"):
        return dict(request["query_string"])
    body = request["body"]
    if isinstance(body, Mapping):  # the query protocol: SNS
        return body
    try:
        said = json.loads(body or b"{}")
    except (TypeError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def permissions_of(deployed: Deployed) -> Permissions:
    """A deployed stack's permissions, made once."""
    found = deployed.lookups.get("permissions")
    if found is None:
        found = deployed.lookups["permissions"] = Permissions(deployed.topology)
    made: Permissions = found
    return made


def may_poll(simulation: Any, mapping: EventSourceMapping, function: Function) -> bool:
    """Whether Lambda may read a mapping's source; the history says why not."""
    refused: Refusal | None = simulation.permissions.of_mapping(mapping, function)
    if refused is not None:
        simulation.record("denied", (), mapping.logical_id, refused.reading)
    return refused is None


def may_deliver(
    simulation: Any,
    service_principal: str,
    source_arn: str,
    target_arn: str,
    role_arn: str | None = None,
    action: str = "",
) -> Refusal | None:
    """Why a service may not deliver from a source to its target; None when it may, or nobody knows.

    `service_principal` is "s3.amazonaws.com", "sns.amazonaws.com", "events.amazonaws.com", … With
    a role (a rule's target, a pipe, a schedule) the role must allow it; without one the target's
    own policy must, and its key's where it is encrypted. `action` is what it does there, where that
    is not what services do. Pages: S3
    grant-destinations-permissions-to-s3, SNS subscribe-sqs-queue-to-sns-topic, EventBridge
    eb-use-resource-based.
    """
    permissions: Permissions = permissions_of(simulation.deployed)
    return permissions.of_delivery(service_principal, source_arn, target_arn, role_arn, action)
