"""Puts the payload of each document aside and passes on where it lies."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
s3 = boto3.client("s3")
sqs = boto3.client("sqs")


def process(body):
    document = json.loads(body)
    document_id, text = document["documentId"], document["text"]
    if not isinstance(document_id, str) or not 0 < len(document_id) <= 200:
        raise ValueError("documentId must be a short text")
    if not isinstance(text, str) or len(text) > 100_000:
        raise ValueError("text must be a text of at most 100,000 characters")
    s3.put_object(Bucket=os.environ["BUCKET_NAME"], Key=document_id, Body=text.encode())
    claim = json.dumps({"documentId": document_id})
    sqs.send_message(QueueUrl=os.environ["NEXT_QUEUE_URL"], MessageBody=claim)


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            process(record["body"])
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
