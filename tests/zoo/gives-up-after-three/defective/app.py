"""Stores each alert once; a message that fails is reported and comes back alone."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def handler(event, context):
    failures = []
    for record in event["Records"]:
        if int(record["attributes"]["ApproximateReceiveCount"]) > 3:
            logger.error("%s: tried often enough", record["messageId"])
            continue
        try:
            alert = json.loads(record["body"])
            table.put_item(Item={"alertId": alert["alertId"], "level": alert["level"]})
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
