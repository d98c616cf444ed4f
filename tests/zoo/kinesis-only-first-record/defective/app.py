"""Takes each bid down."""

import base64
import json
import os

import boto3

table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def handler(event, context):
    record = event["Records"][0]
    bid = json.loads(base64.b64decode(record["kinesis"]["data"]))
    table.put_item(Item={"bidId": bid["bidId"], "lot": bid["lot"], "pounds": bid["pounds"]})
