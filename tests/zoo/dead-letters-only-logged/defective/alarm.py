"""Writes a line for every dead letter."""

import logging
import os

logger = logging.getLogger()
logger.setLevel(os.environ["LEVEL"])


def handler(event, context):
    for record in event["Records"]:
        logger.error("dead letter: %s", record["body"])
