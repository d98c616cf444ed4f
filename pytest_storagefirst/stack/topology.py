"""The typed graph of a deployed stack, found through AWS APIs alone.

The same `discover` reads moto, an emulator and AWS: it asks CloudFormation which resources a stack
has and each service what they are. Nothing here looks at a template or into moto.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field
from typing import Any

from .policies import Policies


@dataclass(frozen=True)
class Queue:
    logical_id: str
    name: str
    url: str
    arn: str
    fifo: bool = False
    visibility_timeout_seconds: int = 30
    retention_seconds: int = 345_600
    delay_seconds: int = 0
    content_based_deduplication: bool = False
    dead_letter_arn: str | None = None
    max_receive_count: int | None = None
    encrypted_with: str | None = None  # KMS key id, None when SQS-managed or plain
    policy: str | None = None  # queue policy, JSON text


@dataclass(frozen=True)
class Function:
    logical_id: str
    name: str
    arn: str
    handler: str
    runtime: str  # "" for container images
    timeout_seconds: int = 3
    memory_megabytes: int = 128
    environment: MappingType[str, str] = field(default_factory=dict)
    layer_arns: tuple[str, ...] = ()
    role_arn: str = ""
    reserved_concurrency: int | None = None
    package_type: str = "Zip"
    isolates_tenants: bool = False  # an execution environment serves one tenant alone
    # Of asynchronous invocations; a destination or DLQ is named by its ARN.
    dead_letter_arn: str | None = None
    on_failure_arn: str | None = None
    on_success_arn: str | None = None
    maximum_retry_attempts: int = 2
    maximum_event_age_seconds: int = 21_600


@dataclass(frozen=True)
class EventSourceMapping:
    logical_id: str
    uuid: str
    function_arn: str
    source_arn: str
    batch_size: int
    batching_window_seconds: int = 0
    reports_batch_item_failures: bool = False
    maximum_concurrency: int | None = None
    filters: tuple[str, ...] = ()  # JSON patterns; a message passes when any matches
    enabled: bool = True
    qualifier: str = ""  # alias or version; `function_arn` is the function's own, without it
    # Of streams; None: no limit but the records' own retention.
    starting_position: str = ""  # "TRIM_HORIZON", "LATEST" or "AT_TIMESTAMP"
    parallelization_factor: int = 1
    maximum_retry_attempts: int | None = None
    maximum_record_age_seconds: int | None = None
    bisects_on_error: bool = False
    on_failure_arn: str | None = None
    tumbling_window_seconds: int = 0


@dataclass(frozen=True)
class Table:
    logical_id: str
    name: str
    arn: str
    key_names: tuple[str, ...]  # hash key, then range key
    stream_arn: str | None = None
    kinesis_stream_arn: str | None = None  # of a data stream that its changes are put into


@dataclass(frozen=True)
class Stream:
    """A data stream of Kinesis, or the stream of a table, which goes by the table's names."""

    logical_id: str
    name: str
    arn: str
    shards: int = 1
    retention_hours: int = 24
    is_of_table: bool = False


@dataclass(frozen=True)
class Bucket:
    """A bucket; its first notification is about keys like `key_pattern`, "*" being any text."""

    logical_id: str
    name: str
    key_pattern: str = "*"

    @property
    def arn(self) -> str:
        return f"arn:aws:s3:::{self.name}"


