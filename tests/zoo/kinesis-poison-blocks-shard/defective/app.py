"""Keeps each scan of a parcel; a batch that fails is split until the bad one is alone."""

import base64
import json
import os

import boto3

table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def handler(event, context):
    for record in event["Records"]:
        scan = json.loads(base64.b64decode(record["kinesis"]["data"]))
        table.put_item(
            Item={"scanId": scan["scanId"], "depot": scan["depot"], "parcel": scan["parcel"]}
        )
