"""Hands each order on, through a circuit breaker; while it is open orders stay in the queue."""

import json
import logging
import os
import time
import urllib.request

import boto3

logger = logging.getLogger()
dynamodb = boto3.resource("dynamodb")
circuit = dynamodb.Table(os.environ["CIRCUIT_TABLE_NAME"])
table = dynamodb.Table(os.environ["TABLE_NAME"])
Refused = circuit.meta.client.exceptions.ConditionalCheckFailedException
KEY = {"name": "downstream"}
THRESHOLD = 3
REST_SECONDS = 120
LEASE_SECONDS = 60


class Open(Exception):
    """The circuit is open: try later."""


def parse(body):
    order_id = json.loads(body)["id"]
    if not isinstance(order_id, str) or not 0 < len(order_id) <= 200:
        raise ValueError("id must be a short text")
    return order_id


def call(order_id):
    request = urllib.request.Request(
        os.environ["DOWNSTREAM_URL"],
        data=json.dumps({"id": order_id}).encode(),
        headers={"Content-Type": "application/json", "Idempotency-Key": order_id},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        answer.read()


def change(new, old):
    """Write the state where what was read still stands; False when it does not."""
    condition = "attribute_not_exists(#state) OR #state = :closed"
    seen = {":closed": "CLOSED"}
    if old is not None:
        condition = "#state = :seen AND #until = :seen_until"
        seen = {":seen": old["state"], ":seen_until": old["until"]}
    try:
        circuit.update_item(
            Key=KEY,
            UpdateExpression="SET #state = :state, #until = :until",
            ConditionExpression=condition,
            ExpressionAttributeNames={"#state": "state", "#until": "until"},
            ExpressionAttributeValues={
                ":state": new["state"],
                ":until": new["until"],
                **seen,
            },
        )
    except Refused:
        return False
    return True


def admit():
    """None to call; the claim of the one who tries. Raises Open for anyone else."""
    found = circuit.get_item(Key=KEY, ConsistentRead=True).get("Item", {})
    if found.get("state", "CLOSED") == "CLOSED":
        return None
    now = int(time.time())
    if found["until"] > now:
        raise Open
    claim = {"state": "HALF_OPEN", "until": now + LEASE_SECONDS}
    if not change(claim, found):
        raise Open
    return claim


def failed(claim):
    new = {"state": "OPEN", "until": int(time.time()) + REST_SECONDS}
    if claim is not None:
        change(new, claim)
        return
    counted = circuit.update_item(
        Key=KEY,
        UpdateExpression="ADD failures :one",
        ExpressionAttributeValues={":one": 1},
        ReturnValues="ALL_NEW",
    )["Attributes"]
    if counted["failures"] >= THRESHOLD:
        change(new, None)


def succeeded(claim):
    if claim is not None:
        change({"state": "CLOSED", "until": 0}, claim)


def process(body):
    order_id = parse(body)
    claim = admit()
    try:
        call(order_id)
    except OSError:
        failed(claim)
        raise
    succeeded(claim)
    try:
        table.put_item(Item={"id": order_id}, ConditionExpression="attribute_not_exists(id)")
    except Refused:
        logger.info("%s stands already", order_id)


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            process(record["body"])
        except Open:
            failures.append({"itemIdentifier": record["messageId"]})
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