@dataclass(frozen=True)
class Topic:
    logical_id: str
    name: str
    arn: str
    fifo: bool = False
    # Message attributes that every subscription's filter policy lets through: name -> value.
    attributes: MappingType[str, str] = field(default_factory=dict)
    # Fields that a body has to have where a filter policy is about bodies.
    fields: MappingType[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Bus:
    """An event bus; `patterns` are those of its rules that are enabled, as JSON texts."""

    logical_id: str  # "default" for the account's own
    name: str
    arn: str
    patterns: tuple[str, ...] = ()


@dataclass(frozen=True)
class TopicRule:
    """A rule of AWS IoT: what it selects, and what it does with it. `actions` are IoT's own."""

    logical_id: str
    name: str
    arn: str
    sql: str
    actions: tuple[MappingType[str, Any], ...] = ()
    error_action: MappingType[str, Any] | None = None


@dataclass(frozen=True)
class Pipe:
    """A pipe: where it reads, by whom it has records enriched, and to whom it gives them."""

    logical_id: str
    name: str
    arn: str
    source_arn: str
    target_arn: str
    role_arn: str = ""
    source_parameters: MappingType[str, Any] = field(default_factory=dict)
    target_parameters: MappingType[str, Any] = field(default_factory=dict)
    target_template: str = ""
    enrichment_arn: str = ""
    enrichment_template: str = ""
    enabled: bool = True
    # Read as a function's, by what reads its source. Its steps take five minutes at most.
    reserved_concurrency: None = None
    timeout_seconds: int = 300


@dataclass(frozen=True)
class RecurringSchedule:
    """What comes by the clock, again and again; `target` is Scheduler's or a rule's own.

    `interval_seconds` lie between two; of a cron expression it is the least that it can mean.
    """

    logical_id: str
    arn: str
    target: MappingType[str, Any]
    enabled: bool = True
    interval_seconds: int = 60


@dataclass(frozen=True)
class Edge:
    """What stands at `source` hands on to `target`, by configuration and not by code; two ARNs."""

    source: str
    target: str


@dataclass(frozen=True)
class StateMachine:
    """A state machine of Step Functions. `kind` is "STANDARD" or "EXPRESS".

    `timeout_seconds` is how long a call of one of its tasks may be without an answer.
    """

    logical_id: str
    name: str
    arn: str
    definition: str  # Amazon States Language, JSON text
    role_arn: str = ""
    kind: str = "STANDARD"
    timeout_seconds: int = 60


@dataclass(frozen=True)
class Configuration:
    """What AppConfig serves of a profile in an environment; each of the three as (id, name).

    `content` is what is hosted: with `has_feature_flags` the definition of flags and their values.
    """

    logical_id: str  # of the profile
    arn: str
    application: tuple[str, str]
    environment: tuple[str, str]
    profile: tuple[str, str]
    has_feature_flags: bool
    content: str
    content_type: str
    version_label: str = ""

    def is_named(self, application: str, environment: str, profile: str) -> bool:
        """Whether it is meant by these, each an id or a name."""
        return (
            application in self.application
            and environment in self.environment
            and profile in self.profile
        )


@dataclass(frozen=True)
class Parameter:
    """A parameter of SSM's, with the value that it was deployed with."""

    logical_id: str
    name: str
    value: str


@dataclass(frozen=True)
class IntegrationResponse:
    """How a REST API answers: chosen by `selection_pattern` against the backend's status."""

    status: str
    selection_pattern: str | None = None  # None: the default response
    templates: MappingType[str, str] = field(default_factory=dict)  # content type -> VTL
    parameters: MappingType[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Integration:
    """What a route does with a request.

    `kind` is "AWS" (REST, VTL), "AWS_PROXY" (Lambda proxy, or HTTP API first class when `subtype`
    is set), "HTTP", "HTTP_PROXY" or "MOCK".
    """

    kind: str
    uri: str = ""
    http_method: str = "POST"  # of the call to the backend
    subtype: str = ""  # "SQS-SendMessage", …; HTTP API only
    payload_format_version: str = ""  # HTTP API only
    credentials: str = ""  # role ARN
    request_parameters: MappingType[str, str] = field(default_factory=dict)
    request_templates: MappingType[str, str] = field(default_factory=dict)  # content type -> VTL
    passthrough_behavior: str = "WHEN_NO_MATCH"
    content_handling: str | None = None
    responses: tuple[IntegrationResponse, ...] = ()
    timeout_milliseconds: int = 29_000


@dataclass(frozen=True)
class Authorizer:
    """A Lambda authorizer: its function, and what a request must carry to be asked about.

    `kind` is "TOKEN" or "REQUEST"; `identity_sources` are "method.request.header.Authorization" or
    "$request.header.Authorization".
    """

    name: str
    function_arn: str
    kind: str = "REQUEST"
    identity_sources: tuple[str, ...] = ()
    payload_format_version: str = "1.0"
    simple_responses: bool = False


@dataclass(frozen=True)
class Route:
    """One method on one path of an API. `name` is "POST /orders"; the entry is called by it."""

    api_logical_id: str
    api_id: str
    protocol: str  # "REST", "HTTP" or "WEBSOCKET"; the path of the last is its route key
    method: str  # "POST", "ANY"
    path: str  # "/orders/{id}"
    stage: str
    integration: Integration
    stage_variables: MappingType[str, str] = field(default_factory=dict)
    authorizer: str = ""  # name or id; "" when open
    lambda_authorizer: Authorizer | None = None
    request_validator: bool = False
    # content type -> JSON schema
    request_models: MappingType[str, str] = field(default_factory=dict)
    # "method.request.header.X" and the like, when the validator checks parameters
    required_parameters: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}".strip()


@dataclass(frozen=True)
class Topology:
    stack_name: str
    account: str
    region: str
    queues: tuple[Queue, ...] = ()
    functions: tuple[Function, ...] = ()
    mappings: tuple[EventSourceMapping, ...] = ()
    tables: tuple[Table, ...] = ()
    buckets: tuple[Bucket, ...] = ()
    streams: tuple[Stream, ...] = ()  # of Kinesis
    routes: tuple[Route, ...] = ()
    topics: tuple[Topic, ...] = ()
    buses: tuple[Bus, ...] = ()
    topic_rules: tuple[TopicRule, ...] = ()
    pipes: tuple[Pipe, ...] = ()
    schedules: tuple[RecurringSchedule, ...] = ()
    edges: tuple[Edge, ...] = ()
    state_machines: tuple[StateMachine, ...] = ()
    configurations: tuple[Configuration, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    logical_ids: MappingType[str, str] = field(
        default_factory=dict
    )  # physical id or ARN -> logical id
    inert: tuple[str, ...] = ()  # "LogicalId (AWS::Type)": stands in the stack, plays no part
    policies: Policies = field(default_factory=Policies)
