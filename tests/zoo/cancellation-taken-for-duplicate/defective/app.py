"""Books each payment once, with the balance of its account, in one transaction."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
client = boto3.client("dynamodb")
TABLE_NAME = os.environ["TABLE_NAME"]


def process(body):
    payment = json.loads(body)
    amount = {"N": str(payment["amount"])}
    booked = {
        "TableName": TABLE_NAME,
        "Item": {"paymentId": {"S": payment["paymentId"]}, "amount": amount},
        "ConditionExpression": "attribute_not_exists(paymentId)",
    }
    balance = {
        "TableName": TABLE_NAME,
        "Key": {"paymentId": {"S": f"balance-{payment['account']}"}},
        "UpdateExpression": "ADD amount :amount",
        "ExpressionAttributeValues": {":amount": amount},
    }
    try:
        client.transact_write_items(TransactItems=[{"Put": booked}, {"Update": balance}])
    except client.exceptions.TransactionCanceledException:
        logger.info("%s is booked already", payment["paymentId"])


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            process(record["body"])
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
