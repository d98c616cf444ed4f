"""Finding the topology of a deployed stack through AWS APIs alone: moto, an emulator or AWS."""

from __future__ import annotations

import json
from typing import Any

from . import discovery_routing
from .discovery_configurations import configurations
from .discovery_routes import http_routes, rest_routes
from .policies import read_policies
from .resource_types import plays_a_part
from .topology import (
    Bucket,
    Bus,
    Edge,
    EventSourceMapping,
    Function,
    Parameter,
    Pipe,
    Queue,
    RecurringSchedule,
    Route,
    StateMachine,
    Stream,
    Table,
    Topic,
    TopicRule,
    Topology,
)


def discover(stack_name: str, session: Any) -> Topology:
    """The stack's topology, asked of CloudFormation and then of each service.

    `session` is a boto3 session with region and credentials. Raises botocore's errors, which say
    what the account refuses.
    """
    finder = _Finder(stack_name, session)
    return finder.topology()


# Their physical ids are no names: a stage's is its API's own, the others count from 1.
_COUNTED = ("::Stage", "AppConfig::Deployment", "AppConfig::HostedConfigurationVersion")
_ARNS = {  # of types whose physical id is a name
    "AWS::Events::EventBus": "arn:aws:events:{region}:{account}:event-bus/{name}",
    "AWS::IAM::Role": "arn:aws:iam::{account}:role/{name}",
    "AWS::Kinesis::Stream": "arn:aws:kinesis:{region}:{account}:stream/{name}",
    "AWS::S3::Bucket": "arn:aws:s3:::{name}",
}


def _limit(value: int | None) -> int | None:
    """A mapping's cap; -1 is AWS's word for none."""
    return None if value is None or int(value) < 0 else int(value)


