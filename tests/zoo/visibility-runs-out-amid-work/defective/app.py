"""Keeps one ledger a player, with a line for each move, in the order of the queue."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def parse(body):
    move = json.loads(body)
    player_id, move_id, points = move["playerId"], move["moveId"], move["points"]
    for text in (player_id, move_id):
        if not isinstance(text, str) or not 0 < len(text) <= 200:
            raise ValueError("playerId and moveId must be short texts")
    if type(points) is not int or abs(points) > 10**9:
        raise ValueError("points must be a whole number")
    return player_id, move_id, points


def process(body):
    player_id, move_id, points = parse(body)
    found = table.get_item(Key={"playerId": player_id}, ConsistentRead=True).get("Item")
    ledger = found or {"playerId": player_id, "moves": {}}
    ledger["moves"][move_id] = points
    table.put_item(Item=ledger)


def handler(event, context):
    waiting = event["Records"]
    try:
        while waiting:
            process(waiting[0]["body"])
            waiting = waiting[1:]
    except Exception:
        logger.exception("%s failed", waiting[0]["messageId"])
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in waiting]}
