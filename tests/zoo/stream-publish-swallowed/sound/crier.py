"""Announces each new offer."""

import json
import os

import boto3

events = boto3.client("events")


def handler(event, context):
    for record in event["Records"]:
        if record["eventName"] == "REMOVE":
            continue
        offer = record["dynamodb"]["NewImage"]
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
