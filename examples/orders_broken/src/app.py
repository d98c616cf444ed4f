"""Stores each order once, or so it is meant.

An order is marked as seen before it is stored. When the handler dies in between, or the put into
Orders fails, the order comes back from the queue, is found to be seen, and is acknowledged: lost.
"""

import json
import logging
import os
from decimal import Decimal

import boto3

logger = logging.getLogger()
dynamodb = boto3.resource("dynamodb")
orders = dynamodb.Table(os.environ["ORDERS_TABLE"])
seen_orders = dynamodb.Table(os.environ["SEEN_TABLE"])


def parse(body):
    order = json.loads(body, parse_float=Decimal)
    if not isinstance(order["orderId"], str) or not order["orderId"]:
        raise ValueError("orderId must be a text")
    if not isinstance(order["amount"], int | Decimal):
        raise ValueError("amount must be a number")
    return order


def seen_before(order_id):
    try:
        seen_orders.put_item(
            Item={"orderId": order_id}, ConditionExpression="attribute_not_exists(orderId)"
        )
    except seen_orders.meta.client.exceptions.ConditionalCheckFailedException:
        return True
    return False


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            order = parse(record["body"])
            if seen_before(order["orderId"]):
                logger.info("%s was seen before", order["orderId"])
                continue
            orders.put_item(Item=order)
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
