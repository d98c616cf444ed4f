"""Puts the clicks of a batch into the stream; those that fail are reported and come back."""

import os

import boto3

kinesis = boto3.client("kinesis")


def handler(event, context):
    records = [
        {"Data": record["body"].encode(), "PartitionKey": record["messageId"]}
        for record in event["Records"]
    ]
    said = kinesis.put_records(StreamName=os.environ["STREAM_NAME"], Records=records)
    failures = [
        {"itemIdentifier": record["messageId"]}
        for record, answer in zip(event["Records"], said["Records"], strict=True)
        if "ErrorCode" in answer
    ]
    return {"batchItemFailures": failures}
