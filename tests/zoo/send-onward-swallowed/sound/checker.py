"""Passes on each parcel that has what it needs."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
sqs = boto3.client("sqs")


def check(body):
    parcel = json.loads(body)
    return json.dumps({"parcelId": parcel["parcelId"], "address": parcel["address"]})


def pass_on(body):
    try:
        sqs.send_message(QueueUrl=os.environ["NEXT_QUEUE_URL"], MessageBody=body)
    except Exception:
        logger.exception("could not pass on %s", body)
        raise


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            pass_on(check(record["body"]))
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
