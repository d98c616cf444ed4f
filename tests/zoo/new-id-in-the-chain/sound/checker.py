"""Gives each case its number and passes it on."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
sqs = boto3.client("sqs")


def number(body):
    case = json.loads(body)
    if not isinstance(case["caseId"], str) or not case["caseId"]:
        raise ValueError("caseId must be a text")
    number = f"case-{case['caseId']}"
    return json.dumps({"caseNumber": number, "caseId": case["caseId"], "topic": case["topic"]})


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            body = number(record["body"])
            sqs.send_message(QueueUrl=os.environ["NEXT_QUEUE_URL"], MessageBody=body)
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
