"""Passes on each move that has what it needs, in order: the first failure stops the batch."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
sqs = boto3.client("sqs")


def pass_on(record):
    move = json.loads(record["body"])
    sqs.send_message(
        QueueUrl=os.environ["NEXT_QUEUE_URL"],
        MessageBody=json.dumps({"moveId": move["moveId"], "game": move["game"]}),
        MessageGroupId=record["attributes"]["MessageGroupId"],
    )


def handler(event, context):
    left = [record["messageId"] for record in event["Records"]]
    for record in event["Records"]:
        try:
            pass_on(record)
        except Exception:
            logger.exception("%s failed", record["messageId"])
            break
        left.pop(0)
    return {"batchItemFailures": [{"itemIdentifier": one} for one in left]}
