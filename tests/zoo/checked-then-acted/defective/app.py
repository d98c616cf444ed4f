"""Adds each donation to its fund's total, once."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
client = boto3.client("dynamodb")


def parse(body):
    donation = json.loads(body)
    donation_id, fund, amount = donation["donationId"], donation["fund"], donation["amount"]
    for text in (donation_id, fund):
        if not isinstance(text, str) or not 0 < len(text) <= 200:
            raise ValueError("donationId and fund must be short texts")
    if type(amount) is not int or not 0 < amount < 10**9:
        raise ValueError("amount must be a positive whole number")
    return donation_id, fund, amount


def add(donation_id, fund, amount):
    key = {"donationId": {"S": donation_id}}
    if "Item" in client.get_item(TableName=os.environ["TABLE_NAME"], Key=key):
        return
    mark = {
        "TableName": os.environ["TABLE_NAME"],
        "Item": {**key, "amount": {"N": str(amount)}},
    }
    total = {
        "TableName": os.environ["TOTALS_TABLE_NAME"],
        "Key": {"fund": {"S": fund}},
        "UpdateExpression": "ADD collected :amount",
        "ExpressionAttributeValues": {":amount": {"N": str(amount)}},
    }
    client.transact_write_items(TransactItems=[{"Put": mark}, {"Update": total}])


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            add(*parse(record["body"]))
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
