"""Stores each sign-up once; a message that fails is reported and comes back alone."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def handler(event, context):
    failures = []
    for record in event["Records"][:1]:
        try:
            sign_up = json.loads(record["body"])
            table.put_item(Item={"signUpId": sign_up["signUpId"], "email": sign_up["email"]})
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
