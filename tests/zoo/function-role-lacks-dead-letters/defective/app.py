"""Stores each reading that a topic sends."""

import json
import os

import boto3

table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def handler(event, context):
    for record in event["Records"]:
        reading = json.loads(record["Sns"]["Message"])
        table.put_item(Item={"readingId": reading["readingId"], "degrees": reading["degrees"]})
