"""Stores each document once and clears its payload away."""

import json
import logging
import os

import boto3

BUCKET_NAME = os.environ["BUCKET_NAME"]

logger = logging.getLogger()
s3 = boto3.client("s3")
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def process(body):
    key = json.loads(body)["documentId"]
    try:
        text = s3.get_object(Bucket=BUCKET_NAME, Key=key)["Body"].read().decode()
    except s3.exceptions.NoSuchKey:
        logger.info("%s was stored before", key)
        return
    s3.delete_object(Bucket=BUCKET_NAME, Key=key)
    table.put_item(Item={"documentId": key, "text": text})


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            process(record["body"])
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
