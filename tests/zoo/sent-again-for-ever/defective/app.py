"""Stores each job once; what fails is tried again."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
sqs = boto3.client("sqs")
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            job = json.loads(record["body"])
            table.put_item(Item={"jobId": job["jobId"], "kind": job["kind"]})
        except Exception:
            logger.exception("%s failed", record["messageId"])
            sqs.send_message(QueueUrl=os.environ["QUEUE_URL"], MessageBody=record["body"])
    return {"batchItemFailures": failures}
