"""Checks visits and stores them; between the two they are written in one format or another."""

import json
import logging
import os

import boto3

logger = logging.getLogger()
appconfig, sqs = boto3.client("appconfigdata"), boto3.client("sqs")


def is_second():
    session = appconfig.start_configuration_session(
        ApplicationIdentifier=os.environ["APPLICATION"],
        EnvironmentIdentifier=os.environ["ENVIRONMENT"],
        ConfigurationProfileIdentifier=os.environ["PROFILE"],
    )
    token = session["InitialConfigurationToken"]
    answer = appconfig.get_latest_configuration(ConfigurationToken=token)
    return json.loads(answer["Configuration"].read())["second"]


def hand_on(body, second):
    visit = json.loads(body)
    visit_id, city = visit["visitId"], visit["city"]
    for text in (visit_id, city):
        if not isinstance(text, str) or not 0 < len(text) <= 200:
            raise ValueError("visitId and city must be short texts")
    written = {"visit": {"id": visit_id, "city": city}} if second else visit
    sqs.send_message(QueueUrl=os.environ["NEXT_QUEUE"], MessageBody=json.dumps(written))


def read(body):
    written = json.loads(body)
    if "visit" in written:
        return {"visitId": written["visit"]["id"], "city": written["visit"]["city"]}
    return {"visitId": written["visitId"], "city": written["city"]}


def check(event, context):
    second = is_second()
    return each(event, lambda body: hand_on(body, second))


def store(event, context):
    table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])
    return each(event, lambda body: table.put_item(Item=read(body)))


def each(event, work):
    failures = []
    for record in event["Records"]:
        try:
            work(record["body"])
        except Exception:
            logger.exception("%s failed", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
