"""Stores each alarm once."""

import json
import os

import boto3

table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def handler(event, context):
    for record in event["Records"]:
        alarm = json.loads(record["Sns"]["Message"])
        table.put_item(Item={"alarmId": alarm["alarmId"], "door": alarm["door"]})
