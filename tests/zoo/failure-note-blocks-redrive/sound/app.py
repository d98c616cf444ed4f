"""Stores each order once, by a conditional put, and notes the ones that failed to the last."""

import json
import logging
import os

import boto3
from botocore.exceptions import ClientError

LAST_RECEIVE = 5

logger = logging.getLogger()
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def parse(body):
    order = json.loads(body)
    order_id, sku = order["orderId"], order["sku"]
    for text in (order_id, sku):
        if not isinstance(text, str) or not 0 < len(text) <= 200:
            raise ValueError("orderId and sku must be short texts")
    return order_id, sku


def store(order_id, sku):
    try:
        table.put_item(
            Item={"orderId": order_id, "sku": sku, "outcome": "STORED"},
            ConditionExpression="attribute_not_exists(orderId) OR outcome = :failed",
            ExpressionAttributeValues={":failed": "FAILED"},
        )
    except table.meta.client.exceptions.ConditionalCheckFailedException:
        logger.info("%s stands already", order_id)


def note_failure(order_id):
    try:
        table.update_item(
            Key={"orderId": order_id},
            UpdateExpression="SET outcome = :failed",
            ConditionExpression="attribute_not_exists(orderId)",
            ExpressionAttributeValues={":failed": "FAILED"},
        )
    except ClientError:
        logger.exception("%s: failure not noted", order_id)


def process(record):
    order_id, sku = parse(record["body"])
    try:
        store(order_id, sku)
    except ClientError:
        if int(record["attributes"]["ApproximateReceiveCount"]) >= LAST_RECEIVE:
            note_failure(order_id)
        raise


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            process(record)
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
