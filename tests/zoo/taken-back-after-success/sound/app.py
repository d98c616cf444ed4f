"""Leaves an item and a document of each contract; the next attempt finishes what is left half."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])
s3 = boto3.client("s3")


def parse(body):
    contract = json.loads(body)
    contract_id, party = contract["contractId"], contract["party"]
    for text in (contract_id, party):
        if not isinstance(text, str) or not 0 < len(text) <= 200:
            raise ValueError("contractId and party must be short texts")
    return {"contractId": contract_id, "party": party}


def process(record):
    contract = parse(record["body"])
    table.put_item(Item=contract)
    s3.put_object(
        Bucket=os.environ["BUCKET_NAME"],
        Key=contract["contractId"],
        Body=json.dumps(contract).encode(),
    )


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            process(record)
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
