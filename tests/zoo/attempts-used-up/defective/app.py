"""Keeps each letter as an object and counts the attempts until it stands."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
s3 = boto3.client("s3")
attempts = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def begin(letter_id):
    """Which attempt at this letter begins: 1 for the first."""
    answer = attempts.update_item(
        Key={"letterId": letter_id},
        UpdateExpression="ADD tries :one",
        ExpressionAttributeValues={":one": 1},
        ReturnValues="UPDATED_NEW",
    )
    return int(answer["Attributes"]["tries"])


def process(body):
    letter_id = json.loads(body)["letterId"]
    if not isinstance(letter_id, str) or not 0 < len(letter_id) <= 200:
        raise ValueError("letterId must be a short text")
    if begin(letter_id) > 5:
        logger.error("%s was tried too often", letter_id)
        return
    s3.put_object(Bucket=os.environ["BUCKET_NAME"], Key=letter_id, Body=body.encode())
    attempts.delete_item(Key={"letterId": letter_id})


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            process(record["body"])
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
