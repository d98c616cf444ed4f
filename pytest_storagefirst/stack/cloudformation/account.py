"""What a stack keeps beside its data path: IAM, KMS, SSM, Secrets Manager and Logs types."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from ..invented import invented_value
from .model import Making, Properties, Resource, text_of

# What another stack's policy says is not known, and nobody is accused of what is not known.
_ANYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


def role(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-iam-role.html"""
    name = properties.get("RoleName") or making.name(64)
    trust = text_of(making.require(properties, "AssumeRolePolicyDocument"))
    request = {"RoleName": name, "AssumeRolePolicyDocument": trust}
    if properties.get("Path"):
        request["Path"] = properties["Path"]
    made = making.call("iam", "create_role", request)["Role"]
    for policy in properties.get("Policies") or []:
        _put_role_policy(making, name, policy)
    for arn in properties.get("ManagedPolicyArns") or []:
        _attach(making, name, arn)
    return Resource(name, {"Arn": made["Arn"], "RoleId": made["RoleId"]})


def _put_role_policy(making: Making, role_name: str, policy: Any) -> None:
    request = {
        "RoleName": role_name,
        "PolicyName": making.require(policy, "PolicyName"),
        "PolicyDocument": _policy_text(making.require(policy, "PolicyDocument")),
    }
    making.call("iam", "put_role_policy", request)


def _policy_text(document: Any) -> str:
    """AWS takes a policy without a version, as SAM's policy templates are; moto asks for one."""
    if isinstance(document, dict):
        document = {"Version": "2012-10-17", **document}
    return text_of(document)


def _attach(making: Making, role_name: str, arn: Any) -> None:
    """Attach a managed policy; one that moto doesn't have stands in the role itself."""
    try:
        making.call("iam", "attach_role_policy", {"RoleName": role_name, "PolicyArn": arn})
    except ClientError:
        name = str(arn).rpartition("/")[2].replace(":", "-")[-128:]
        document = _document_of_aws(name) if ":iam::aws:policy/" in str(arn) else None
        _put_role_policy(
            making, role_name, {"PolicyName": name, "PolicyDocument": document or _ANYTHING}
        )


def _document_of_aws(name: str) -> Any:
    """What a policy of AWS's own says. moto holds the texts of all, and loads none by itself."""
    from moto.iam.aws_managed_policies import aws_managed_policies_data as texts

    key = f'\n "{name}":'
    start = texts.find(key)
    if start < 0:
        return None
    # This one alone: to read all takes longer than to stand a stack up.
    return json.JSONDecoder().raw_decode(texts, start + len(key))[0]["Document"]


def policy(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-iam-policy.html"""
    for role_name in properties.get("Roles") or []:
        if not making.is_external(role_name):
            _put_role_policy(making, role_name, properties)
    return Resource(making.name(128), {"Id": making.name(128)})


def role_policy(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-iam-rolepolicy.html"""
    name = making.require(properties, "RoleName")
    if not making.is_external(name):
        _put_role_policy(making, name, {"PolicyDocument": {"Statement": []}, **properties})
    return Resource(f"{making.require(properties, 'PolicyName')}|{name}")


def managed_policy(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-iam-managedpolicy.html"""
    name = properties.get("ManagedPolicyName") or making.name(128)
    document = _policy_text(making.require(properties, "PolicyDocument"))
    request = {"PolicyName": name, "PolicyDocument": document}
    made = making.call("iam", "create_policy", request)["Policy"]
    for role_name in properties.get("Roles") or []:
        _attach(making, role_name, made["Arn"])
    return Resource(made["Arn"], {"PolicyArn": made["Arn"], "PolicyId": made["PolicyId"]})


def key(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-kms-key.html"""
    request: dict[str, Any] = {"Description": properties.get("Description", "")}
    if properties.get("KeyPolicy"):
        request["Policy"] = text_of(properties["KeyPolicy"])
    for name in ("KeySpec", "KeyUsage"):
        if properties.get(name):
            request[name] = properties[name]
    made = making.call("kms", "create_key", request)["KeyMetadata"]
    return Resource(made["KeyId"], {"Arn": made["Arn"], "KeyId": made["KeyId"]})


def key_alias(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-kms-alias.html"""
    name = making.require(properties, "AliasName")
    target = making.require(properties, "TargetKeyId")
    if not making.is_external(target):
        making.call("kms", "create_alias", {"AliasName": name, "TargetKeyId": target})
    return Resource(name)


def parameter(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-ssm-parameter.html"""
    request = {
        "Name": properties.get("Name") or making.name(),
        "Type": properties.get("Type", "String"),
        "Value": text_of(making.require(properties, "Value")),
    }
    making.call("ssm", "put_parameter", request)
    return Resource(request["Name"], {"Type": request["Type"], "Value": request["Value"]})


def secret(making: Making, properties: Properties) -> Resource:
    """A generated secret gets an invented value, the same in every run.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-secretsmanager-secret.html
    """
    value = properties.get("SecretString")
    generated = properties.get("GenerateSecretString")
    if value is None:
        value = "invented-secret"
        if isinstance(generated, dict) and generated.get("GenerateStringKey"):
            content = json.loads(generated.get("SecretStringTemplate") or "{}")
            value = json.dumps({**content, generated["GenerateStringKey"]: "invented-secret"})
    request = {"Name": properties.get("Name") or making.name(), "SecretString": text_of(value)}
    arn = making.call("secretsmanager", "create_secret", request)["ARN"]
    return Resource(arn, {"Id": arn})


def log_group(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-logs-loggroup.html"""
    name = properties.get("LogGroupName") or making.name(512)
    try:
        making.call("logs", "create_log_group", {"logGroupName": name})
    except ClientError as error:
        # moto makes a function's log group with the function
        if error.response["Error"]["Code"] != "ResourceAlreadyExistsException":
            raise
    arn = f"arn:aws:logs:{making.region}:{making.account}:log-group:{name}:*"
    return Resource(name, {"Arn": arn})


def inert(making: Making, properties: Properties) -> Resource:
    """A type that plays no part: a name to refer to, and attributes that are made up."""
    return _Inert(making, properties)


class _Inert(Resource):
    def __init__(self, making: Making, properties: Properties) -> None:
        super().__init__(making.name(63))
        self._making = making

    def get_cfn_attribute(self, name: str) -> str:
        making, last = self._making, name.split(".")[-1]
        if last.lower() != "arn":
            return invented_value(f"{making.logical_id}-{last}", making.region, making.account)
        service = making.kind.split("::")[1].lower() if "::" in making.kind else "invented"
        name = f"invented-{self.physical_resource_id}"
        return f"arn:aws:{service}:{making.region}:{making.account}:{name}"


HANDLERS = {
    "AWS::IAM::ManagedPolicy": managed_policy,
    "AWS::IAM::Policy": policy,
    "AWS::IAM::Role": role,
    "AWS::IAM::RolePolicy": role_policy,
    "AWS::KMS::Alias": key_alias,
    "AWS::KMS::Key": key,
    "AWS::Logs::LogGroup": log_group,
    "AWS::SSM::Parameter": parameter,
    "AWS::SecretsManager::Secret": secret,
}
