"""Writes one quote."""

import os

import boto3

table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def handler(quote, context):
    table.put_item(Item={"quoteId": quote["quoteId"], "price": quote["price"]})
    return {"quoteId": quote["quoteId"]}
