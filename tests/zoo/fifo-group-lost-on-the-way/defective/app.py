"""Keeps each move once, in order."""

import json
import os

import boto3

table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def handler(event, context):
    for record in event["Records"]:
        move = json.loads(record["body"])
        table.put_item(Item={"moveId": move["moveId"], "game": move["game"]})
