"""Stores each order once.

SQS may deliver an order twice, and boto3 may send a put twice: the condition on the put makes the
second one harmless. An order that fails is reported, comes back alone, and ends in the dead-letter
queue if it goes on failing.
"""

import json
import logging
import os
from decimal import Decimal

import boto3

logger = logging.getLogger()
orders = boto3.resource("dynamodb").Table(os.environ["ORDERS_TABLE"])


def parse(body):
    order = json.loads(body, parse_float=Decimal)
    if not isinstance(order["orderId"], str) or not order["orderId"]:
        raise ValueError("orderId must be a text")
    if not isinstance(order["amount"], int | Decimal):
        raise ValueError("amount must be a number")
    return order


def store(order):
    try:
        orders.put_item(Item=order, ConditionExpression="attribute_not_exists(orderId)")
    except orders.meta.client.exceptions.ConditionalCheckFailedException:
        logger.info("%s stands already", order["orderId"])


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            store(parse(record["body"]))
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
