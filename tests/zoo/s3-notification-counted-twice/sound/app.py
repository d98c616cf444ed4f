"""Keeps each photo of an album once."""

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
        table.put_item(Item={"uploadId": upload["uploadId"], "album": upload["album"]})
