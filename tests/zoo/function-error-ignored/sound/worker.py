"""Has each quote written by a function of its own."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
client = boto3.client("lambda")


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            payload = json.dumps(json.loads(record["body"]))
            answer = client.invoke(FunctionName=os.environ["WRITER_NAME"], Payload=payload)
            if "FunctionError" in answer:
                raise RuntimeError(f"not written: {answer['Payload'].read()!r}")
            logger.info("written: %s", answer["StatusCode"])
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
