"""Writes readings one by one, or all of a batch at its end where the parameter says so."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
ssm = boto3.client("ssm")
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def in_bulk():
    return ssm.get_parameter(Name=os.environ["IN_BULK"])["Parameter"]["Value"] == "true"


def parse(body):
    reading = json.loads(body)
    reading_id, degrees = reading["readingId"], reading["degrees"]
    if not isinstance(reading_id, str) or not 0 < len(reading_id) <= 200:
        raise ValueError("readingId must be a short text")
    if not isinstance(degrees, int) or isinstance(degrees, bool):
        raise ValueError("degrees must be a whole number")
    return {"readingId": reading_id, "degrees": degrees}


def handler(event, context):
    failures, waiting = [], {}
    for record in event["Records"]:
        try:
            reading = parse(record["body"])
            if in_bulk():
                waiting[record["messageId"]] = reading
            else:
                table.put_item(Item=reading)
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    if in_bulk():
        try:
            with table.batch_writer(overwrite_by_pkeys=["readingId"]) as batch:
                for reading in waiting.values():
                    batch.put_item(Item=reading)
        except Exception:
            logger.exception("the bulk failed")
            failures += [{"itemIdentifier": message} for message in waiting]
    return {"batchItemFailures": failures}
