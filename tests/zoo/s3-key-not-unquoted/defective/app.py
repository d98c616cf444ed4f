"""Stores each scan that is put into the bucket."""

import json
import os

import boto3

s3 = boto3.client("s3")
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def handler(event, context):
    for record in event["Records"]:
        bucket = record["s3"]["bucket"]["name"]
        key = record["s3"]["object"]["key"]
        scan = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        table.put_item(Item={"scanId": scan["scanId"], "pages": scan["pages"]})
