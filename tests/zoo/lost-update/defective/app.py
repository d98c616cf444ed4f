"""Keeps one basket a customer, with a line for each message."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def add_line(customer_id, line_id, quantity):
    basket = table.get_item(Key={"customerId": customer_id}).get("Item")
    basket = basket or {"customerId": customer_id, "lines": {}}
    basket["lines"][line_id] = quantity
    table.put_item(Item=basket)


def process(body):
    line = json.loads(body)
    customer_id, line_id, quantity = line["customerId"], line["lineId"], line["quantity"]
    for text in (customer_id, line_id):
        if not isinstance(text, str) or not 0 < len(text) <= 200:
            raise ValueError("customerId and lineId must be short texts")
    if type(quantity) is not int or abs(quantity) > 10**9:
        raise ValueError("quantity must be a whole number")
    add_line(customer_id, line_id, quantity)


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            process(record["body"])
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
