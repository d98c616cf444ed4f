"""Keeps each contract as an object."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
s3 = boto3.client("s3")


def process(record):
    contract_id = json.loads(record["body"])["contractId"]
    if not isinstance(contract_id, str) or not 0 < len(contract_id) <= 200:
        raise ValueError("contractId must be a short text")
    key = f"contracts/{contract_id}.json"
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
