"""DynamoDB's transactions that are sent again: the same token has one effect within 10 minutes.

boto3 gives each call of TransactWriteItems a `ClientRequestToken` and keeps it when it sends again
by itself, so that a lost answer does no harm; moto 5.2.5 reads no token. Patched once per process;
while no simulation is active it is the original.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
"""

from __future__ import annotations

import json
import time
from typing import Any

VALID_SECONDS = 600

_installed = False


def install(here: Any) -> None:
    """Let each simulation that `here()` gives remember the transactions that it has completed."""
    global _installed
    if _installed:
        return
    _installed = True
    from moto.core.responses import ActionResult
    from moto.dynamodb.exceptions import ERROR_TYPE_PREFIX, DynamodbException
    from moto.dynamodb.responses import DynamoHandler

    write = DynamoHandler.transact_write_items

    def once(self: Any) -> Any:
        simulation, token = here(), self.body.get("ClientRequestToken")
        if simulation is None or not token:
            return write(self)
        completed: dict[Any, tuple[float, str]] = simulation.transactions
        key, asked = (self.region, token), json.dumps(self.body, sort_keys=True)
        at_seconds, before = completed.get(key, (0.0, ""))
        if before and time.time() - at_seconds < VALID_SECONDS:
            if before != asked:
                raise DynamodbException(
                    f"{ERROR_TYPE_PREFIX}IdempotentParameterMismatchException",
                    "The provided idempotency token is already in use with other parameters.",
                )
            return ActionResult({"ConsumedCapacity": [], "ItemCollectionMetrics": {}})
        answered = write(self)
        completed[key] = time.time(), asked
        return answered

    DynamoHandler.transact_write_items = once  # type: ignore[method-assign]
