"""Stores each vote once; a warm environment remembers what it has stored."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])
remembered = set()


def process(vote):
    vote_id, choice = vote["voteId"], vote["choice"]
    if vote_id in remembered:
        return
    table.put_item(Item={"voteId": vote_id, "choice": choice})
    remembered.add(vote_id)


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            process(json.loads(record["body"]))
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
