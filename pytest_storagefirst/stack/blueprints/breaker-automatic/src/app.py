"""Charges each order once, unless the circuit is open: then what was under way goes back.

A handler of your own takes its place with `storagefirst("blueprint:NAME", handlers={"Worker": …})`.
"""

from __future__ import annotations

import json
import logging
import os
import urllib.request
from typing import Any

import boto3

logger = logging.getLogger()
dynamodb = boto3.resource("dynamodb")
table = dynamodb.Table(os.environ["TABLE_NAME"])
circuit = dynamodb.Table(os.environ["CIRCUIT_TABLE_NAME"])


class Open(Exception):
    """The circuit is open: try later."""


def parse(body: str) -> dict[str, Any]:
    order: dict[str, Any] = json.loads(body)
    if not isinstance(order["id"], str) or not order["id"]:
        raise ValueError("id must be a text")
    return order


def charge(order: dict[str, Any]) -> None:
    request = urllib.request.Request(
        os.environ["DOWNSTREAM_URL"] + "/charges",
        data=json.dumps({"id": order["id"]}).encode(),
        headers={"Content-Type": "application/json", "Idempotency-Key": order["id"]},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        answer.read()


def process(order: dict[str, Any]) -> None:
    found = circuit.get_item(Key={"name": "downstream"}, ConsistentRead=True).get("Item", {})
    if found.get("state") == "OPEN":
        raise Open
    charge(order)
    try:
        table.put_item(Item={"id": order["id"]}, ConditionExpression="attribute_not_exists(id)")
    except table.meta.client.exceptions.ConditionalCheckFailedException:
        logger.info("%s stands already", order["id"])


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    failures = []
    for record in event["Records"]:
        try:
            process(parse(record["body"]))
        except Open:
            failures.append({"itemIdentifier": record["messageId"]})
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