class _Finder:
    def __init__(self, stack_name: str, session: Any) -> None:
        self.stack_name = stack_name
        self.session = session
        self.clients: dict[str, Any] = {}
        self.logical_ids: dict[str, str] = {}
        self.resources: list[tuple[str, str, str]] = []  # logical id, type, physical id

    def client(self, service: str) -> Any:
        if service not in self.clients:
            self.clients[service] = self.session.client(service)
        return self.clients[service]

    def named(self, logical_id: str, *names: str | None) -> None:
        """Remember the names that a resource goes by. The first resource keeps a name."""
        for name in names:
            if name:
                self.logical_ids.setdefault(name, logical_id)

    def of_type(self, *kinds: str) -> list[tuple[str, str]]:
        return [(logical, physical) for logical, kind, physical in self.resources if kind in kinds]

    def topology(self) -> Topology:
        stack = self.client("cloudformation").describe_stacks(StackName=self.stack_name)
        account = stack["Stacks"][0]["StackId"].split(":")[4]
        pages = self.client("cloudformation").get_paginator("list_stack_resources")
        for page in pages.paginate(StackName=self.stack_name):
            for resource in page["StackResourceSummaries"]:
                logical, kind = resource["LogicalResourceId"], resource["ResourceType"]
                self.resources.append((logical, kind, resource.get("PhysicalResourceId", "")))
        queues = [self._queue(*one) for one in self.of_type("AWS::SQS::Queue")]
        functions = [self._function(*one) for one in self.of_type("AWS::Lambda::Function")]
        kinds = ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable")
        tables = [self._table(*one) for one in self.of_type(*kinds)]
        buckets = [
            discovery_routing.bucket(self.client("s3"), *one)
            for one in self.of_type("AWS::S3::Bucket")
        ]
        streams = [self._stream(*one) for one in self.of_type("AWS::Kinesis::Stream")]
        machines = [
            self._state_machine(*one) for one in self.of_type("AWS::StepFunctions::StateMachine")
        ]
        for logical, kind, physical in self.resources:
            if plays_a_part(kind) and not kind.endswith(_COUNTED):
                self.named(logical, physical)
            if kind in _ARNS:
                region = self.session.region_name
                arn = _ARNS[kind].format(region=region, account=account, name=physical)
                self.named(logical, arn)
        mappings = [
            mapping
            for one in self.of_type("AWS::Lambda::EventSourceMapping")
            if (mapping := self._mapping(*one)) is not None
        ]
        found, edges = self._routing(account, buckets)
        mappings += [discovery_routing.mapping_of(pipe) for pipe in found["pipes"]]
        edges += discovery_routing.configured(queues, functions, mappings)
        configured = list(
            configurations(
                self.client("appconfig"),
                [physical for _, physical in applications],
                self.logical_ids,
                f"{self.session.region_name}:{account}",
            )
            if (applications := self.of_type("AWS::AppConfig::Application"))
            else ()
        )
        for one in configured:
            self.named(one.logical_id, one.arn)
        return Topology(
            stack_name=self.stack_name,
            account=account,
            region=self.session.region_name,
            queues=tuple(queues),
            functions=tuple(functions),
            mappings=tuple(mappings),
            tables=tuple(tables),
            buckets=tuple(buckets),
            streams=tuple(streams),
            routes=tuple(self._routes()),
            **found,
            edges=tuple(edges),
            state_machines=tuple(machines),
            configurations=tuple(configured),
            parameters=tuple(
                Parameter(
                    logical, name, self.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
                )
                for logical, name in self.of_type("AWS::SSM::Parameter")
            ),
            logical_ids=self.logical_ids,
            inert=tuple(
                f"{logical} ({kind})"
                for logical, kind, _ in self.resources
                if not plays_a_part(kind)
            ),
            policies=read_policies(
                self.client,
                self.resources,
                {queue.arn: queue.policy or "" for queue in queues},
                {queue.arn: queue.encrypted_with or "" for queue in queues},
            ),
        )

    def _routing(self, account: str, buckets: list[Bucket]) -> tuple[dict[str, Any], list[Edge]]:
        """All that hands on by configuration, by the topology's names, and to whom it does."""
        topics: list[Topic] = []
        topic_rules: list[TopicRule] = []
        edges: list[Edge] = []
        for one in self.of_type("AWS::SNS::Topic"):
            topic, fed = discovery_routing.topic(self.client("sns"), *one)
            topics.append(topic)
            edges += fed
        for one in self.of_type("AWS::IoT::TopicRule"):
            rule, fed = discovery_routing.topic_rule(self.client("iot"), *one)
            self.named(one[0], rule.arn)
            topic_rules.append(rule)
            edges += fed
        where = f"arn:aws:events:{self.session.region_name}:{account}"
        rules = {physical: logical for logical, physical in self.of_type("AWS::Events::Rule")}
        pipes: list[Pipe] = []
        schedules: list[RecurringSchedule] = []
        for one in self.of_type("AWS::Pipes::Pipe"):
            pipe, fed = discovery_routing.pipe(self.client("pipes"), *one)
            self.named(one[0], pipe.arn)
            pipes.append(pipe)
            edges += fed
        for one in self.of_type("AWS::Scheduler::Schedule"):
            schedule, fed = discovery_routing.schedule(self.client("scheduler"), *one)
            schedules += [schedule] if schedule is not None else []
            edges += fed
        if rules:
            for made, edge in discovery_routing.scheduled_rules(self.client("events"), rules):
                schedules.append(made)
                edges.append(edge)
        buses: list[Bus] = []
        if rules or self.of_type("AWS::Events::EventBus"):
            buses, fed = discovery_routing.buses(
                self.client("events"), self.named, self.logical_ids, rules
            )
            edges += fed
        for bucket in buckets:
            bus = f"{where}:event-bus/default"
            edges += discovery_routing.notifications(self.client("s3"), bucket.name, bus)
        return {
            "topics": tuple(topics),
            "buses": tuple(buses),
            "topic_rules": tuple(topic_rules),
            "pipes": tuple(pipes),
            "schedules": tuple(schedules),
        }, edges

    def _queue(self, logical_id: str, url: str) -> Queue:
        answer = self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        attributes = answer["Attributes"]
        redrive = json.loads(attributes.get("RedrivePolicy") or "{}")
        arn = attributes["QueueArn"]
        name = arn.split(":")[-1]
        self.named(logical_id, arn, url, name)
        receives = redrive.get("maxReceiveCount")
        return Queue(
            logical_id=logical_id,
            name=name,
            url=url,
            arn=arn,
            fifo=attributes.get("FifoQueue") == "true",
            visibility_timeout_seconds=int(attributes.get("VisibilityTimeout", 30)),
            retention_seconds=int(attributes.get("MessageRetentionPeriod", 345_600)),
            delay_seconds=int(attributes.get("DelaySeconds", 0)),
            content_based_deduplication=attributes.get("ContentBasedDeduplication") == "true",
            dead_letter_arn=redrive.get("deadLetterTargetArn"),
            max_receive_count=int(receives) if receives is not None else None,
            encrypted_with=attributes.get("KmsMasterKeyId") or None,
            policy=attributes.get("Policy") or None,
        )

    def _function(self, logical_id: str, name: str) -> Function:
        answer = self.client("lambda").get_function(FunctionName=name)
        configuration = answer["Configuration"]
        self.named(logical_id, configuration["FunctionArn"], name)
        # moto's GetFunction leaves a reserve of none out.
        asked = self.client("lambda").get_function_concurrency(FunctionName=name)
        reserved = asked.get("ReservedConcurrentExecutions")
        return Function(
            logical_id=logical_id,
            name=name,
            arn=configuration["FunctionArn"],
            handler=configuration.get("Handler") or "",
            runtime=configuration.get("Runtime") or "",
            timeout_seconds=int(configuration.get("Timeout", 3)),
            memory_megabytes=int(configuration.get("MemorySize", 128)),
            environment=dict(configuration.get("Environment", {}).get("Variables", {})),
            layer_arns=tuple(layer["Arn"] for layer in configuration.get("Layers") or []),
            role_arn=configuration.get("Role") or "",
            reserved_concurrency=int(reserved) if reserved is not None else None,
            package_type=configuration.get("PackageType") or "Zip",
            isolates_tenants=bool(configuration.get("TenancyConfig")),
            dead_letter_arn=configuration.get("DeadLetterConfig", {}).get("TargetArn"),
            **self._asynchronous(name),
        )

    def _asynchronous(self, name: str) -> dict[str, Any]:
        """What is configured for asynchronous invocations of a function, where anything is."""
        client = self.client("lambda")
        try:
            found = client.get_function_event_invoke_config(FunctionName=name)
        except client.exceptions.ResourceNotFoundException:
            return {}
        destinations = found.get("DestinationConfig", {})
        told = {
            "on_failure_arn": destinations.get("OnFailure", {}).get("Destination"),
            "on_success_arn": destinations.get("OnSuccess", {}).get("Destination"),
            "maximum_retry_attempts": found.get("MaximumRetryAttempts"),
            "maximum_event_age_seconds": found.get("MaximumEventAgeInSeconds"),
        }
        return {key: value for key, value in told.items() if value is not None}

    def _table(self, logical_id: str, name: str) -> Table:
        table = self.client("dynamodb").describe_table(TableName=name)["Table"]
        self.named(logical_id, table["TableArn"], name, table.get("LatestStreamArn"))
        keys = sorted(table["KeySchema"], key=lambda key: key["KeyType"])  # HASH before RANGE
        return Table(
            logical_id=logical_id,
            name=name,
            arn=table["TableArn"],
            key_names=tuple(key["AttributeName"] for key in keys),
            stream_arn=table.get("LatestStreamArn"),
            kinesis_stream_arn=self._destination(name),
        )

    def _destination(self, table_name: str) -> str | None:
        """The data stream that a table's changes are put into."""
        client = self.client("dynamodb")
        try:
            answer = client.describe_kinesis_streaming_destination(TableName=table_name)
        except client.exceptions.ClientError:  # an emulator that doesn't know the call
            return None
        for found in answer.get("KinesisDataStreamDestinations", ()):
            if found.get("DestinationStatus") == "ACTIVE":
                return str(found["StreamArn"])
        return None

    def _stream(self, logical_id: str, name: str) -> Stream:
        answer = self.client("kinesis").describe_stream_summary(StreamName=name)
        summary = answer["StreamDescriptionSummary"]
        self.named(logical_id, summary["StreamARN"], name)
        return Stream(
            logical_id=logical_id,
            name=name,
            arn=summary["StreamARN"],
            shards=int(summary["OpenShardCount"]),
            retention_hours=int(summary["RetentionPeriodHours"]),
        )

    def _state_machine(self, logical_id: str, arn: str) -> StateMachine:
        answer = self.client("stepfunctions").describe_state_machine(stateMachineArn=arn)
        self.named(logical_id, arn, answer["name"])
        return StateMachine(
            logical_id=logical_id,
            name=answer["name"],
            arn=arn,
            definition=answer["definition"],
            role_arn=answer.get("roleArn") or "",
            kind=answer.get("type") or "STANDARD",
        )

    def _mapping(self, logical_id: str, uuid: str) -> EventSourceMapping | None:
        """None for a source that plays no part, which has no mapping in moto."""
        client = self.client("lambda")
        try:
            mapping = client.get_event_source_mapping(UUID=uuid)
        except client.exceptions.ResourceNotFoundException:
            return None
        except client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] not in ("404", "ResourceNotFoundException"):
                raise
            return None
        if not mapping.get("EventSourceArn"):
            return None
        function = mapping["FunctionArn"].split(":")
        filters = (mapping.get("FilterCriteria") or {}).get("Filters") or []
        concurrency = (mapping.get("ScalingConfig") or {}).get("MaximumConcurrency")
        return EventSourceMapping(
            logical_id=logical_id,
            uuid=uuid,
            function_arn=":".join(function[:7]),
            source_arn=mapping["EventSourceArn"],
            batch_size=int(mapping["BatchSize"]),
            batching_window_seconds=int(mapping.get("MaximumBatchingWindowInSeconds") or 0),
            reports_batch_item_failures="ReportBatchItemFailures"
            in (mapping.get("FunctionResponseTypes") or []),
            maximum_concurrency=int(concurrency) if concurrency is not None else None,
            filters=tuple(one["Pattern"] for one in filters),
            enabled=mapping.get("State") not in ("Disabled", "Disabling"),
            qualifier="".join(function[7:]),
            starting_position=mapping.get("StartingPosition") or "",
            parallelization_factor=int(mapping.get("ParallelizationFactor") or 1),
            maximum_retry_attempts=_limit(mapping.get("MaximumRetryAttempts")),
            maximum_record_age_seconds=_limit(mapping.get("MaximumRecordAgeInSeconds")),
            bisects_on_error=bool(mapping.get("BisectBatchOnFunctionError")),
            on_failure_arn=((mapping.get("DestinationConfig") or {}).get("OnFailure") or {}).get(
                "Destination"
            ),
            tumbling_window_seconds=int(mapping.get("TumblingWindowInSeconds") or 0),
        )

    def _routes(self) -> list[Route]:
        routes: list[Route] = []
        stages = {
            kind: [physical for _, physical in self.of_type(kind)]
            for kind in ("AWS::ApiGateway::Stage", "AWS::ApiGatewayV2::Stage")
        }
        for logical, api in self.of_type("AWS::ApiGateway::RestApi"):
            routes += rest_routes(
                self.client("apigateway"), logical, api, stages["AWS::ApiGateway::Stage"]
            )
        for logical, api in self.of_type("AWS::ApiGatewayV2::Api"):
            routes += http_routes(
                self.client("apigatewayv2"), logical, api, stages["AWS::ApiGatewayV2::Stage"]
            )
        return routes
