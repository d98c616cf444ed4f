"""Stores each bid in order; what is no bid goes to a bucket and holds nothing up."""

import hashlib
import json
import logging
import os

import boto3

logger = logging.getLogger()
s3 = boto3.client("s3")
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def parse(body):
    """What is stored of a body; None when it is no bid."""
    try:
        bid = json.loads(body)
    except ValueError:
        return None
    if not isinstance(bid, dict):
        return None
    item = {name: bid.get(name) for name in ("bidId", "bidder")}
    if any(not isinstance(text, str) or not 0 < len(text) <= 200 for text in item.values()):
        return None
    return item


def process(body):
    item = parse(body)
    if item is None:
        data = body.encode()
        key = hashlib.sha256(data).hexdigest()
        s3.put_object(Bucket=os.environ["BUCKET_NAME"], Key=key, Body=data)
        return
    try:
        table.put_item(Item=item, ConditionExpression="attribute_not_exists(bidId)")
    except table.meta.client.exceptions.ConditionalCheckFailedException:
        logger.info("%s stands already", item["bidId"])


def handler(event, context):
    waiting = event["Records"]
    try:
        while waiting:
            process(waiting[0]["body"])
            waiting = waiting[1:]
    except Exception:
        logger.exception("%s failed", waiting[0]["messageId"])
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in waiting]}
