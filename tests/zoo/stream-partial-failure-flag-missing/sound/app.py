"""Journals clicks in order, and reports the first that fails: from there Lambda tries again."""

import base64
import json
import logging
import os

import boto3

logger = logging.getLogger()
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def handler(event, context):
    for record in event["Records"]:
        number = record["kinesis"]["sequenceNumber"]
        try:
            click = json.loads(base64.b64decode(record["kinesis"]["data"]))
            table.put_item(
                Item={
                    "clickId": click["clickId"],
                    "visitor": click["visitor"],
                    "page": click["page"],
                }
            )
        except Exception:
            logger.exception("%s failed", number)
            return {"batchItemFailures": [{"itemIdentifier": number}]}
    return {"batchItemFailures": []}
