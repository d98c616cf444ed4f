"""Settings of a queue: an attribute, and who may send to it and delete from it."""

from __future__ import annotations

import json
from typing import Any

from pytest_storagefirst.chaos.setting import Address, Moved, Setting, Value
from pytest_storagefirst.chaos.settings.function_logs import felt_at_work
from pytest_storagefirst.target.target import Target

# What undo itself needs stays allowed: a queue whose policy denies SetQueueAttributes could be
# mended by the account's root alone.
DATA_PLANE = ("sqs:SendMessage", "sqs:DeleteMessage")
SID = "StorageFirstDrill"


def _attribute(target: Target, address: Address) -> Value:
    client = target.session().client("sqs")
    name = address.get("attribute", "Policy")
    answer = client.get_queue_attributes(QueueUrl=address["queue"], AttributeNames=[name])
    return answer.get("Attributes", {}).get(name) or None


def _set_attribute(target: Target, address: Address, value: Value, current: Value) -> None:
    client = target.session().client("sqs")
    name = address.get("attribute", "Policy")
    client.set_queue_attributes(QueueUrl=address["queue"], Attributes={name: value or ""})


ATTRIBUTE = Setting("queue-attribute", "attribute", _attribute, _set_attribute, felt=felt_at_work)


# --- the policy -------------------------------------------------------------------------------


def denying(policy: str | None, queue_arn: str, action: str) -> str:
    """A queue's policy with a statement of the drill's that denies one data-plane action to all."""
    if action not in DATA_PLANE:
        raise ValueError(f"{action} is not one of {', '.join(DATA_PLANE)}")
    document = json.loads(policy) if policy else {"Version": "2012-10-17", "Statement": []}
    statement = {
        "Sid": f"{SID}{action.partition(':')[2]}",
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": queue_arn,
    }
    document["Statement"] = [*_statements(document), statement]
    return json.dumps(document)


def _statements(document: Any) -> list[Any]:
    found = document.get("Statement", [])
    return found if isinstance(found, list) else [found]


def _parsed(policy: Value) -> Any:
    return json.loads(policy) if policy else {}


def _own(policy: Value) -> list[Any]:
    """The drill's statements in a policy."""
    return [one for one in _statements(_parsed(policy)) if str(one.get("Sid", "")).startswith(SID)]


def _without_own(address: Address, current: Value, before: Value, value: Value) -> Value:
    """The policy without what the drill put in; what others changed meanwhile stays."""
    if _parsed(current) in (_parsed(value), _parsed(before)):
        return before
    added = [one for one in _own(value) if one not in _own(before)]
    kept = [one for one in _statements(_parsed(current)) if one not in added]
    if len(kept) != len(_statements(_parsed(current))):
        return json.dumps({**_parsed(current), "Statement": kept}) if kept else None
    if {one["Sid"] for one in _own(current)} & {one["Sid"] for one in added}:
        raise Moved(current)
    return current  # nothing of the drill's is left in it


def _denies(target: Target, address: Address, value: Value) -> bool:
    """Whether the queue refuses what its policy says, asked by calls that do nothing.

    A batch whose entries share an id, and a receipt that nobody was given, are refused by SQS in
    whole; what is denied is told first.
    """
    client = target.session().client("sqs")
    actions = {one["Action"] for one in _own(value)}
    denied = {
        "sqs:SendMessage": lambda: client.send_message_batch(
            QueueUrl=address["queue"],
            Entries=[{"Id": "same", "MessageBody": "-"}, {"Id": "same", "MessageBody": "-"}],
        ),
        "sqs:DeleteMessage": lambda: client.delete_message(
            QueueUrl=address["queue"], ReceiptHandle="storagefirst-drill"
        ),
    }
    return all(_is_denied(denied[action], client) for action in DATA_PLANE if action in actions)


def _is_denied(call: Any, client: Any) -> bool:
    try:
        call()
    except client.exceptions.ClientError as error:
        code = str(error.response["Error"].get("Code", "")).rpartition(".")[2]
        return code in ("AccessDenied", "AccessDeniedException")
    return False


def _policy_shows(target: Target, address: Address, value: Value) -> bool:
    """Of a policy with the drill's statement: that it denies. Of any other: that it is gone."""
    if _own(value):
        return _denies(target, address, value)
    return not _own(_attribute(target, address))


POLICY = Setting(
    "queue-policy",
    "policy",
    _attribute,
    _set_attribute,
    shows=_policy_shows,
    undone=_without_own,
)

SETTINGS = (ATTRIBUTE, POLICY)
