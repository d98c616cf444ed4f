"""How a deployed stack's circuit stands, where [circuit] says or where one is found."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from pytest_storagefirst.ledger.circuit import CLOSED, OPEN
from pytest_storagefirst.stack.breaker import Breaker, spelt
from pytest_storagefirst.stack.topology import EventSourceMapping, Table

# Attributes that a breaker keeps its state under.
_ATTRIBUTE = re.compile(r"state|status|circuit", re.IGNORECASE)
# What Lambda says of a mapping that invokes nobody; "Disabling" still may.
_OFF = ("Disabled",)


def look(breaker: Breaker, session: Any) -> tuple[str, str]:
    """The state (CLOSED, OPEN or HALF_OPEN, or the word that stands there instead), and all that is
    kept with it, as a text to compare.

    What is not there, a breaker has not written yet: CLOSED. Raises botocore's errors.
    """
    if breaker.kind == "mapping":
        state = mapping_state(breaker.name, session)
        return OPEN if state in _OFF else CLOSED, state
    if breaker.kind == "parameter":
        client = session.client("ssm")
        try:
            answer = client.get_parameter(Name=breaker.name, WithDecryption=True)
        except client.exceptions.ParameterNotFound:
            return CLOSED, ""
        kept = answer["Parameter"]
        return breaker.state_of(kept["Value"]), f"{kept['Value']} {kept.get('Version')}"
    item = _item(breaker, session.client("dynamodb")) or {}
    read = TypeDeserializer().deserialize
    word = breaker.word_in({name: read(value) for name, value in item.items()})
    return breaker.state_of(word), json.dumps(item, sort_keys=True, default=str)


def mapping_state(uuid: str, session: Any) -> str:
    """What Lambda says of an event source mapping: "Enabled", "Disabling", "Disabled", …"""
    return str(session.client("lambda").get_event_source_mapping(UUID=uuid)["State"])


def mappings_state(mappings: Iterable[EventSourceMapping], session: Any) -> str | None:
    """The state of all, of which the first that is not enabled tells; None where there is none."""
    states = [
        mapping_state(one.uuid, session) for one in mappings if not one.uuid.startswith("arn:")
    ]
    return next((state for state in states if state != "Enabled"), states[0] if states else None)


def find_breaker(tables: Iterable[Table], session: Any, pattern: re.Pattern[str]) -> Breaker | None:
    """The breaker whose state stands in the only item of a table, where no message does.

    None where several tables look so. Raises botocore's errors.
    """
    found = []
    for table in tables:
        items = session.client("dynamodb").scan(TableName=table.name, Limit=2)["Items"]
        if len(items) != 1 or pattern.search(str(items[0])):
            continue
        for attribute, value in items[0].items():
            if _ATTRIBUTE.search(attribute) and spelt(value.get("S")) is not None:
                found.append(Breaker("table", table.logical_id, table.name, attribute=attribute))
                break
    return found[0] if len(found) == 1 else None


def _item(breaker: Breaker, client: Any) -> Mapping[str, Any] | None:
    """The item of the breaker's key; without a key the table's only one."""
    if not breaker.key:
        items = client.scan(TableName=breaker.name, Limit=2, ConsistentRead=True)["Items"]
        return items[0] if len(items) == 1 else None
    key = {
        name: {"S": value} if isinstance(value, str) else {"N": str(value)}
        for name, value in breaker.key.items()
    }
    found: Mapping[str, Any] | None = client.get_item(
        TableName=breaker.name, Key=key, ConsistentRead=True
    ).get("Item")
    return found
