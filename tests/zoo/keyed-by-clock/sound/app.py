"""Keeps each scan as an object."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
s3 = boto3.client("s3")


def process(record):
    scan_id = json.loads(record["body"])["scanId"]
    if not isinstance(scan_id, str) or not 0 < len(scan_id) <= 200:
        raise ValueError("scanId must be a short text")
    key = f"scans/{scan_id}.json"
    s3.put_object(Bucket=os.environ["BUCKET_NAME"], Key=key, Body=record["body"].encode())


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            process(record)
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
