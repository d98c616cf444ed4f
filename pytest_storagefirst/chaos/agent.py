"""Faults inside a function, for staging: one file to put beside a handler. Needs botocore alone.

    from agent import with_faults           # a copy of this file, or from this package

    @with_faults
    def handler(event, context): ...

It does nothing unless the variable STORAGEFIRST_AGENT names a parameter of Systems Manager, and
that parameter holds orders: {"do": "slow", "seconds": 3} or {"do": "error", "share": 0.5}.
The drills function-latency and function-error put them there, and take them away again. Whatever
goes wrong here, the handler runs: orders that can't be read are none. Each line that it logs says
that it is active. The function's role needs ssm:GetParameter on the parameter.
"""

from __future__ import annotations

import functools
import json
import os
import random
import time
from collections.abc import Callable
from typing import Any

Handler = Callable[[Any, Any], Any]

VARIABLE = "STORAGEFIRST_AGENT"
KEPT_S = 5.0  # before the parameter is asked again
MOST_S = 60.0  # of a delay
_kept: dict[str, Any] = {"until": 0.0, "orders": None}
_clients: dict[str, Any] = {}


class InjectedError(Exception):
    """A drill is under way: this invocation was told to fail."""


def with_faults(handler: Handler) -> Handler:
    """The handler, and before it what the agent is ordered to do."""

    @functools.wraps(handler)
    def under_orders(event: Any, context: Any) -> Any:
        _obey(_orders(), getattr(context, "aws_request_id", "-"))
        return handler(event, context)

    return under_orders


def _orders() -> dict[str, Any] | None:
    """What to do, asked every five seconds; None: nothing. Never raises."""
    name = os.environ.get(VARIABLE)
    if not name:
        return None
    if time.monotonic() < _kept["until"]:
        return _kept["orders"]  # type: ignore[no-any-return]
    orders = None
    try:
        orders = _valid(json.loads(_ask(name)))
    except Exception:  # no parameter, no permission, no network, no JSON: no orders
        orders = None
    _kept.update(until=time.monotonic() + KEPT_S, orders=orders)
    return orders


def _valid(orders: dict[str, Any]) -> dict[str, Any] | None:
    share = float(orders.get("share", 1.0))
    if orders["do"] == "slow":
        seconds = min(max(float(orders["seconds"]), 0.0), MOST_S)
        return {"do": "slow", "seconds": seconds, "share": share}
    return {"do": "error", "share": share} if orders["do"] == "error" else None


def _ask(name: str) -> str:
    """The parameter's text; waits a second at most, once."""
    if "ssm" not in _clients:
        import botocore.session
        from botocore.config import Config

        quick = Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 1})
        _clients["ssm"] = botocore.session.get_session().create_client("ssm", config=quick)
    return str(_clients["ssm"].get_parameter(Name=name)["Parameter"]["Value"])


def _obey(orders: dict[str, Any] | None, request: str) -> None:
    """Raises InjectedError when that is the order, and nothing else."""
    try:
        if orders is None or random.random() >= orders["share"]:
            return
        print(
            json.dumps({"storagefirst_agent": "ACTIVE", "request": request, **orders}), flush=True
        )
        seconds = orders.get("seconds", 0.0)
    except Exception:
        return
    if orders["do"] == "error":
        raise InjectedError("storagefirst agent ACTIVE: this invocation was ordered to fail")
    time.sleep(seconds)
