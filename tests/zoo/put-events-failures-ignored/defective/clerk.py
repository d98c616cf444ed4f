"""Announces each booking; one that fails is reported and comes back alone."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
events = boto3.client("events")


def announce(record):
    booking = json.loads(record["body"])
    detail = json.dumps({"bookingId": booking["bookingId"], "nights": booking["nights"]})
    events.put_events(
        Entries=[
            {
                "EventBusName": os.environ["BUS_NAME"],
                "Source": "clerk",
                "DetailType": "Booked",
                "Detail": detail,
            }
        ]
    )


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            announce(record)
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
