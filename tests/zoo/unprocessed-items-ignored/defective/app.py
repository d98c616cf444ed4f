"""Writes a batch of meter readings in one call; what was not written is reported."""

import json
import logging
import os

import boto3

TABLE_NAME = os.environ["TABLE_NAME"]

logger = logging.getLogger()
client = boto3.client("dynamodb")


def parse(body):
    reading = json.loads(body)
    reading_id, kilowatt_hours = reading["readingId"], reading["kilowattHours"]
    if not isinstance(reading_id, str) or not 0 < len(reading_id) <= 100:
        raise ValueError("readingId must be a short text")
    if type(kilowatt_hours) is not int or abs(kilowatt_hours) > 10**9:
        raise ValueError("kilowattHours must be a whole number")
    return {"readingId": {"S": reading_id}, "kilowattHours": {"N": str(kilowatt_hours)}}


def write(items):
    """The ids of the readings that were not written."""
    requests = [{"PutRequest": {"Item": item}} for item in items.values()]
    answer = client.batch_write_item(RequestItems={TABLE_NAME: requests})
    unwritten = answer.get("UnprocessedItems", {}).get(TABLE_NAME, [])
    return {request["PutRequest"]["Item"]["readingId"]["S"] for request in unwritten}


def handler(event, context):
    items, messages, failed = {}, {}, []
    for record in event["Records"]:
        try:
            item = parse(record["body"])
        except Exception:
            logger.exception("%s is no reading", record["messageId"])
            failed.append(record["messageId"])
        else:
            items[item["readingId"]["S"]] = item
            messages[record["messageId"]] = item["readingId"]["S"]
    if items:
        write(items)
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
