"""Puts the clicks of a batch into the stream."""

import os

import boto3

kinesis = boto3.client("kinesis")


def handler(event, context):
    records = [
        {"Data": record["body"].encode(), "PartitionKey": record["messageId"]}
        for record in event["Records"]
    ]
    kinesis.put_records(StreamName=os.environ["STREAM_NAME"], Records=records)
