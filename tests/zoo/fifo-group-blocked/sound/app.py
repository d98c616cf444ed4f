"""Stores each entry once, one message at a time."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def handler(event, context):
    for record in event["Records"]:
        entry = json.loads(record["body"])
        item = {"entryId": entry["entryId"], "account": entry["account"], "pence": entry["pence"]}
        try:
            table.put_item(Item=item, ConditionExpression="attribute_not_exists(entryId)")
        except table.meta.client.exceptions.ConditionalCheckFailedException:
            logger.info("%s stands already", item["entryId"])
