"""Stores each subscription once and deletes its message."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
sqs = boto3.client("sqs")
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def process(record):
    subscription = json.loads(record["body"])
    item = {"subscriptionId": subscription["subscriptionId"], "plan": subscription["plan"]}
    sqs.delete_message(QueueUrl=os.environ["QUEUE_URL"], ReceiptHandle=record["receiptHandle"])
    table.put_item(Item=item)


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            process(record)
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
