"""Counts the photos of each album."""

import json
import os
from urllib.parse import unquote_plus

import boto3

s3 = boto3.client("s3")
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def handler(event, context):
    for record in event["Records"]:
        bucket = record["s3"]["bucket"]["name"]
        key = unquote_plus(record["s3"]["object"]["key"])
        upload = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        table.update_item(
            Key={"album": upload["album"]},
            UpdateExpression="ADD photos :one",
            ExpressionAttributeValues={":one": 1},
        )
