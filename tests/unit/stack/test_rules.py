"""What AWS refuses at deployment."""

# ruff: noqa: E501 (templates are easier to read with long lines)

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_storagefirst.errors import TemplateError
from pytest_storagefirst.stack.template import Template

STACK = """
Resources:
  Dead: {{Type: AWS::SQS::Queue, Properties: {{{dead}}}}}
  Queue:
    Type: AWS::SQS::Queue
    Properties: {{{queue}}}
  Worker:
    Type: AWS::Lambda::Function
    Properties: {{Handler: a.b, Runtime: python3.12, Role: r, Code: {{ZipFile: x}}, {function}}}
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {{EventSourceArn: !GetAtt Queue.Arn, FunctionName: !Ref Worker, {mapping}}}
"""
FIFO = "FifoQueue: true"
REDRIVE = "RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3}"


def written(queue: str = "", mapping: str = "", function: str = "", dead: str = "") -> str:
    return STACK.format(queue=queue, mapping=mapping, function=function, dead=dead)


@pytest.mark.parametrize(
    ("text", "logical_id", "property_name"),
    [
        (written("VisibilityTimeout: 10", function="Timeout: 11"), "Queue", "VisibilityTimeout"),
        (written(function="Timeout: 31"), "Queue", "VisibilityTimeout"),
        (written("VisibilityTimeout: 43201"), "Queue", "VisibilityTimeout"),
        (written("MessageRetentionPeriod: 59"), "Queue", "MessageRetentionPeriod"),
        (written("MessageRetentionPeriod: '1209601'"), "Queue", "MessageRetentionPeriod"),
        (written("DelaySeconds: 901"), "Queue", "DelaySeconds"),
        (written("DelaySeconds: soon"), "Queue", "DelaySeconds"),
        (written("VisibilityTimout: 60"), "Queue", "VisibilityTimout"),
        (written(FIFO + ", QueueName: orders"), "Queue", "QueueName"),
        (written("QueueName: orders.fifo"), "Queue", "QueueName"),
        (written(FIFO + ", QueueName: !Sub '${Dead}-x'"), "Queue", "QueueName"),
        (written(FIFO + ", " + REDRIVE), "Queue", "RedrivePolicy.deadLetterTargetArn"),
        (written(REDRIVE, dead=FIFO), "Queue", "RedrivePolicy.deadLetterTargetArn"),
        (written(REDRIVE.replace("3}", "0}")), "Queue", "RedrivePolicy.maxReceiveCount"),
        (
            written(REDRIVE.replace("!GetAtt Dead.Arn", "arn:aws:sqs:us-east-1:123456789012:no")),
            "Queue",
            "RedrivePolicy.deadLetterTargetArn",
        ),
        (
            written(REDRIVE.replace("Dead.Arn", "Worker.Arn")),
            "Queue",
            "RedrivePolicy.deadLetterTargetArn",
        ),
        (written(mapping="BatchSize: 11"), "Mapping", "BatchSize"),
        (written(mapping="BatchSize: 10001"), "Mapping", "BatchSize"),
        (written(FIFO, "BatchSize: 11"), "Mapping", "BatchSize"),
        (
            written(FIFO, "MaximumBatchingWindowInSeconds: 1"),
            "Mapping",
            "MaximumBatchingWindowInSeconds",
        ),
        (written(mapping="ScalingConfig: {MaximumConcurrency: 1}"), "Mapping", "MaximumConcurrency"),
        (
            written(mapping="ScalingConfig: {MaximumConcurrency: 1001}"),
            "Mapping",
            "MaximumConcurrency",
        ),
        (
            written(mapping="BatchSize: 5").replace(
                "!GetAtt Queue.Arn", "arn:aws:sqs:us-east-1:123456789012:no"
            ),
            "Mapping",
            "EventSourceArn",
        ),
        (written(function="Timeout: 901"), "Worker", "Timeout"),
        (written(function="MemorySize: 64"), "Worker", "MemorySize"),
        (written(function="Environment: {Variables: {S: !GetAtt Table.StreamArn}}")
            + "  Table: {Type: AWS::DynamoDB::Table, Properties: {}}\n", "Worker", "StreamArn"),
    ],
)  # fmt: skip
def test_a_combination_that_aws_refuses(
    refused: Callable[..., TemplateError], text: str, logical_id: str, property_name: str
) -> None:
    error = refused(text)
    assert f"({logical_id}), property {property_name}" in error.where


@pytest.mark.parametrize(
    "text",
    [
        written("VisibilityTimeout: 30", function="Timeout: 30"),
        written("MessageRetentionPeriod: 60"),
        written(FIFO + ", QueueName: !Sub '${Dead}.fifo'"),
        written(FIFO + ", " + REDRIVE, dead=FIFO),
        written(REDRIVE),
        written(REDRIVE.replace("!GetAtt Dead.Arn", "!ImportValue other-QueueArn")),
        written(
            REDRIVE.replace("!GetAtt Dead.Arn", "!Sub 'arn:aws:sqs:${AWS::Region}:1:dead'"),
            dead="QueueName: dead",
        ),
        written(mapping="BatchSize: 11, MaximumBatchingWindowInSeconds: 1"),
        written(FIFO, "BatchSize: 10"),
        written(mapping="ScalingConfig: {MaximumConcurrency: 2}"),
        written("SomethingNew: 1"),
    ],
)
def test_what_aws_takes_is_taken(load: Callable[..., Template], text: str) -> None:
    assert "Mapping" in load(text).body["Resources"]


def test_a_timeout_is_compared_through_an_alias(refused: Callable[..., TemplateError]) -> None:
    text = (
        written(function="Timeout: 31").replace("!Ref Worker", "!Ref Live")
        + """
  Live: {Type: AWS::Lambda::Alias, Properties: {FunctionName: !Ref Worker, FunctionVersion: 1, Name: l}}
"""
    )
    assert "Worker may run 31 s" in str(refused(text))
