"""AWS::DynamoDB types."""

from __future__ import annotations

from typing import Any

from . import table_destinations
from .model import Making, Properties, Resource, is_true, text_of

_TABLE_PROPERTIES = (
    "AttributeDefinitions",
    "BillingMode",
    "GlobalSecondaryIndexes",
    "KeySchema",
    "LocalSecondaryIndexes",
    "ProvisionedThroughput",
)
_CAPACITY = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}


def table(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-dynamodb-table.html"""
    making.require(properties, "KeySchema")
    specification = {key: properties[key] for key in _TABLE_PROPERTIES if key in properties}
    return _table(making, properties, specification)


def global_table(making: Making, properties: Properties) -> Resource:
    """The replica in this region, which is all that a stack in one region sees.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-dynamodb-globaltable.html
    """
    making.require(properties, "KeySchema")
    specification: dict[str, Any] = {
        key: properties[key]
        for key in _TABLE_PROPERTIES
        if key in properties and key != "ProvisionedThroughput"
    }
    if specification.get("BillingMode") != "PAY_PER_REQUEST":
        specification["ProvisionedThroughput"] = _CAPACITY
        indexes = specification.get("GlobalSecondaryIndexes") or []
        specification["GlobalSecondaryIndexes"] = [
            {**index, "ProvisionedThroughput": _CAPACITY} for index in indexes
        ]
    return _table(making, properties, specification)


def _table(making: Making, properties: Properties, specification: dict[str, Any]) -> Resource:
    specification["TableName"] = name = properties.get("TableName") or making.name()
    if not specification.get("GlobalSecondaryIndexes"):
        specification.pop("GlobalSecondaryIndexes", None)
    if not specification.get("LocalSecondaryIndexes"):
        specification.pop("LocalSecondaryIndexes", None)
    stream = properties.get("StreamSpecification")
    if isinstance(stream, dict) and stream.get("StreamViewType"):
        specification["StreamSpecification"] = {**stream, "StreamEnabled": True}
    made = making.call("dynamodb", "create_table", specification)["TableDescription"]
    expiry = properties.get("TimeToLiveSpecification")
    if isinstance(expiry, dict) and is_true(expiry.get("Enabled")):
        making.call(
            "dynamodb",
            "update_time_to_live",
            {"TableName": name, "TimeToLiveSpecification": expiry},
        )
    destination = properties.get("KinesisStreamSpecification")
    table_destinations.install()
    if isinstance(destination, dict):
        arn = making.require(destination, "StreamArn")
        request = {"TableName": name, "StreamArn": arn}
        making.call("dynamodb", "enable_kinesis_streaming_destination", request)
    policy = (properties.get("ResourcePolicy") or {}).get("PolicyDocument")
    if policy:
        request = {"ResourceArn": made["TableArn"], "Policy": text_of(policy)}
        making.call("dynamodb", "put_resource_policy", request)
    attributes = {"Arn": made["TableArn"], "TableId": made.get("TableId", name)}
    if made.get("LatestStreamArn"):
        attributes["StreamArn"] = made["LatestStreamArn"]
    return Resource(name, attributes)


HANDLERS = {"AWS::DynamoDB::GlobalTable": global_table, "AWS::DynamoDB::Table": table}
