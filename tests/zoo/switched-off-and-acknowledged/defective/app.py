"""Books invoices while invoicing is switched on."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
dynamodb = boto3.resource("dynamodb")
invoices = dynamodb.Table(os.environ["TABLE_NAME"])
switches = dynamodb.Table(os.environ["SWITCHES"])


def is_on():
    found = switches.get_item(Key={"switch": "invoicing"}, ConsistentRead=True)
    return found["Item"]["enabled"]


def process(body):
    invoice = json.loads(body)
    invoice_id, amount = invoice["invoiceId"], invoice["amount"]
    if not isinstance(invoice_id, str) or not 0 < len(invoice_id) <= 200:
        raise ValueError("invoiceId must be a short text")
    if not isinstance(amount, int) or isinstance(amount, bool):
        raise ValueError("amount must be a whole number")
    if not is_on():
        logger.info("%s is not booked: invoicing is off", invoice_id)
        return
    invoices.put_item(Item={"invoiceId": invoice_id, "amount": amount})


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            process(record["body"])
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
