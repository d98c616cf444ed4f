"""Asks the courier for each parcel and books it; a breaker keeps calls off while he is out."""

import json
import logging
import os
import time
import urllib.request

import boto3

logger = logging.getLogger()
breaker = boto3.resource("dynamodb").Table(os.environ["BREAKER_TABLE_NAME"])
bookings = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])
KEY = {"service": "courier"}
FAILURES_TO_OPEN = 3
OPEN_SECONDS = 60  # longer than this function may take


class Open(Exception):
    """The courier is not asked now."""


def parse(body):
    parcel = json.loads(body)
    parcel_id, to = parcel["parcelId"], parcel["to"]
    for text in (parcel_id, to):
        if not isinstance(text, str) or not 0 < len(text) <= 200:
            raise ValueError("parcelId and to must be short texts")
    return parcel_id, to


def ask(parcel_id, to):
    request = urllib.request.Request(
        os.environ["COURIER_URL"],
        data=json.dumps({"parcelId": parcel_id, "to": to}).encode(),
        headers={"Content-Type": "application/json", "Idempotency-Key": parcel_id},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        answer.read()


def has_failed():
    found = breaker.update_item(
        Key=KEY,
        UpdateExpression="ADD failures :one",
        ExpressionAttributeValues={":one": 1},
        ReturnValues="ALL_NEW",
    )["Attributes"]
    if found["failures"] >= FAILURES_TO_OPEN:
        breaker.update_item(
            Key=KEY,
            UpdateExpression="SET openUntil = :until",
            ExpressionAttributeValues={":until": int(time.time()) + OPEN_SECONDS},
        )


def admit(parcel_id):
    """Whether this is the one call that tries the open breaker. Raises Open for any other."""
    found = breaker.get_item(Key=KEY, ConsistentRead=True).get("Item")
    if found is None or "openUntil" not in found:
        return found is not None
    now = int(time.time())
    if found["openUntil"] >= now:
        raise Open(parcel_id)
    breaker.update_item(
        Key=KEY,
        UpdateExpression="SET openUntil = :until, probe = :probe",
        ExpressionAttributeValues={":until": now + OPEN_SECONDS, ":probe": parcel_id},
    )
    return True


def process(body):
    parcel_id, to = parse(body)
    closes = admit(parcel_id)
    try:
        ask(parcel_id, to)
    except OSError:
        has_failed()
        raise
    if closes:
        try:
            breaker.delete_item(
                Key=KEY,
                ConditionExpression="attribute_not_exists(probe) OR probe = :probe",
                ExpressionAttributeValues={":probe": parcel_id},
            )
        except breaker.meta.client.exceptions.ConditionalCheckFailedException:
            logger.info("%s is not the probe: its own attempt books it", parcel_id)
            return
    bookings.put_item(Item={"parcelId": parcel_id, "to": to})


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            process(record["body"])
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
