"""Stores each booking; what can't be stored now is put into a queue for later."""

import json
import logging
import os

import boto3
from botocore.exceptions import ClientError

logger = logging.getLogger()
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])
sqs = boto3.client("sqs")


def parse(body):
    booking = json.loads(body)
    booking_id, seats = booking["bookingId"], booking["seats"]
    if not isinstance(booking_id, str) or not 0 < len(booking_id) <= 200 or type(seats) is not int:
        raise ValueError("a booking has a short text bookingId and whole seats")
    return {"bookingId": booking_id, "seats": seats}


def try_later(body):
    try:
        sqs.send_message(QueueUrl=os.environ["LATER_URL"], MessageBody=body)
    except Exception:
        logger.exception("not put off: %s", body)


def process(record):
    booking = parse(record["body"])
    try:
        table.put_item(Item=booking)
    except ClientError:
        logger.exception("%s not stored", booking["bookingId"])
        try_later(record["body"])


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            process(record)
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
