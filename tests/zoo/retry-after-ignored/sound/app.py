"""Sends each alert by the messenger, which keeps one message a reference."""

import json
import os

import boto3
import requests

table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])
sqs = boto3.client("sqs")


def send(record):
    alert = json.loads(record["body"])
    alert_id, text = alert["alertId"], alert["text"]
    if not isinstance(alert_id, str) or not 0 < len(alert_id) <= 100:
        raise ValueError("alertId must be a short text")
    if not isinstance(text, str) or len(text) > 1_000:
        raise ValueError("text must be a text of at most 1,000 characters")
    answer = requests.post(
        "https://messenger.example/v2/messages",
        json={"reference": alert_id, "text": text},
        headers={"Idempotency-Key": alert_id},
        timeout=5,
    )
    if answer.status_code == 429:
        sqs.change_message_visibility(
            QueueUrl=os.environ["QUEUE_URL"],
            ReceiptHandle=record["receiptHandle"],
            VisibilityTimeout=int(answer.headers.get("Retry-After", "30")),
        )
    answer.raise_for_status()
    table.put_item(Item={"alertId": alert_id, "text": text})


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            send(record)
        except Exception as error:
            print(error)
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
