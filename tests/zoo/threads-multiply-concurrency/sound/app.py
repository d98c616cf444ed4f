"""Has each photo tagged by the tagging service, which keeps one job a reference."""

import json
import os

import boto3
import requests

table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def tag(record):
    photo = json.loads(record["body"])
    photo_id, text = photo["photoId"], photo["place"]
    if not isinstance(photo_id, str) or not 0 < len(photo_id) <= 100:
        raise ValueError("photoId must be a short text")
    if not isinstance(text, str) or len(text) > 1_000:
        raise ValueError("place must be a text of at most 1,000 characters")
    answer = requests.post(
        "https://tagger.example/v1/tags",
        json={"reference": photo_id, "place": text},
        headers={"Idempotency-Key": photo_id},
        timeout=5,
    )
    answer.raise_for_status()
    table.put_item(Item={"photoId": photo_id, "place": text})


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            tag(record)
        except Exception as error:
            print(error)
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
