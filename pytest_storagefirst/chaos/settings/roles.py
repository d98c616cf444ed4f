"""An inline policy of a role, which denies its functions something."""

from __future__ import annotations

import json

from pytest_storagefirst.chaos.setting import Address, Setting, Value
from pytest_storagefirst.target.target import Target


def _policy(target: Target, address: Address) -> Value:
    client = target.session().client("iam")
    try:
        answer = client.get_role_policy(RoleName=address["role"], PolicyName=address["policy"])
    except client.exceptions.NoSuchEntityException:
        return None
    document = answer["PolicyDocument"]
    return json.loads(document) if isinstance(document, str) else document


def _put(target: Target, address: Address, value: Value, current: Value) -> None:
    client = target.session().client("iam")
    named = {"RoleName": address["role"], "PolicyName": address["policy"]}
    if value is None:
        client.delete_role_policy(**named)
    else:
        client.put_role_policy(**named, PolicyDocument=json.dumps(value))


def _shows(target: Target, address: Address, value: Value) -> bool:
    """Whether IAM itself says that the role is denied these actions, or no longer."""
    if _policy(target, address) != value:
        return False
    if value is None:
        return True
    client = target.session().client("iam")
    [statement] = value["Statement"]
    role = client.get_role(RoleName=address["role"])["Role"]["Arn"]
    answer = client.simulate_principal_policy(
        PolicySourceArn=role,
        ActionNames=statement["Action"],
        ResourceArns=[arn for arn in statement["Resource"] if not arn.endswith("*")],
    )
    results = answer["EvaluationResults"]
    return bool(results) and all(one["EvalDecision"] == "explicitDeny" for one in results)


ROLE_POLICY = Setting("role-policy", "inline policy", _policy, _put, shows=_shows)

SETTINGS = (ROLE_POLICY,)
