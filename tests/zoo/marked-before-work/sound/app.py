"""Stores each refund once; what was seen before is not stored again."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
dynamodb = boto3.resource("dynamodb")
refunds = dynamodb.Table(os.environ["TABLE_NAME"])
seen = dynamodb.Table(os.environ["SEEN_TABLE_NAME"])


def process(refund):
    refund_id, amount = refund["refundId"], refund["amount"]
    if not isinstance(refund_id, str) or type(amount) is not int:
        raise ValueError("a refund has a text refundId and a whole amount")
    if "Item" in seen.get_item(Key={"refundId": refund_id}, ConsistentRead=True):
        return
    refunds.put_item(Item={"refundId": refund_id, "amount": amount})
    seen.put_item(Item={"refundId": refund_id})


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            process(json.loads(record["body"]))
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
