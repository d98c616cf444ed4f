"""Kinesis data streams for DynamoDB, which moto lacks: a table may put its changes into a stream.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_EnableKinesisStreamingDestination.html
"""

from __future__ import annotations

from typing import Any

_installed = False


def install() -> None:
    """Let moto take a table's destination and name it again."""
    global _installed
    if _installed:
        return
    _installed = True
    from moto.core.responses import ActionResult
    from moto.dynamodb.models.table import StreamShard
    from moto.dynamodb.responses import DynamoHandler

    def enable(self: Any) -> Any:
        name, arn = self.body["TableName"], self.body["StreamArn"]
        table = self.dynamodb_backend.get_table(name)
        table.kinesis_stream_arn = arn
        if table.stream_shard is None:  # where moto tells of changes; it makes no table stream
            table.stream_shard = StreamShard(self.current_account, table)
        return ActionResult({"TableName": name, "StreamArn": arn, "DestinationStatus": "ACTIVE"})

    def describe(self: Any) -> Any:
        name = self.body["TableName"]
        arn = getattr(self.dynamodb_backend.get_table(name), "kinesis_stream_arn", None)
        found = [{"StreamArn": arn, "DestinationStatus": "ACTIVE"}] if arn else []
        return ActionResult({"TableName": name, "KinesisDataStreamDestinations": found})

    handler: Any = DynamoHandler
    handler.enable_kinesis_streaming_destination = enable
    handler.describe_kinesis_streaming_destination = describe
