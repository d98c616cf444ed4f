"""Stores each shipment once; a message that fails is reported and comes back alone."""

import json
import logging
import os

import boto3
from botocore.exceptions import ClientError

logger = logging.getLogger()
client = boto3.client("dynamodb")


def store(shipment):
    client.put_item(
        TableName=os.environ["TABLE_NAME"],
        Item={
            "shipmentId": {"S": shipment["shipmentId"]},
            "carrier": {"S": shipment["carrier"]},
        },
    )


def handler(event, context):
    failures = []
    for record in event["Records"]:
        identifier = {"itemIdentifier": record["messageId"]}
        try:
            store(json.loads(record["body"]))
        except ClientError:
            logger.exception("%s not stored", record["messageId"])
        except Exception:
            logger.exception("%s is no shipment", record["messageId"])
            failures.append(identifier)
    return {"batchItemFailures": failures}
