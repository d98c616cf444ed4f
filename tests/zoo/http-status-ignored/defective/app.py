"""Sends each page through the pager service, which keeps one page a reference."""

import json
import os

import boto3
import requests

table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def handler(event, context):
    for record in event["Records"]:
        page = json.loads(record["body"])
        page_id, text = page["pageId"], page["text"]
        if not isinstance(page_id, str) or not 0 < len(page_id) <= 100:
            raise ValueError("pageId must be a short text")
        if not isinstance(text, str) or len(text) > 1_000:
            raise ValueError("text must be a text of at most 1,000 characters")
        requests.post(
            os.environ["PAGER_URL"],
            json={"reference": page_id, "text": text},
            headers={"Idempotency-Key": page_id},
            timeout=5,
        )
        table.put_item(Item={"pageId": page_id, "text": text, "sent": True})
