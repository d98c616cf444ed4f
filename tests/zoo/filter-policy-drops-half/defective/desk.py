"""Publishes each trade, with its size; one that fails is reported and comes back alone."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
sns = boto3.client("sns")


def publish(record):
    trade = json.loads(record["body"])
    size = "large" if trade["shares"] >= 100 else "small"
    sns.publish(
        TopicArn=os.environ["TOPIC_ARN"],
        Message=json.dumps({"tradeId": trade["tradeId"], "shares": trade["shares"]}),
        MessageAttributes={"size": {"DataType": "String", "StringValue": size}},
    )


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            publish(record)
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
