"""A resource type that is nearly one that plays a part: a slip, which would leave a hole unseen.

Types that play no part are not checked: there are more than a thousand, and new ones every week.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import TemplateError
from .document import Document
from .resource_types import PLAYS_A_PART

_OF_SAM = tuple(
    f"AWS::Serverless::{name}"
    for name in (
        "Api",
        "Application",
        "Connector",
        "Function",
        "GraphQLApi",
        "HttpApi",
        "LayerVersion",
        "SimpleTable",
        "StateMachine",
    )
)
_KNOWN = (*(name for name in PLAYS_A_PART if name.startswith("AWS::")), *_OF_SAM)
_SERVICES = frozenset(name.split("::")[1] for name in _KNOWN)
_SHORT = 4  # letters; in a word that is not longer, two of another kind make another word


def check_types(resources: Mapping[str, Any], document: Document) -> None:
    """Raise `TemplateError` for a type that AWS doesn't know and that is meant for one it does."""
    for logical_id, resource in resources.items():
        meant = meant_by(resource["Type"])
        if meant:
            raise TemplateError(
                "AWS has no such resource type",
                where=document.where(logical_id),
                found=resource["Type"],
                expected="a type of CloudFormation or SAM",
                remedy=f"did you mean {meant}?",
            )


def meant_by(resource_type: str) -> str:
    """The type that plays a part and is written nearly like this one; "" for none, or this one.

    No type that AWS has is so near to another of its service. Services have short names, some one
    letter apart (SQS, SNS, SES), so that a service which is known here is always meant.
    """
    if resource_type in _KNOWN:
        return ""
    parts = resource_type.split("::")
    for known in _KNOWN:
        if known.casefold() == resource_type.casefold() or known == f"AWS::{resource_type}":
            return known
        _, service, name = known.split("::")
        if len(parts) != 3 or parts[0] != "AWS":
            continue
        if parts[1] == service and _near(parts[2], name):
            return known
        if parts[2] == name and parts[1] not in _SERVICES and _near(parts[1], service):
            return known
    return ""


def _near(one: str, other: str) -> bool:
    """Whether a slip or two of the keys lie between two words. EventsV2 is no slip for Events."""
    if re.sub(r"V\d+$", "", one) == other:
        return False
    return _slips(one, other) <= (1 if min(len(one), len(other)) <= _SHORT else 2)


def _slips(one: str, other: str) -> int:
    """Letters put in, left out, replaced or swapped (optimal string alignment)."""
    rows = [list(range(len(other) + 1))]
    for at, letter in enumerate(one, 1):
        row = [at]
        for there, its in enumerate(other, 1):
            least = min(row[-1] + 1, rows[-1][there] + 1, rows[-1][there - 1] + (letter != its))
            if at > 1 and there > 1 and (letter, its) == (other[there - 2], one[at - 2]):
                least = min(least, rows[-2][there - 2] + 1)
            row.append(least)
        rows.append(row)
    return rows[-1][-1]
