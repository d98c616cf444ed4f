"""Passes on each meal; one that fails is reported and comes back alone."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
sqs = boto3.client("sqs")


def cook(record):
    meal = json.loads(record["body"])
    body = json.dumps({"mealId": meal["mealId"], "table": meal["table"]})
    sqs.send_message(QueueUrl=os.environ["NEXT_QUEUE_URL"], MessageBody=body)
    sqs.delete_message(QueueUrl=os.environ["QUEUE_URL"], ReceiptHandle=record["receiptHandle"])


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            cook(record)
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
