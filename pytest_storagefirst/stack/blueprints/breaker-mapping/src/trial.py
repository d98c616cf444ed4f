"""Once a minute, while the mapping is switched off: tries one order, and switches it on again."""

from __future__ import annotations

import os
from typing import Any

import boto3
from orders import parse, process

functions = boto3.client("lambda")
sqs = boto3.client("sqs")


def handler(event: dict[str, Any], context: Any) -> None:
    mapping, queue = os.environ["MAPPING_ID"], os.environ["QUEUE_URL"]
    if functions.get_event_source_mapping(UUID=mapping)["State"] != "Disabled":
        return
    received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=1).get("Messages", [])
    for message in received:
        process(parse(message["Body"]))  # what fails comes back by itself, for another trial
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        functions.update_event_source_mapping(UUID=mapping, Enabled=True)
