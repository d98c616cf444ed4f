import json
import os
import urllib.request

import boto3

THRESHOLD = 3

dynamodb = boto3.resource("dynamodb")
count = dynamodb.Table(os.environ["COUNT_TABLE_NAME"])
table = dynamodb.Table(os.environ["TABLE_NAME"])
functions = boto3.client("lambda")


def call(method, path, order=None):
    request = urllib.request.Request(
        os.environ["DOWNSTREAM_URL"] + path,
        data=json.dumps(order).encode() if order else None,
        headers={"Idempotency-Key": order["id"]} if order else {},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        answer.read()


def failed(function):
    counted = count.update_item(
        Key={"id": "failures"},
        UpdateExpression="ADD failures :one",
        ExpressionAttributeValues={":one": 1},
        ReturnValues="UPDATED_NEW",
    )["Attributes"]["failures"]
    if counted >= THRESHOLD:
        found = functions.list_event_source_mappings(FunctionName=function)
        for mapping in found["EventSourceMappings"]:
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)


def handler(event, context):
    [record] = event["Records"]
    order = json.loads(record["body"])
    try:
        call("POST", "/orders", order)
    except OSError:
        failed(context.function_name)
        raise
    count.put_item(Item={"id": "failures", "failures": 0})
    table.put_item(Item={"id": order["id"]})


def trial(event, context):
    mapping = os.environ["MAPPING_ID"]
    if functions.get_event_source_mapping(UUID=mapping)["State"] != "Disabled":
        return
    call("GET", "/health")  # what raises here is tried again in a minute
    count.put_item(Item={"id": "failures", "failures": 0})
    functions.update_event_source_mapping(UUID=mapping, Enabled=True)
