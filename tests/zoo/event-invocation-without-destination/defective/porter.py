"""Hands each letter to the sorter; one that it does not take comes back alone."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
functions = boto3.client("lambda")


def hand_on(record):
    letter = json.loads(record["body"])
    functions.invoke(
        FunctionName=os.environ["SORTER"],
        InvocationType="Event",
        Payload=json.dumps({"letterId": letter["letterId"], "street": letter["street"]}),
    )


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            hand_on(record)
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
