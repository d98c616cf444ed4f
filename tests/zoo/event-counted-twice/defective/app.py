"""Counts the visits to each room."""

import os

import boto3

table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def handler(event, context):
    table.update_item(
        Key={"room": event["detail"]["room"]},
        UpdateExpression="ADD visits :one",
        ExpressionAttributeValues={":one": 1},
    )
