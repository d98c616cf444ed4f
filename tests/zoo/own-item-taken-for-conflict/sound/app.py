"""Reserves each seat once, by a conditional put."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def process(body):
    seat = json.loads(body)
    item = {"seatId": seat["seatId"], "row": seat["row"]}
    try:
        table.put_item(Item=item, ConditionExpression="attribute_not_exists(seatId)")
    except table.meta.client.exceptions.ConditionalCheckFailedException:
        logger.info("%s is reserved already", item["seatId"])


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            process(record["body"])
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
