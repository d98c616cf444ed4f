"""Stores each visit once; a message that fails is reported and comes back alone."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            visit = json.loads(record["body"])
            if "visitId" not in visit or "page" not in visit:
                raise ValueError("a visit has a visitId and a page")
            table.put_item(Item={"visitId": visit["visitId"], "page": visit["page"]})
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
