"""Announces each new offer."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
events = boto3.client("events")


def handler(event, context):
    for record in event["Records"]:
        if record["eventName"] == "REMOVE":
            continue
        offer = record["dynamodb"]["NewImage"]
        try:
            said = events.put_events(
                Entries=[
                    {
                        "EventBusName": os.environ["BUS_NAME"],
                        "Source": "crier",
                        "DetailType": "Offered",
                        "Detail": json.dumps({"offerId": offer["offerId"]["S"]}),
                    }
                ]
            )
            if said["FailedEntryCount"]:
                raise RuntimeError(said["Entries"][0]["ErrorCode"])
        except Exception:
            logger.exception("%s was not announced", offer["offerId"]["S"])
