"""What is done with one order, by whoever has it."""

from __future__ import annotations

import json
import logging
import os
import urllib.request
from contextlib import suppress
from typing import Any

import boto3

THRESHOLD = 3  # failures in a row that open the circuit

logger = logging.getLogger()
dynamodb = boto3.resource("dynamodb")
table = dynamodb.Table(os.environ["TABLE_NAME"])
circuit = dynamodb.Table(os.environ["CIRCUIT_TABLE_NAME"])
refused = circuit.meta.client.exceptions.ConditionalCheckFailedException
KEY = {"name": "downstream"}


class Down(Exception):
    """The third party did not do its work."""


def parse(body: str) -> dict[str, Any]:
    order: dict[str, Any] = json.loads(body)
    if not isinstance(order["id"], str) or not order["id"]:
        raise ValueError("id must be a text")
    return order


def process(order: dict[str, Any]) -> None:
    try:
        charge(order)
    except OSError as error:
        raise Down from error
    with suppress(refused):  # there was nothing to forget
        circuit.update_item(
            Key=KEY,
            UpdateExpression="SET failures = :none",
            ConditionExpression="failures > :none",
            ExpressionAttributeValues={":none": 0},
        )
    try:
        table.put_item(Item={"id": order["id"]}, ConditionExpression="attribute_not_exists(id)")
    except refused:
        logger.info("%s stands already", order["id"])


def charge(order: dict[str, Any]) -> None:
    request = urllib.request.Request(
        os.environ["DOWNSTREAM_URL"],
        data=json.dumps({"id": order["id"]}).encode(),
        headers={"Content-Type": "application/json", "Idempotency-Key": order["id"]},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        answer.read()


def too_many_failures() -> bool:
    """Count one more."""
    counted = circuit.update_item(
        Key=KEY,
        UpdateExpression="ADD failures :one",
        ExpressionAttributeValues={":one": 1},
        ReturnValues="UPDATED_NEW",
    )["Attributes"]
    return bool(counted["failures"] >= THRESHOLD)
