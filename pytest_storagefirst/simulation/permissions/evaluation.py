"""How AWS decides on one request by the policies of its principal and of its resource.

Pages of the IAM user guide: reference_policies_evaluation-logic_policy-eval-denyallow,
reference_policies_elements, reference_policies_elements_condition_operators. What a policy says of
keys, operators or variables that are not known here counts in favour of the request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

ALLOWED, IMPLICITLY_DENIED, DENIED_BY_ROLE, DENIED_BY_RESOURCE = (
    "allowed",
    "implicitly denied",
    "denied by the role",
    "denied by the resource",
)


@dataclass(frozen=True)
class Request:
    """One action asked for.

    `principal` is a role's ARN or a service ("sns.amazonaws.com"). `resource` is an ARN, or None
    where it can't be told: any that a statement names may be meant. `keys` are condition keys in
    lower case; None for one that such a request does not carry.
    """

    action: str
    resource: str | None
    principal: str
    account: str
    keys: Mapping[str, str | None] = field(default_factory=dict)


def decide(request: Request, identity: Iterable[str] | None, carried: str | None) -> str:
    """By the documents of the principal's role and the policy that the resource carries.

    None for one that is not known: then only the other can deny. A service has no role, and needs
    the resource's policy. A KMS key's own policy must let the account's roles be asked at all.
    """
    of_role = _effects(request, identity or ())
    of_resource = _effects(request, [carried] if carried else (), carried=True)
    if "Deny" in of_role:
        return DENIED_BY_ROLE
    if "Deny" in of_resource:
        return DENIED_BY_RESOURCE
    if "Allow" in of_resource:
        return ALLOWED
    of_service = not request.principal.startswith("arn:")
    if carried is None and (of_service or request.action.startswith("kms:")):
        return ALLOWED
    if of_service:
        return IMPLICITLY_DENIED
    asks_role = not request.action.startswith("kms:") or "Delegate" in of_resource
    allowed = identity is None or "Allow" in of_role
    return ALLOWED if asks_role and allowed else IMPLICITLY_DENIED


def _effects(request: Request, documents: Iterable[str], *, carried: bool = False) -> set[str]:
    """Allow, Deny, and Delegate: allowed to the account, whose roles' own policies then say."""
    found = set()
    for document in documents:
        for statement in _statements(document):
            allows = statement.get("Effect") != "Deny"
            principal = _principal(request, statement) if carried else True
            parts = (
                _either(request.action.lower(), statement, "Action"),
                _resource(request, statement, allows=allows),
                *_conditions(request, statement.get("Condition")),
            )
            # What is in doubt allows, and does not deny.
            if any(part is False or (part is None and not allows) for part in parts):
                continue
            if principal == "account" and allows:
                found.add("Delegate")
            elif principal is True or principal == "account" or (principal is None and allows):
                found.add("Allow" if allows else "Deny")
    return found


@lru_cache(maxsize=1024)
def _statements(document: str) -> tuple[Mapping[str, Any], ...]:
    try:
        read = json.loads(document)
    except ValueError:
        return ()
    statements = read.get("Statement") if isinstance(read, dict) else None
    return tuple(one for one in _listed(statements) if isinstance(one, dict))


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


# --- Action and Resource ----------------------------------------------------------------------


def _either(value: str, statement: Mapping[str, Any], element: str) -> bool | None:
    """By an element or its negation, "Action" or "NotAction"; True where neither is there."""
    if f"Not{element}" in statement:
        found = _any(value, statement[f"Not{element}"], element)
        return None if found is None else not found
    return _any(value, statement[element], element) if element in statement else True


def _any(value: str, patterns: Any, element: str) -> bool | None:
    """Whether one of the patterns fits; None where that depends on a policy variable."""
    fits: bool | None = False
    for pattern in _listed(patterns):
        text = str(pattern).lower() if element == "Action" else str(pattern)
        if _glob(text).fullmatch(value):
            if "${" not in text:
                return True
            fits = None
    return fits


def _resource(request: Request, statement: Mapping[str, Any], *, allows: bool) -> bool | None:
    if request.resource is not None:
        return _either(request.resource, statement, "Resource")
    return True if allows or statement.get("Resource") == "*" else None


@lru_cache(maxsize=4096)
def _glob(pattern: str) -> re.Pattern[str]:
    """`*` and `?`; a policy variable stands for anything, `${*}` and the like for themselves."""
    parts = re.split(r"(\$\{[^}]*\}|[*?])", pattern)
    wild = {"*": ".*", "?": ".", "${*}": r"\*", "${?}": r"\?", "${$}": r"\$"}
    return re.compile(
        "".join(
            wild.get(part, ".*" if part.startswith("${") else re.escape(part)) for part in parts
        ),
        re.DOTALL,
    )


# --- Principal --------------------------------------------------------------------------------


def _principal(request: Request, statement: Mapping[str, Any]) -> bool | str | None:
    """True, False, "account" for the account as a whole, None where it can't be told."""
    if "NotPrincipal" in statement:
        return None
    named = statement.get("Principal")
    if named == "*":
        return True
    if not isinstance(named, dict):
        return False
    found: set[bool | str | None] = {
        _is_principal(request, kind, str(one))
        for kind, several in named.items()
        for one in _listed(several)
    }
    return next((answer for answer in (True, "account", None) if answer in found), False)


def _is_principal(request: Request, kind: str, named: str) -> bool | str | None:
    if kind == "AWS" and named == "*":
        return True
    if "invented-" in named:  # another stack's
        return None
    if not request.principal.startswith("arn:"):
        name = request.principal.partition(".")[0]
        return kind == "Service" and (
            named == request.principal or bool(re.fullmatch(rf"{name}\..*amazonaws\.com", named))
        )
    if kind != "AWS":
        return False
    if named in (request.account, f"arn:aws:iam::{request.account}:root"):
        return "account"
    role = request.principal.rpartition("/")[2]
    assumed = f"arn:aws:sts::{request.account}:assumed-role/{role}/"
    return named == request.principal or named.startswith(assumed)


# --- Condition --------------------------------------------------------------------------------


def _conditions(request: Request, written: Any) -> Iterable[bool | None]:
    for operator, tests in (written if isinstance(written, dict) else {}).items():
        for key, values in (tests if isinstance(tests, dict) else {}).items():
            yield _condition(request, operator, key.lower(), _listed(values))


def _condition(request: Request, operator: str, key: str, values: list[Any]) -> bool | None:
    """None for a key or an operator that is not known."""
    if key not in request.keys:
        return None
    value = request.keys[key]
    quantifier, _, name = operator.rpartition(":")
    base = name.removesuffix("IfExists")
    if base == "Null":
        return any(str(one).lower() == str(value is None).lower() for one in values)
    negated = "Not" in base
    kind = base.replace("Not", "")
    if kind not in _COMPARED:
        return None
    if value is None:
        return negated or base != name or quantifier == "ForAllValues"
    if any("${" in str(one) for one in values):
        return None
    return any(_COMPARED[kind](value, str(one)) for one in values) is not negated


def _same(value: str, wanted: str) -> bool:
    return value == wanted


def _same_in_any_case(value: str, wanted: str) -> bool:
    return value.lower() == wanted.lower()


def _like(value: str, wanted: str) -> bool:
    return _glob(wanted).fullmatch(value) is not None


_COMPARED = {
    "ArnEquals": _like,
    "ArnLike": _like,
    "Bool": _same_in_any_case,
    "StringEquals": _same,
    "StringEqualsIgnoreCase": _same_in_any_case,
    "StringLike": _like,
}
