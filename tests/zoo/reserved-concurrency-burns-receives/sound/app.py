"""Has each report rendered, two at a time, by a service that keeps one job a reference."""

import json
import os

import boto3
import requests

table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def render(record):
    report = json.loads(record["body"])
    report_id, text = report["reportId"], report["title"]
    if not isinstance(report_id, str) or not 0 < len(report_id) <= 100:
        raise ValueError("reportId must be a short text")
    if not isinstance(text, str) or len(text) > 1_000:
        raise ValueError("title must be a text of at most 1,000 characters")
    answer = requests.post(
        "https://renderer.example/jobs",
        json={"reference": report_id, "title": text},
        headers={"Idempotency-Key": report_id},
        timeout=25,
    )
    answer.raise_for_status()
    table.put_item(Item={"reportId": report_id, "title": text})


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            render(record)
        except Exception as error:
            print(error)
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
