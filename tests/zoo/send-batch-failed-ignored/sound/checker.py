"""Passes on a batch of leads in one call; what was not sent is reported."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
sqs = boto3.client("sqs")


def check(body):
    lead = json.loads(body)
    lead_id, email = lead["leadId"], lead["email"]
    for text in (lead_id, email):
        if not isinstance(text, str) or not 0 < len(text) <= 200:
            raise ValueError("leadId and email must be short texts")
    return json.dumps({"leadId": lead_id, "email": email})


def handler(event, context):
    entries, messages, failed = [], {}, []
    for number, record in enumerate(event["Records"]):
        try:
            entries.append({"Id": str(number), "MessageBody": check(record["body"])})
            messages[str(number)] = record["messageId"]
        except Exception:
            logger.exception("%s is no lead", record["messageId"])
            failed.append(record["messageId"])
    if entries:
        answer = sqs.send_message_batch(QueueUrl=os.environ["NEXT_QUEUE_URL"], Entries=entries)
        failed += [messages[entry["Id"]] for entry in answer.get("Failed", [])]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
