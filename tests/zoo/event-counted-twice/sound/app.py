"""Keeps each visit once; how many there were is what a query counts."""

import os

import boto3

table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def handler(event, context):
    visit = event["detail"]
    table.put_item(Item={"visitId": visit["visitId"], "room": visit["room"]})
