"""Keeps one guest list an evening, and changes it only while holding the evening's lease."""

import json
import logging
import os
import time
import uuid

import boto3

logger = logging.getLogger()
leases = boto3.resource("dynamodb").Table(os.environ["LEASES_TABLE_NAME"])
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])
Conflict = table.meta.client.exceptions.ConditionalCheckFailedException
LEASE_SECONDS = 10


def parse(body):
    guest = json.loads(body)
    evening, name, seats = guest["evening"], guest["name"], guest["seats"]
    for text in (evening, name):
        if not isinstance(text, str) or not 0 < len(text) <= 200:
            raise ValueError("evening and name must be short texts")
    if type(seats) is not int or not 0 < seats < 100:
        raise ValueError("seats must be a small whole number")
    return evening, name, seats


def take_lease(evening):
    """Raises Conflict while another holds it."""
    now, holder = int(time.time()), str(uuid.uuid4())
    leases.put_item(
        Item={"evening": evening, "holder": holder, "until": now + LEASE_SECONDS},
        ConditionExpression="attribute_not_exists(evening) OR #until < :now",
        ExpressionAttributeNames={"#until": "until"},
        ExpressionAttributeValues={":now": now},
    )
    return holder


def give_back(evening, holder):
    try:
        leases.delete_item(
            Key={"evening": evening},
            ConditionExpression="holder = :holder",
            ExpressionAttributeValues={":holder": holder},
        )
    except Conflict:
        logger.info("the lease on %s had run out", evening)


def add(evening, name, seats):
    found = table.get_item(Key={"evening": evening}, ConsistentRead=True).get("Item")
    guests = found["guests"] if found else {}
    table.put_item(Item={"evening": evening, "guests": {**guests, name: seats}})


def process(body):
    evening, name, seats = parse(body)
    holder = take_lease(evening)
    try:
        add(evening, name, seats)
    finally:
        give_back(evening, holder)


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            process(record["body"])
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
