"""Stores each order once, one message at a time."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def handler(event, context):
    for record in event["Records"]:
        order = json.loads(record["body"])
        item = {
            "orderId": order["orderId"],
            "customerId": order["customerId"],
            "amount": order["amount"],
        }
        try:
            table.put_item(Item=item, ConditionExpression="attribute_not_exists(orderId)")
        except table.meta.client.exceptions.ConditionalCheckFailedException:
            logger.info("%s stands already", item["orderId"])
