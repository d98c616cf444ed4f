"""Stores each enrolment once, by a conditional put."""

import json
import logging
import os

import boto3
from botocore.exceptions import ClientError

logger = logging.getLogger()
client = boto3.client("dynamodb")


def process(enrolment):
    enrolment_id, course = enrolment["enrolmentId"], enrolment["course"]
    if not isinstance(enrolment_id, str) or not enrolment_id:
        raise ValueError("enrolmentId must be a text")
    if not isinstance(course, str):
        raise ValueError("course must be a text")
    try:
        client.put_item(
            TableName=os.environ["TABLE_NAME"],
            Item={"enrolmentId": {"S": enrolment_id}, "course": {"S": course}},
            ConditionExpression="attribute_not_exists(enrolmentId)",
        )
    except ClientError:
        logger.info("%s is enrolled already", enrolment_id)


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            process(json.loads(record["body"]))
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
