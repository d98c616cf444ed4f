"""Writes a receipt for each order that a customer's item has taken."""

import os

import boto3

table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def handler(event, context):
    for record in event["Records"]:
        if record["eventName"] != "INSERT":
            continue
        image = record["dynamodb"]["NewImage"]
        table.put_item(
            Item={
                "orderId": image["lastOrderId"]["S"],
                "customerId": image["customerId"]["S"],
            }
        )
