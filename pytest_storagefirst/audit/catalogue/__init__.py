"""All rules, by id, in the order in which reports list them."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_storagefirst.audit.catalogue import deliveries, front_door, queues, streams, whole
from pytest_storagefirst.audit.rule import PREFIX, Rule

_ALL = (
    *front_door.RULES,
    *queues.RULES,
    *deliveries.RULES,
    *streams.RULES,
    *whole.RULES,
)
_BY_ID: Mapping[str, Rule] = {rule.id: rule for rule in _ALL}


def rules() -> Mapping[str, Rule]:
    """All rules by id."""
    return _BY_ID


def rule_names() -> tuple[str, ...]:
    """What properties they become: "audit:no-dlq", …"""
    return tuple(PREFIX + name for name in _BY_ID)
