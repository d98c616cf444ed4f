"""IAM's rules for one request. Pages are of the IAM user guide, unless named otherwise."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_storagefirst.simulation.permissions.evaluation import (
    ALLOWED,
    DENIED_BY_RESOURCE,
    DENIED_BY_ROLE,
    IMPLICITLY_DENIED,
    Request,
    decide,
)

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/path/worker"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:orders"
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:news"
KEYS = {"aws:securetransport": "true", "aws:sourcearn": None, "aws:principalarn": ROLE}


def policy(*statements: dict[str, Any]) -> str:
    whole = [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*", **one} for one in statements]
    return json.dumps({"Version": "2012-10-17", "Statement": whole})


def request(**changes: Any) -> Request:
    asked: dict[str, Any] = {
        "action": "sqs:SendMessage",
        "resource": QUEUE,
        "principal": ROLE,
        "account": ACCOUNT,
        "keys": KEYS,
    }
    return Request(**{**asked, **changes})


def by_role(*statements: dict[str, Any], **changes: Any) -> str:
    return decide(request(**changes), [policy(*statements)], "")


def by_queue(*statements: dict[str, Any], **changes: Any) -> str:
    return decide(request(**changes), [], policy(*statements))


def of_service(*statements: dict[str, Any], **changes: Any) -> str:
    keys = {**KEYS, "aws:sourcearn": TOPIC, "aws:sourceaccount": ACCOUNT}
    return by_queue(*statements, principal="sns.amazonaws.com", keys=keys, **changes)


# --- reference_policies_elements_action, _notaction, _resource, _notresource -------------------


@pytest.mark.parametrize(
    ("statement", "decision"),
    [
        ({"Action": "sqs:SendMessage"}, ALLOWED),
        ({"Action": "SQS:sendmessage"}, ALLOWED),
        ({"Action": ["sqs:ReceiveMessage", "sqs:Send*"]}, ALLOWED),
        ({"Action": "sqs:SendMessag?"}, ALLOWED),
        ({"Action": "*"}, ALLOWED),
        ({"Action": "sqs:SendMessageBatch"}, IMPLICITLY_DENIED),
        ({"Action": "sns:*"}, IMPLICITLY_DENIED),
        ({"Resource": QUEUE}, ALLOWED),
        ({"Resource": [TOPIC, "arn:aws:sqs:*:*:ord?rs"]}, ALLOWED),
        ({"Resource": QUEUE.upper()}, IMPLICITLY_DENIED),
        ({"Resource": f"{QUEUE}-2"}, IMPLICITLY_DENIED),
        ({"Resource": "arn:aws:sqs:us-east-1:${aws:PrincipalAccount}:orders"}, ALLOWED),
        ({"Resource": f"{QUEUE}${{*}}"}, IMPLICITLY_DENIED),
    ],
)
def test_an_action_and_a_resource_are_matched_with_wildcards(
    statement: dict[str, Any], decision: str
) -> None:
    assert by_role(statement) == decision


def test_not_action_and_not_resource_are_all_others() -> None:
    others = {"Effect": "Allow", "NotAction": "iam:*", "NotResource": TOPIC}
    document = json.dumps({"Statement": others})
    assert decide(request(), [document], "") == ALLOWED
    assert decide(request(action="iam:PassRole"), [document], "") == IMPLICITLY_DENIED
    assert decide(request(resource=TOPIC), [document], "") == IMPLICITLY_DENIED


# --- reference_policies_evaluation-logic_policy-eval-denyallow, -basics ------------------------


def test_without_any_allow_a_request_is_denied() -> None:
    assert decide(request(), [], "") == IMPLICITLY_DENIED
    assert decide(request(), [], None) == IMPLICITLY_DENIED


def test_an_explicit_deny_wins_over_every_allow() -> None:
    deny = {"Effect": "Deny", "Action": "sqs:SendMessage"}
    assert by_role({}, deny) == DENIED_BY_ROLE
    carried = policy({"Principal": "*", **deny})
    assert decide(request(), [policy({})], carried) == DENIED_BY_RESOURCE


def test_in_one_account_the_role_or_the_resource_may_allow() -> None:
    carried = policy({"Principal": {"AWS": ROLE}})
    assert decide(request(), [], carried) == ALLOWED
    assert decide(request(), [policy({})], carried.replace("worker", "other")) == ALLOWED


def test_of_a_role_that_is_not_known_nothing_is_said() -> None:
    assert decide(request(), None, "") == ALLOWED
    denying = policy({"Effect": "Deny", "Principal": "*"})
    assert decide(request(), None, denying) == DENIED_BY_RESOURCE


def test_of_a_resource_that_is_not_known_any_may_be_meant() -> None:
    assert by_role({"Resource": TOPIC}, resource=None) == ALLOWED
    assert by_role({"Action": "sns:*"}, resource=None) == IMPLICITLY_DENIED
    deny = {"Effect": "Deny", "Resource": TOPIC}
    assert by_role({}, deny, resource=None) == ALLOWED
    assert by_role({}, {"Effect": "Deny"}, resource=None) == DENIED_BY_ROLE


# --- reference_policies_elements_principal -----------------------------------------------------


@pytest.mark.parametrize(
    ("principal", "decision"),
    [
        ("*", ALLOWED),
        ({"AWS": "*"}, ALLOWED),
        ({"AWS": [f"arn:aws:iam::{ACCOUNT}:role/other", ROLE]}, ALLOWED),
        ({"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/session"}, ALLOWED),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:role/other"}, IMPLICITLY_DENIED),
        # An account gives its authority on to its own policies.
        ({"AWS": ACCOUNT}, IMPLICITLY_DENIED),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, IMPLICITLY_DENIED),
        ({"Service": "lambda.amazonaws.com"}, IMPLICITLY_DENIED),
        ({"AWS": "arn:aws:iam::123456789012:role/invented-else"}, ALLOWED),
    ],
)
def test_a_resource_policy_names_whom_it_lets_in(principal: Any, decision: str) -> None:
    assert by_queue({"Principal": principal}) == decision


def test_not_principal_is_no_ground_for_an_accusation() -> None:
    assert by_queue({"NotPrincipal": {"AWS": ROLE}}) == ALLOWED
    deny = policy({"Effect": "Deny", "NotPrincipal": {"AWS": TOPIC}})
    assert decide(request(), [policy({})], deny) == ALLOWED


@pytest.mark.parametrize(
    ("principal", "decision"),
    [
        ({"Service": "sns.amazonaws.com"}, ALLOWED),
        ({"Service": ["events.amazonaws.com", "sns.us-east-1.amazonaws.com"]}, ALLOWED),
        ("*", ALLOWED),
        ({"Service": "events.amazonaws.com"}, IMPLICITLY_DENIED),
        ({"AWS": ROLE}, IMPLICITLY_DENIED),
    ],
)
def test_a_service_needs_the_resources_policy(principal: Any, decision: str) -> None:
    """SQS developer guide, troubleshooting-access-denied."""
    assert of_service({"Principal": principal}) == decision


def test_a_service_has_no_role_to_allow_it() -> None:
    asked = request(principal="sns.amazonaws.com")
    assert decide(asked, None, "") == IMPLICITLY_DENIED
    assert decide(asked, None, None) == ALLOWED


# --- reference_policies_elements_condition_operators, reference_policies_condition-keys ---------


@pytest.mark.parametrize(
    ("condition", "decision"),
    [
        ({"ArnEquals": {"aws:SourceArn": TOPIC}}, ALLOWED),
        ({"ArnLike": {"AWS:SourceArn": "arn:aws:sns:*:*:ne*"}}, ALLOWED),
        ({"ArnEquals": {"aws:SourceArn": f"{TOPIC}-2"}}, IMPLICITLY_DENIED),
        ({"StringEquals": {"aws:SourceAccount": [ACCOUNT, "210987654321"]}}, ALLOWED),
        ({"StringEquals": {"aws:SourceAccount": "210987654321"}}, IMPLICITLY_DENIED),
        ({"StringNotEquals": {"aws:SourceAccount": ACCOUNT}}, IMPLICITLY_DENIED),
        ({"StringLike": {"aws:SourceArn": "arn:aws:sns:*"}}, ALLOWED),
        ({"ForAnyValue:StringLike": {"aws:SourceArn": "arn:aws:s3:*"}}, IMPLICITLY_DENIED),
        ({"Bool": {"aws:SecureTransport": True}}, ALLOWED),
        ({"Bool": {"aws:SecureTransport": "false"}}, IMPLICITLY_DENIED),
        ({"Null": {"aws:SourceArn": "false"}}, ALLOWED),
        ({"Null": {"aws:SourceArn": "true"}}, IMPLICITLY_DENIED),
        ({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}, ALLOWED),  # not known
        ({"IpAddress": {"aws:SourceArn": "10.0.0.0/8"}}, ALLOWED),  # not known
        ({"StringEquals": {"aws:SourceAccount": "${aws:PrincipalAccount}"}}, ALLOWED),
        (
            {"ArnEquals": {"aws:SourceArn": TOPIC}, "StringEquals": {"aws:SourceAccount": "2"}},
            IMPLICITLY_DENIED,
        ),
    ],
)
def test_a_condition_must_hold_where_it_is_known(condition: Any, decision: str) -> None:
    allowed = {"Principal": {"Service": "sns.amazonaws.com"}, "Condition": condition}
    assert of_service(allowed) == decision


@pytest.mark.parametrize(
    ("condition", "decision"),
    [
        ({"StringEquals": {"aws:SourceArn": TOPIC}}, IMPLICITLY_DENIED),
        ({"StringEqualsIfExists": {"aws:SourceArn": TOPIC}}, ALLOWED),
        ({"ForAllValues:StringEquals": {"aws:SourceArn": TOPIC}}, ALLOWED),
        ({"StringNotEquals": {"aws:SourceArn": TOPIC}}, ALLOWED),
        ({"Null": {"aws:SourceArn": "true"}}, ALLOWED),
    ],
)
def test_a_key_that_the_request_does_not_carry(condition: Any, decision: str) -> None:
    assert by_role({"Condition": condition}) == decision


@pytest.mark.parametrize(
    ("condition", "decision"),
    [
        ({"Bool": {"aws:SecureTransport": "false"}}, ALLOWED),
        ({"Bool": {"aws:SecureTransport": "true"}}, DENIED_BY_ROLE),
        ({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}, ALLOWED),
        ({"NumericLessThan": {"aws:SourceArn": "1"}}, ALLOWED),
    ],
)
def test_a_deny_that_may_not_hold_denies_nobody(condition: Any, decision: str) -> None:
    assert by_role({}, {"Effect": "Deny", "Condition": condition}) == decision


# --- KMS developer guide, key-policies ---------------------------------------------------------


def test_a_keys_own_policy_must_let_the_accounts_policies_count() -> None:
    """https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html"""
    asked = request(action="kms:Decrypt", resource="arn:aws:kms:us-east-1:123456789012:key/k")
    root = policy({"Action": "kms:*", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}})
    named = policy({"Action": "kms:*", "Principal": {"AWS": ROLE}})
    other = policy({"Action": "kms:*", "Principal": {"AWS": f"{ROLE}-2"}})
    role = [policy({"Action": "kms:Decrypt"})]
    assert decide(asked, role, root) == ALLOWED
    assert decide(asked, [], root) == IMPLICITLY_DENIED
    assert decide(asked, [], named) == ALLOWED
    assert decide(asked, role, other) == IMPLICITLY_DENIED
    assert decide(asked, role, None) == ALLOWED
