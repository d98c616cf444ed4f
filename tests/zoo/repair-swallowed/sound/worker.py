"""Stores each claim."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def parse(body):
    claim = json.loads(body)
    claim_id, amount = claim["claimId"], claim["amount"]
    if not isinstance(claim_id, str) or not 0 < len(claim_id) <= 200 or type(amount) is not int:
        raise ValueError("a claim has a short text claimId and a whole amount")
    return {"claimId": claim_id, "amount": amount}


def process(record):
    table.put_item(Item=parse(record["body"]))


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            process(record)
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
