"""A template deployed on the local emulator through CloudFormation."""

from __future__ import annotations

import copy
import json
import re
import time
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pytest_storagefirst.errors import TargetError
from pytest_storagefirst.settings import Downstream
from pytest_storagefirst.stack.expressions import scalar_text
from pytest_storagefirst.stack.references import target
from pytest_storagefirst.stack.resource_types import plays_a_part
from pytest_storagefirst.stack.template import Template
from pytest_storagefirst.target.packaging import archives

DEPLOYED_WITHIN_S = 120.0
_POLL_S = 0.1
_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
_LONGEST_BODY = 51_200  # bytes of a template that is sent and not put into a bucket
_BUCKET = "storagefirst-code"
_STAND_IN = "AWS::CloudFormation::WaitConditionHandle"
# Types whose effect the emulator has anyway: it allows all, and serves what it has at once.
_WITHOUT_EFFECT = (
    "AWS::ApiGatewayV2::Deployment",
    "AWS::IAM::RolePolicy",
    "AWS::SNS::TopicInlinePolicy",
    "AWS::SQS::QueueInlinePolicy",
)
_CUSTOM = ("Custom::", "AWS::CloudFormation::CustomResource")
# Where a folder's archive goes, by type of resource.
_CODE = {"AWS::Lambda::Function": "Code", "AWS::Lambda::LayerVersion": "Content"}


def deploy(
    template: Template,
    clients: Any,
    downstreams: Iterable[Downstream],
    third_parties: str,
    built: Path,
) -> list[str]:
    """Create the stack and wait until it stands; returns what a user should know.

    `third_parties` is the URL below which those on this machine are called by their own names.
    Raises TargetError with the resource's logical id and the emulator's reason.
    """
    notes = list(template.notes)
    body = at_home(template.body, downstreams, third_parties)
    storage = clients.client("s3")
    storage.create_bucket(Bucket=_BUCKET)
    kept = {}
    for logical_id, archive in archives(template, built, notes):
        kept[logical_id] = f"{logical_id}.zip"
        storage.put_object(Bucket=_BUCKET, Key=kept[logical_id], Body=archive)
    _point_at(body["Resources"], kept, template)
    _as_texts(body["Resources"])
    notes += in_name_only(body["Resources"], _made_by_others(body["Resources"]), template)
    while refused := _refused(clients, template, body):
        notes += in_name_only(body["Resources"], refused, template)
    return notes


def at_home(
    body: Mapping[str, Any], downstreams: Iterable[Downstream], third_parties: str
) -> dict[str, Any]:
    """The template with its third parties' URLs turned to those that stand in for them.

    A text that is such a URL, the beginning of one, or something below it, whichever parameter,
    variable or integration it is in.
    """
    urls = [one.url for one in downstreams]

    def turned(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: turned(part) for key, part in node.items()}
        if isinstance(node, list):
            return [turned(part) for part in node]
        if not isinstance(node, str) or not re.match(r"https?://[^/\s]", node):
            return node
        if not any(_is_below(node, url) or _is_below(url, node) for url in urls):
            return node
        place = urlsplit(node).netloc
        return f"{third_parties}/{place}" + node.partition(place)[2]

    return {**turned(copy.deepcopy(dict(body)))}


def _is_below(one: str, other: str) -> bool:
    other = other.rstrip("/")
    return one == other or one.startswith((f"{other}/", f"{other}?"))


def _point_at(resources: dict[str, Any], kept: Mapping[str, str], template: Template) -> None:
    """Put the bucket's addresses where the template has stand-ins."""
    for logical_id, resource in resources.items():
        name = _CODE.get(resource["Type"])
        if name is None:
            continue
        location = resource["Properties"].get(name) or {}
        if not isinstance(location, dict) or "S3Key" not in location:
            continue
        # SAM gives a layer another logical id; the stand-in's key is the one it was written with.
        key = kept.get(str(location["S3Key"])) or kept.get(logical_id)
        if key is None:
            raise TargetError(
                "the code is not on this machine",
                where=template.where(logical_id),
                found=_noted(template, str(location["S3Key"])) or json.dumps(location),
                expected="a folder or an archive beside the template",
            )
        resource["Properties"][name] = {"S3Bucket": _BUCKET, "S3Key": key}


def _noted(template: Template, logical_id: str) -> str:
    """What was noted of it when the template was read."""
    notes = [one for one in template.notes if one.startswith(f"{logical_id}: ")]
    return notes[0].partition(": ")[2] if notes else ""


def _as_texts(resources: Mapping[str, Any]) -> None:
    """Environment variables are texts, which AWS makes of the numbers that a template may hold."""
    for resource in resources.values():
        if resource["Type"] != "AWS::Lambda::Function":
            continue
        variables = (resource["Properties"].get("Environment") or {}).get("Variables") or {}
        for name, value in variables.items():
            if not isinstance(value, dict | list):
                variables[name] = scalar_text(value)


def _made_by_others(resources: Mapping[str, Any]) -> dict[str, str]:
    """Custom resources whose functions can't run here, which would never answer, with the reason.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-custom-resources.html
    """
    reasons = {}
    for logical_id, resource in resources.items():
        if not resource["Type"].startswith(_CUSTOM):
            continue
        name = target(resource["Properties"].get("ServiceToken"))
        function = resources.get(name or "", {})
        runtime = function.get("Properties", {}).get("Runtime", "python")
        if function.get("Type") == "AWS::Lambda::Function" and not runtime.startswith("python"):
            reasons[logical_id] = f"{name}, which makes it, is written for {runtime}"
    return reasons


