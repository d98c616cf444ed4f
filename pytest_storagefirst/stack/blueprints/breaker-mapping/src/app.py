"""Charges each order once; after failures in a row it switches off the mapping that feeds it.

Then orders wait in the queue, unreceived, until trial.py has found the third party well again. A
handler of your own takes its place with `storagefirst("blueprint:NAME", handlers={"Worker": …})`.
"""

from __future__ import annotations

import logging
import os
from typing import Any

import boto3
from orders import Down, parse, process, too_many_failures

logger = logging.getLogger()
functions = boto3.client("lambda")


def open_circuit() -> None:
    found = functions.list_event_source_mappings(
        FunctionName=os.environ["AWS_LAMBDA_FUNCTION_NAME"],
        EventSourceArn=os.environ["QUEUE_ARN"],
    )["EventSourceMappings"]
    for mapping in found:
        try:
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        except functions.exceptions.ResourceInUseException:
            logger.info("someone else is switching; the next failure tries again")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    failures = []
    is_open = False
    for record in event["Records"]:
        if is_open:
            failures.append({"itemIdentifier": record["messageId"]})
            continue
        try:
            process(parse(record["body"]))
        except Exception as error:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
            if isinstance(error, Down) and too_many_failures():
                open_circuit()
                is_open = True
    return {"batchItemFailures": failures}
