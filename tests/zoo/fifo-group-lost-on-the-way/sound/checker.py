"""Passes on each move that has what it needs, in order: the first failure stops the batch."""

import json
import os

import boto3

sqs = boto3.client("sqs")


def handler(event, context):
    for record in event["Records"]:
        move = json.loads(record["body"])
        sqs.send_message(
            QueueUrl=os.environ["NEXT_QUEUE_URL"],
            MessageBody=json.dumps({"moveId": move["moveId"], "game": move["game"]}),
            MessageGroupId=record["attributes"]["MessageGroupId"],
        )
