"""Charges each payment once and notes it."""

import json
import logging
import os
import urllib.request

import boto3

logger = logging.getLogger()
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def charge(payment_id, cents):
    request = urllib.request.Request(
        os.environ["CHARGE_URL"],
        data=json.dumps({"paymentId": payment_id, "cents": cents}).encode(),
        headers={"Content-Type": "application/json", "Idempotency-Key": payment_id},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        answer.read()


def process(body):
    payment = json.loads(body)
    payment_id, cents = payment["paymentId"], payment["cents"]
    if not isinstance(payment_id, str) or not 0 < len(payment_id) <= 100:
        raise ValueError("paymentId must be a short text")
    if type(cents) is not int or not 0 < cents < 10**9:
        raise ValueError("cents must be a positive whole number")
    charge(payment_id, cents)
    table.put_item(Item={"paymentId": payment_id, "cents": cents})


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            process(record["body"])
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
