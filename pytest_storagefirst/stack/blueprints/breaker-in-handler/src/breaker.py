"""A circuit breaker whose state is one item of a table, changed by conditional writes alone.

CLOSED: calls go through, and failures are counted. OPEN: nobody calls until REST_SECONDS are over.
HALF_OPEN: who turned the circuit tries, alone, until LEASE_SECONDS are over.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

THRESHOLD = 3  # failures in a row that open the circuit
REST_SECONDS = 60
LEASE_SECONDS = 60  # longer than the function may take: a probe that died is replaced


class Open(Exception):
    """The circuit is open: try later."""


class Breaker:
    def __init__(self, table: Any, name: str) -> None:
        self._table = table
        self._key = {"name": name}
        self._refused = table.meta.client.exceptions.ConditionalCheckFailedException

    def admit(self) -> dict[str, Any] | None:
        """None to call; the claim of the one who tries. Raises Open for anyone else."""
        found = self._table.get_item(Key=self._key, ConsistentRead=True).get("Item")
        if found is None or found.get("state", "CLOSED") == "CLOSED":
            return None
        now = int(time.time())
        if found["until"] > now:
            raise Open
        claim = {"state": "HALF_OPEN", "until": now + LEASE_SECONDS}
        if not self._change(claim, found):
            raise Open
        return claim

    def succeeded(self, claim: dict[str, Any] | None) -> None:
        if claim is not None:
            self._change({"state": "CLOSED", "until": 0, "failures": 0}, claim)
            return
        with suppress(self._refused):  # there was nothing to forget
            self._table.update_item(
                Key=self._key,
                UpdateExpression="SET failures = :none",
                ConditionExpression="failures > :none AND #state <> :open",
                ExpressionAttributeNames={"#state": "state"},
                ExpressionAttributeValues={":none": 0, ":open": "OPEN"},
            )

    def failed(self, claim: dict[str, Any] | None) -> None:
        now = int(time.time())
        if claim is not None:
            self._change({"state": "OPEN", "until": now + REST_SECONDS}, claim)
            return
        counted = self._table.update_item(
            Key=self._key,
            UpdateExpression="ADD failures :one",
            ExpressionAttributeValues={":one": 1},
            ReturnValues="ALL_NEW",
        )["Attributes"]
        if counted["failures"] < THRESHOLD or counted.get("state", "CLOSED") != "CLOSED":
            return
        self._change({"state": "OPEN", "until": now + REST_SECONDS}, None)

    def _change(self, new: dict[str, Any], old: dict[str, Any] | None) -> bool:
        """Write what is new where what was read still stands; False when it does not."""
        names = {f"#{name}": name for name in (*new, "state", "until")}
        values = {f":{name}": value for name, value in new.items()}
        if old is None:
            condition = "attribute_not_exists(#state) OR #state = :closed"
            values[":closed"] = "CLOSED"
        else:
            condition = "#state = :old_state AND #until = :old_until"
            values |= {":old_state": old["state"], ":old_until": old["until"]}
        try:
            self._table.update_item(
                Key=self._key,
                UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in new),
                ConditionExpression=condition,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
            )
        except self._refused:
            return False
        return True
