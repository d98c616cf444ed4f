"""Stores claims that were dead-lettered, and keeps those that can't be read."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])
s3 = boto3.client("s3")


def parse(body):
    claim = json.loads(body)
    claim_id, amount = claim["claimId"], claim["amount"]
    if not isinstance(claim_id, str) or not 0 < len(claim_id) <= 200 or type(amount) is not int:
        raise ValueError("a claim has a short text claimId and a whole amount")
    return {"claimId": claim_id, "amount": amount}


def process(record):
    try:
        claim = parse(record["body"])
    except (ValueError, KeyError, TypeError):
        s3.put_object(
            Bucket=os.environ["BUCKET_NAME"],
            Key=record["messageId"],
            Body=record["body"].encode(),
        )
        return
    try:
        table.put_item(Item=claim)
    except Exception:
        logger.exception("%s not repaired", claim["claimId"])


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            process(record)
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
