"""Has each label printed by the print service, which keeps one job a reference."""

import json
import os

import boto3
import requests

table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def print_label(record):
    label = json.loads(record["body"])
    label_id, text = label["labelId"], label["address"]
    if not isinstance(label_id, str) or not 0 < len(label_id) <= 100:
        raise ValueError("labelId must be a short text")
    if not isinstance(text, str) or len(text) > 1_000:
        raise ValueError("address must be a text of at most 1,000 characters")
    answer = requests.post(
        "https://printer.example/jobs",
        json={"reference": label_id, "address": text},
        headers={"Idempotency-Key": label_id},
        timeout=5,
    )
    answer.raise_for_status()
    table.put_item(Item={"labelId": label_id, "address": text})


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            print_label(record)
        except Exception as error:
            print(error)
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
