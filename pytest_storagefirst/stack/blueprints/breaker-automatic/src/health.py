"""Once a minute: asks the third party how it is, and tells the bus."""

from __future__ import annotations

import json
import os
import urllib.request
from typing import Any

import boto3

events = boto3.client("events")


def is_healthy() -> bool:
    url = os.environ["DOWNSTREAM_URL"] + "/health"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            answer.read()
    except OSError:
        return False
    return True


def handler(event: dict[str, Any], context: Any) -> None:
    result = {
        "EventBusName": os.environ["BUS_NAME"],
        "Source": "health-check",
        "DetailType": "Health checked",
        "Detail": json.dumps({"healthy": is_healthy()}),
    }
    if events.put_events(Entries=[result])["FailedEntryCount"]:
        raise RuntimeError("the bus has not taken the result")
