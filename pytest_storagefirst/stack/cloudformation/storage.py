"""AWS::S3 and AWS::Kinesis types."""

from __future__ import annotations

from typing import Any

from .model import Making, Properties, Resource, text_of

_NOTIFICATIONS = {
    "LambdaConfigurations": ("LambdaFunctionConfigurations", "Function", "LambdaFunctionArn"),
    "QueueConfigurations": ("QueueConfigurations", "Queue", "QueueArn"),
    "TopicConfigurations": ("TopicConfigurations", "Topic", "TopicArn"),
}


def bucket(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-s3-bucket.html"""
    name = properties.get("BucketName") or making.name(63).lower()
    request: dict[str, Any] = {"Bucket": name}
    if making.region != "us-east-1":
        request["CreateBucketConfiguration"] = {"LocationConstraint": making.region}
    making.call("s3", "create_bucket", request)
    versioning = properties.get("VersioningConfiguration")
    if isinstance(versioning, dict) and versioning.get("Status"):
        making.call(
            "s3",
            "put_bucket_versioning",
            {"Bucket": name, "VersioningConfiguration": {"Status": versioning["Status"]}},
        )
    notifications = properties.get("NotificationConfiguration")
    if isinstance(notifications, dict):
        configuration = _notifications(notifications)
        making.call(
            "s3",
            "put_bucket_notification_configuration",
            {"Bucket": name, "NotificationConfiguration": configuration},
        )
    return Resource(
        name,
        {
            "Arn": f"arn:aws:s3:::{name}",
            "DomainName": f"{name}.s3.amazonaws.com",
            "DualStackDomainName": f"{name}.s3.dualstack.{making.region}.amazonaws.com",
            "RegionalDomainName": f"{name}.s3.{making.region}.amazonaws.com",
            "WebsiteURL": f"http://{name}.s3-website-{making.region}.amazonaws.com",
        },
    )


def _notifications(written: dict[str, Any]) -> dict[str, Any]:
    """The template's form in the API's words."""
    configuration: dict[str, Any] = {}
    for section, (target, source_name, target_name) in _NOTIFICATIONS.items():
        entries = []
        for number, entry in enumerate(written.get(section) or []):
            rules = ((entry.get("Filter") or {}).get("S3Key") or {}).get("Rules") or []
            entries.append(
                {
                    "Id": f"{section}{number}",
                    target_name: entry.get(source_name),
                    "Events": [entry.get("Event")],
                    **({"Filter": {"Key": {"FilterRules": rules}}} if rules else {}),
                }
            )
        if entries:
            configuration[target] = entries
    if "EventBridgeConfiguration" in written:
        configuration["EventBridgeConfiguration"] = {}
    return configuration


def bucket_notifications(making: Making, properties: Properties) -> Resource:
    """The custom resource by which the CDK tells a bucket whom to notify.

    What it is given is a request of S3's already, which the CDK's own function passes on.
    https://docs.aws.amazon.com/cdk/api/v2/docs/aws-cdk-lib.aws_s3.Bucket.html
    """
    name = making.require(properties, "BucketName")
    configuration = making.require(properties, "NotificationConfiguration")
    if not making.is_external(name):
        making.call(
            "s3",
            "put_bucket_notification_configuration",
            {"Bucket": name, "NotificationConfiguration": configuration},
        )
    return Resource(making.name())


def bucket_policy(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-s3-bucketpolicy.html"""
    name = making.require(properties, "Bucket")
    policy = text_of(making.require(properties, "PolicyDocument"))
    making.call("s3", "put_bucket_policy", {"Bucket": name, "Policy": policy})
    return Resource(name)


def stream(making: Making, properties: Properties) -> Resource:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-kinesis-stream.html"""
    name = properties.get("Name") or making.name(128)
    mode = properties.get("StreamModeDetails")
    on_demand = isinstance(mode, dict) and mode.get("StreamMode") == "ON_DEMAND"
    request: dict[str, Any] = {"StreamName": name}
    if on_demand:
        request["StreamModeDetails"] = mode
    else:
        request["ShardCount"] = properties.get("ShardCount", 1)
    making.call("kinesis", "create_stream", request)
    hours = properties.get("RetentionPeriodHours")
    if hours is not None and int(hours) > 24:
        making.call(
            "kinesis",
            "increase_stream_retention_period",
            {"StreamName": name, "RetentionPeriodHours": hours},
        )
    arn = f"arn:aws:kinesis:{making.region}:{making.account}:stream/{name}"
    return Resource(name, {"Arn": arn})


HANDLERS = {
    "AWS::Kinesis::Stream": stream,
    "AWS::S3::Bucket": bucket,
    "AWS::S3::BucketPolicy": bucket_policy,
    "Custom::S3BucketNotifications": bucket_notifications,
}
