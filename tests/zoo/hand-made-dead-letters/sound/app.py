"""Stores each application once; what is no application goes to a bucket."""

import hashlib
import json
import logging
import os

import boto3
from botocore.exceptions import BotoCoreError, ClientError

logger = logging.getLogger()
s3 = boto3.client("s3")
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def parse(body):
    application = json.loads(body)
    if not isinstance(application, dict):
        raise ValueError("an application is an object")
    for name in ("applicationId", "applicant"):
        text = application.get(name)
        if not isinstance(text, str) or not 0 < len(text) <= 200:
            raise ValueError(f"{name} must be a short text")
    return {name: application[name] for name in ("applicationId", "applicant")}


def set_aside(body):
    data = body.encode()
    key = hashlib.sha256(data).hexdigest()
    try:
        s3.put_object(Bucket=os.environ["BUCKET_NAME"], Key=key, Body=data)
    except (BotoCoreError, ClientError):
        logger.exception("could not set aside %s", key)
        raise


def process(body):
    try:
        item = parse(body)
    except ValueError:
        set_aside(body)
    else:
        table.put_item(Item=item)


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            process(record["body"])
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
