"""Who may do what in a deployed stack: its roles' policies, and those that resources carry.

Read through AWS APIs alone, like the rest of the topology. What can't be read, and what belongs to
another stack, is not in here: nothing may be said about it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Resources = Iterable[tuple[str, str, str]]  # logical id, type, physical id


@dataclass(frozen=True)
class Role:
    """A role of the stack and all its policies, inline and attached, as JSON texts."""

    logical_id: str
    name: str
    arn: str
    documents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Policies:
    """What a stack's policies are, by ARN.

    `resources` holds the policy that a resource carries, "" where it has none. `keys` says by which
    KMS key of the stack a queue or topic is encrypted, `key_arns` which key an id or alias is, and
    `aws_keys` which key of AWS's own ("alias/aws/sqs") a queue or topic is encrypted with.
    """

    roles: Mapping[str, Role] = field(default_factory=dict)
    resources: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    key_arns: Mapping[str, str] = field(default_factory=dict)
    aws_keys: Mapping[str, str] = field(default_factory=dict)


def read_policies(
    client: Callable[[str], Any],
    resources: Resources,
    carried: Mapping[str, str],
    encrypted: Mapping[str, str],
) -> Policies:
    """The policies of a stack's roles and resources.

    `client` gives a boto3 client. What discovery has seen already comes with it: the policies that
    queues carry and the ids of the keys that they are encrypted with, by ARN.
    """
    roles: dict[str, Role] = {}
    managed: dict[str, str] = {}
    policies, keys, key_arns = dict(carried), dict(encrypted), dict[str, str]()
    for logical_id, kind, physical in resources:
        if kind == "AWS::IAM::Role":
            role = _readable(_role, client("iam"), logical_id, physical, managed)
            if role is not None:
                roles[role.arn] = role
        elif kind in ("AWS::KMS::Key", "AWS::KMS::Alias"):
            found = _readable(_key, client("kms"), physical)
            if found is not None:
                key_arns[physical] = key_arns[found[0]] = found[0]
                policies[found[0]] = found[1]
        elif kind == "AWS::SNS::Topic":
            attributes = _readable(_topic, client("sns"), physical)
            if attributes is not None:
                policies[physical] = attributes.get("Policy") or ""
                keys[physical] = attributes.get("KmsMasterKeyId") or ""
        elif kind in _CARRYING:
            service, read = _CARRYING[kind]
            arn_and_policy = _readable(read, client(service), physical)
            if arn_and_policy is not None:
                policies[arn_and_policy[0]] = arn_and_policy[1]
    known = {arn: key_arns[key] for arn, key in keys.items() if key in key_arns}
    aws_keys = {arn: key for arn, key in keys.items() if "alias/aws/" in key}
    return Policies(roles, policies, known, key_arns, aws_keys)


def _readable(read: Callable[..., Any], *arguments: Any) -> Any:
    """What is read, or None where the account or the service refuses it."""
    from botocore.exceptions import ClientError

    try:
        return read(*arguments)
    except ClientError:
        return None


def _or_none(client: Any, read: Callable[[], Any]) -> str:
    """A policy's text, "" where the resource carries none."""
    try:
        return str(read() or "")
    except client.exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in _NO_POLICY:
            raise
        return ""


_NO_POLICY = ("404", "NoSuchBucketPolicy", "PolicyNotFoundException", "ResourceNotFoundException")


def _role(iam: Any, logical_id: str, name: str, managed: dict[str, str]) -> Role:
    arn = iam.get_role(RoleName=name)["Role"]["Arn"]
    documents = []
    for page in iam.get_paginator("list_role_policies").paginate(RoleName=name):
        for policy in page["PolicyNames"]:
            found = iam.get_role_policy(RoleName=name, PolicyName=policy)
            documents.append(_text(found["PolicyDocument"]))
    for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=name):
        for attached in page["AttachedPolicies"]:
            policy = attached["PolicyArn"]
            if policy not in managed:
                version = iam.get_policy(PolicyArn=policy)["Policy"]["DefaultVersionId"]
                found = iam.get_policy_version(PolicyArn=policy, VersionId=version)
                managed[policy] = _text(found["PolicyVersion"]["Document"])
            documents.append(managed[policy])
    return Role(logical_id, name, arn, tuple(documents))


def _text(document: Any) -> str:
    """boto3 decodes IAM's policies; other services' come as text."""
    return document if isinstance(document, str) else json.dumps(document)


def _key(kms: Any, physical: str) -> tuple[str, str]:
    arn = kms.describe_key(KeyId=physical)["KeyMetadata"]["Arn"]
    return arn, kms.get_key_policy(KeyId=arn, PolicyName="default")["Policy"]


def _topic(sns: Any, arn: str) -> Mapping[str, str]:
    attributes: Mapping[str, str] = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    return attributes


def _function(client: Any, name: str) -> tuple[str, str]:
    arn = client.get_function_configuration(FunctionName=name)["FunctionArn"]
    return arn, _or_none(client, lambda: client.get_policy(FunctionName=name)["Policy"])


def _bucket(client: Any, name: str) -> tuple[str, str]:
    policy = _or_none(client, lambda: client.get_bucket_policy(Bucket=name)["Policy"])
    return f"arn:aws:s3:::{name}", policy


def _bus(client: Any, name: str) -> tuple[str, str]:
    bus = client.describe_event_bus(Name=name)
    return bus["Arn"], bus.get("Policy") or ""


def _table(client: Any, name: str) -> tuple[str, str]:
    arn = client.describe_table(TableName=name)["Table"]["TableArn"]
    policy = _or_none(client, lambda: client.get_resource_policy(ResourceArn=arn)["Policy"])
    return arn, policy


_CARRYING: Mapping[str, tuple[str, Callable[[Any, str], tuple[str, str]]]] = {
    "AWS::DynamoDB::GlobalTable": ("dynamodb", _table),
    "AWS::DynamoDB::Table": ("dynamodb", _table),
    "AWS::Events::EventBus": ("events", _bus),
    "AWS::Lambda::Function": ("lambda", _function),
    "AWS::S3::Bucket": ("s3", _bucket),
}