def in_name_only(
    resources: dict[str, Any], refused: Mapping[str, str], template: Template
) -> list[str]:
    """Give what plays no part a stand-in where the emulator can't make it; returns notes.

    `refused` has the reason by logical id, "" where the emulator has no such type. Raises
    TargetError for a type that does play a part.
    """
    notes = []
    for name, reason in refused.items():
        kind = resources[name]["Type"]
        if kind == _STAND_IN or (plays_a_part(kind) and kind not in _WITHOUT_EFFECT):
            raise TargetError(
                f"the emulator can't make the {kind}" if reason else f"the emulator has no {kind}",
                where=template.where(name),
                found=reason,
                remedy=""
                if reason
                else "judge the template in tests, or run the load against AWS (stack:NAME)",
            )
        resources[name] = {"Type": _STAND_IN}
        notes.append(f"{name} stands in name only: {reason or f'the emulator has no {kind}'}")
    for resource in resources.values():
        if "Properties" in resource:
            resource["Properties"] = _without_attributes(resource["Properties"], refused)
    return notes


def _without_attributes(node: Any, absent: Container[Any]) -> Any:
    """`Fn::GetAtt` of what is not there becomes a text that says what it would be."""
    if isinstance(node, list):
        return [_without_attributes(part, absent) for part in node]
    if isinstance(node, str):
        return re.sub(
            r"\$\{(\w+)\.([\w.]+)\}",
            lambda found: f"{found[1]}-{found[2]}" if found[1] in absent else found[0],
            node,
        )
    if not isinstance(node, dict):
        return node
    asked = node.get("Fn::GetAtt")
    if isinstance(asked, list) and asked[0] in absent:
        return "-".join(map(str, asked))
    return {key: _without_attributes(part, absent) for key, part in node.items()}


def _refused(clients: Any, template: Template, body: dict[str, Any]) -> dict[str, str]:
    """Make the stack; {} when it stands, else what the emulator can't make, and why.

    Then nothing of it is left. "" is the reason for what the emulator has no type of.
    """
    client, name = clients.client("cloudformation"), template.stack_name
    lacking = _begin(clients, template, body)
    if lacking:
        resources = body["Resources"].items()
        return {logical_id: "" for logical_id, one in resources if one["Type"] in lacking}
    until = time.monotonic() + DEPLOYED_WITHIN_S
    while time.monotonic() < until:
        status = str(client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"])
        if status == "CREATE_COMPLETE":
            return {}
        if status.endswith(("FAILED", "ROLLBACK_COMPLETE")):
            failed = _failed(client, template)
            client.delete_stack(StackName=name)
            client.get_waiter("stack_delete_complete").wait(
                StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
            )
            return failed
        time.sleep(_POLL_S)
    raise TargetError(
        "the stack does not come to stand",
        where=str(template.path),
        found=f"after {DEPLOYED_WITHIN_S:.0f} s these are not made: "
        + (", ".join(_waiting(client, name, body)) or "none, yet it is no complete stack"),
    )


def _begin(clients: Any, template: Template, body: dict[str, Any]) -> set[str]:
    """Begin to make the stack; returns the types that the emulator lacks, for which it does not."""
    from botocore.exceptions import ClientError

    text = json.dumps({"Resources": body["Resources"]})  # outputs are nobody's here
    where = {"TemplateBody": text}
    if len(text.encode()) > _LONGEST_BODY:
        clients.client("s3").put_object(Bucket=_BUCKET, Key="template.json", Body=text.encode())
        where = {"TemplateURL": f"{clients.endpoint_url}/{_BUCKET}/template.json"}
    try:
        clients.client("cloudformation").create_stack(
            StackName=template.stack_name, Capabilities=_CAPABILITIES, **where
        )
    except ClientError as error:
        message = str(error.response["Error"].get("Message"))
        lacking = re.search(r"Unrecognized resource types: \[(.*)\]", message)
        if lacking:
            return {one.strip(" '\"") for one in lacking[1].split(",")}
        raise TargetError(
            "the emulator refuses the template", where=str(template.path), found=message
        ) from None
    return set()


def _failed(client: Any, template: Template) -> dict[str, str]:
    """The first resource that failed, and why. Raises TargetError where the events tell none."""
    name = template.stack_name
    events = client.describe_stack_events(StackName=name)["StackEvents"]
    failed = [one for one in events if str(one.get("ResourceStatus")).endswith("FAILED")]
    for event in reversed(failed):
        reason = str(event.get("ResourceStatusReason") or "no reason given")
        if event["LogicalResourceId"] != name and "cancelled" not in reason.lower():
            return {event["LogicalResourceId"]: reason}
    for event in client.describe_events(StackName=name)["OperationEvents"]:
        if event["EventType"] == "VALIDATION_ERROR":  # it was refused before anything was made
            return {event["LogicalResourceId"]: str(event.get("ValidationStatusReason"))}
    reasons = [str(one.get("ResourceStatusReason")) for one in failed]
    raise TargetError(
        "the emulator can't make the stack",
        where=str(template.path),
        found="; ".join(reasons) or "no reason given",
    )


def _waiting(client: Any, name: str, body: Mapping[str, Any]) -> list[str]:
    """What is not made, as "LogicalId (AWS::Type)"."""
    made = {
        one["LogicalResourceId"]
        for one in client.describe_stack_resources(StackName=name)["StackResources"]
        if one["ResourceStatus"] == "CREATE_COMPLETE"
    }
    return [
        f"{logical_id} ({one['Type']})"
        for logical_id, one in body["Resources"].items()
        if logical_id not in made
    ]
