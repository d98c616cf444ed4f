"""Stores each application once and keeps a copy of its message."""

import json
import logging
import os

import boto3
from botocore.exceptions import BotoCoreError, ClientError

logger = logging.getLogger()
s3 = boto3.client("s3")
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def parse(body):
    application = json.loads(body)
    item = {name: application[name] for name in ("applicationId", "applicant")}
    for name, text in item.items():
        if not isinstance(text, str) or not 0 < len(text) <= 200:
            raise ValueError(f"{name} must be a short text")
    return item


def keep_copy(key, body):
    try:
        s3.put_object(Bucket=os.environ["BUCKET_NAME"], Key=key, Body=body.encode())
    except (BotoCoreError, ClientError):
        logger.exception("no copy of %s", key)


def process(body):
    item = parse(body)
    table.put_item(Item=item)
    keep_copy(item["applicationId"], body)


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            process(record["body"])
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
