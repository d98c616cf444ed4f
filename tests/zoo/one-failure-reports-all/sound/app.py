"""Stores each rental once; a message that fails is reported and comes back alone."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def handler(event, context):
    failed = []
    for record in event["Records"]:
        try:
            rental = json.loads(record["body"])
            table.put_item(Item={"rentalId": rental["rentalId"], "days": rental["days"]})
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failed.append(record)
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in failed]}
