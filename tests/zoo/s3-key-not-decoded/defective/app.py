"""Stores each invoice once; a notification that fails is reported and comes back alone."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
s3 = boto3.client("s3")
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def store(message):
    for record in json.loads(message["body"]).get("Records", []):
        bucket = record["s3"]["bucket"]["name"]
        key = record["s3"]["object"]["key"]
        invoice = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        table.put_item(Item={"invoiceId": invoice["invoiceId"], "amount": invoice["amount"]})


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            store(record)
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
