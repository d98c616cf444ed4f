"""Adds each pledge to its campaign's total, once; a claim keeps a second attempt off."""

import json
import logging
import os
import time
import uuid

import boto3

logger = logging.getLogger()
client = boto3.client("dynamodb")
CLAIM_SECONDS = 60


class InProgress(Exception):
    """Another attempt is at work on this pledge."""


def parse(body):
    pledge = json.loads(body)
    pledge_id, campaign, amount = pledge["pledgeId"], pledge["campaign"], pledge["amount"]
    for text in (pledge_id, campaign):
        if not isinstance(text, str) or not 0 < len(text) <= 200:
            raise ValueError("pledgeId and campaign must be short texts")
    if type(amount) is not int or not 0 < amount < 10**9:
        raise ValueError("amount must be a positive whole number")
    return pledge_id, campaign, amount


def claim(key, attempt):
    """Claim the pledge for this attempt; False when it is done already."""
    now = int(time.time())
    try:
        client.update_item(
            TableName=os.environ["TABLE_NAME"],
            Key=key,
            UpdateExpression="SET attempt = :attempt, claimedUntil = :until",
            ConditionExpression="attribute_not_exists(pledgeId) OR claimedUntil < :now",
            ExpressionAttributeValues={
                ":attempt": {"S": attempt},
                ":until": {"N": str(now + CLAIM_SECONDS)},
                ":now": {"N": str(now)},
            },
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except client.exceptions.ConditionalCheckFailedException as error:
        if error.response.get("Item", {}).get("attempt") == {"S": attempt}:
            return True  # our own, made by a request whose answer was lost
        if "done" in error.response.get("Item", {}):
            return False
        raise InProgress(key["pledgeId"]["S"]) from None
    return True


def complete(key, attempt, campaign, amount):
    """Add to the total and note that it is done, both or neither, if the claim is still ours."""
    note = {
        "TableName": os.environ["TABLE_NAME"],
        "Key": key,
        "UpdateExpression": "SET done = :yes, amount = :amount REMOVE attempt, claimedUntil",
        "ConditionExpression": "attempt = :attempt",
        "ExpressionAttributeValues": {
            ":yes": {"BOOL": True},
            ":amount": {"N": str(amount)},
            ":attempt": {"S": attempt},
        },
    }
    total = {
        "TableName": os.environ["TOTALS_TABLE_NAME"],
        "Key": {"campaign": {"S": campaign}},
        "UpdateExpression": "ADD pledged :amount",
        "ExpressionAttributeValues": {":amount": {"N": str(amount)}},
    }
    try:
        client.transact_write_items(TransactItems=[{"Update": note}, {"Update": total}])
    except client.exceptions.TransactionCanceledException:
        found = client.get_item(
            TableName=os.environ["TABLE_NAME"], Key=key, ConsistentRead=True
        ).get("Item", {})
        if "done" not in found:
            raise


def check_campaign(campaign):
    found = client.get_item(
        TableName=os.environ["CLOSED_TABLE_NAME"], Key={"campaign": {"S": campaign}}
    )
    if "Item" in found:
        raise ValueError("the campaign is closed")


def clear(key):
    """Take a claim away whose attempt seems to have died, so that the next begins afresh."""
    client.delete_item(TableName=os.environ["TABLE_NAME"], Key=key)


def process(body):
    pledge_id, campaign, amount = parse(body)
    key, attempt = {"pledgeId": {"S": pledge_id}}, str(uuid.uuid4())
    try:
        if claim(key, attempt):
            check_campaign(campaign)
            complete(key, attempt, campaign, amount)
    except InProgress:
        clear(key)
        raise


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            process(record["body"])
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
