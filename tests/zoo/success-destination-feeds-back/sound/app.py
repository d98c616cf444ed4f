"""Keeps each job once, with what was asked."""

import json
import os

import boto3

table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def handler(event, context):
    for record in event["Records"]:
        job = json.loads(record["Sns"]["Message"])
        asked = job.get("requestPayload", {}).get("Records", [record])[0]
        job = json.loads(asked["Sns"]["Message"])
        table.put_item(Item={"jobId": job["jobId"], "what": job["what"]})
