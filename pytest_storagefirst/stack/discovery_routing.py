"""Topics, buses, notifications and IoT rules: who hands on to whom, asked of each service."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from .topology import (
    Bucket,
    Bus,
    Edge,
    EventSourceMapping,
    Function,
    Pipe,
    Queue,
    RecurringSchedule,
    Topic,
    TopicRule,
)

Client = Callable[[str], Any]

_CONFIGURED = (
    ("QueueConfigurations", "QueueArn"),
    ("TopicConfigurations", "TopicArn"),
    ("LambdaFunctionConfigurations", "LambdaFunctionArn"),
)


def topic(client: Any, logical_id: str, arn: str) -> tuple[Topic, list[Edge]]:
    """A topic and its subscriptions."""
    edges, policies = [], []
    body: dict[str, Any] = {}
    pages = client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn)
    for one in (one for page in pages for one in page["Subscriptions"]):
        edges.append(Edge(arn, one["Endpoint"]))
        if ":" not in one["SubscriptionArn"]:
            continue  # it waits for its confirmation
        found = client.get_subscription_attributes(SubscriptionArn=one["SubscriptionArn"])
        attributes = found["Attributes"]
        if redrive := json.loads(attributes.get("RedrivePolicy") or "{}"):
            edges.append(Edge(arn, redrive["deadLetterTargetArn"]))
        policy = json.loads(attributes.get("FilterPolicy") or "{}")
        if attributes.get("FilterPolicyScope", "MessageAttributes") == "MessageAttributes":
            policies.append(policy)
        else:
            body = {**example(policy), **body}
    name = arn.rpartition(":")[2]
    wanted = {name: sample(options) for policy in policies for name, options in policy.items()}
    shown = {name: value for name, value in wanted.items() if isinstance(value, str)}
    return Topic(logical_id, name, arn, name.endswith(".fifo"), shown, body), edges


def buses(
    client: Any,
    named: Callable[[str, str], None],
    logical_ids: dict[str, str],
    rules: Mapping[str, str],
) -> tuple[list[Bus], list[Edge]]:
    """The stack's buses and those that its rules are on, with what the rules feed.

    `rules` are the rules' logical ids by what CloudFormation calls them: "NAME", or "BUS|NAME" on
    another bus than the default one; emulators say "NAME" of all. A schedule's rule is on no bus.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-events-rule.html
    """
    found: list[Bus] = []
    edges: list[Edge] = []
    for one in _all_buses(client):
        patterns = []
        for page in client.get_paginator("list_rules").paginate(EventBusName=one["Name"]):
            for rule in page["Rules"]:
                known = rules.get(f"{one['Name']}|{rule['Name']}") or rules.get(rule["Name"])
                if known:
                    named(known, rule["Arn"])
                if not known or not rule.get("EventPattern"):
                    continue
                if rule.get("State", "ENABLED") == "ENABLED":
                    patterns.append(rule["EventPattern"])
                edges += _fed_by(client, one, rule["Name"])
        if one["Arn"] in logical_ids or patterns:
            name = logical_ids.get(one["Arn"], one["Name"])
            found.append(Bus(name, one["Name"], one["Arn"], tuple(patterns)))
    return found, edges


def _all_buses(client: Any) -> Iterator[dict[str, Any]]:
    token: dict[str, str] = {}
    while True:
        said = client.list_event_buses(**token)
        yield from said["EventBuses"]
        if not said.get("NextToken"):
            return
        token = {"NextToken": said["NextToken"]}


def _fed_by(client: Any, bus: Mapping[str, Any], rule: str) -> Iterator[Edge]:
    pages = client.get_paginator("list_targets_by_rule")
    for page in pages.paginate(Rule=rule, EventBusName=bus["Name"]):
        for target in page["Targets"]:
            yield Edge(bus["Arn"], target["Arn"])
            if letters := target.get("DeadLetterConfig", {}).get("Arn"):
                yield Edge(bus["Arn"], letters)


def bucket(client: Any, logical_id: str, name: str) -> Bucket:
    """A bucket, with the keys that its first notification is about."""
    said = client.get_bucket_notification_configuration(Bucket=name)
    found = {"prefix": "", "suffix": ""}
    for section, _ in _CONFIGURED:
        for one in said.get(section, ())[:1]:
            rules = ((one.get("Filter") or {}).get("Key") or {}).get("FilterRules") or ()
            found.update({rule["Name"].lower(): rule["Value"] for rule in rules})
    return Bucket(logical_id, name, f"{found['prefix']}*{found['suffix']}")


def notifications(client: Any, name: str, default_bus: str) -> Iterator[Edge]:
    """Whom a bucket tells of its objects."""
    said = client.get_bucket_notification_configuration(Bucket=name)
    source = f"arn:aws:s3:::{name}"
    for section, target in _CONFIGURED:
        for one in said.get(section, ()):
            yield Edge(source, one[target])
    if "EventBridgeConfiguration" in said:
        yield Edge(source, default_bus)


def topic_rule(client: Any, logical_id: str, name: str) -> tuple[TopicRule, list[Edge]]:
    """A rule of AWS IoT and where its actions go."""
    said = client.get_topic_rule(ruleName=name)
    rule = said["rule"]
    actions = tuple(rule.get("actions") or ())
    made = TopicRule(
        logical_id, name, said["ruleArn"], rule.get("sql", ""), actions, rule.get("errorAction")
    )
    region = made.arn.split(":")[3]
    return made, [Edge(made.arn, arn) for action in actions for arn in arns_in(action, region)]


def pipe(client: Any, logical_id: str, name: str) -> tuple[Pipe, list[Edge]]:
    """A pipe, and whom it feeds."""
    said = client.describe_pipe(Name=name)
    made = Pipe(
        logical_id=logical_id,
        name=said["Name"],
        arn=said["Arn"],
        source_arn=said["Source"],
        target_arn=said["Target"],
        role_arn=said.get("RoleArn", ""),
        source_parameters=said.get("SourceParameters") or {},
        target_parameters=said.get("TargetParameters") or {},
        target_template=(said.get("TargetParameters") or {}).get("InputTemplate") or "",
        enrichment_arn=said.get("Enrichment") or "",
        enrichment_template=(said.get("EnrichmentParameters") or {}).get("InputTemplate") or "",
        enabled=said.get("DesiredState") != "STOPPED",
    )
    edges = [Edge(made.arn, made.target_arn)]
    if made.enrichment_arn:
        edges.append(Edge(made.arn, made.enrichment_arn))
    return made, edges


_BATCHES = {
    "SqsQueueParameters": 10,
    "KinesisStreamParameters": 100,
    "DynamoDBStreamParameters": 100,
}


def mapping_of(pipe: Pipe) -> EventSourceMapping:
    """How a pipe reads its source: as a mapping that may fail record by record."""
    section, batch = next(
        ((name, size) for name, size in _BATCHES.items() if name in pipe.source_parameters),
        ("", 10),
    )
    read = pipe.source_parameters.get(section) or {}
    filters = (pipe.source_parameters.get("FilterCriteria") or {}).get("Filters") or []
    return EventSourceMapping(
        logical_id=pipe.logical_id,
        uuid=pipe.arn,
        function_arn=pipe.arn,
        source_arn=pipe.source_arn,
        batch_size=int(read.get("BatchSize", batch)),
        batching_window_seconds=int(read.get("MaximumBatchingWindowInSeconds") or 0),
        reports_batch_item_failures=True,
        filters=tuple(one["Pattern"] for one in filters),
        enabled=pipe.enabled,
        starting_position=read.get("StartingPosition") or "",
        parallelization_factor=int(read.get("ParallelizationFactor") or 1),
        maximum_retry_attempts=_capped(read.get("MaximumRetryAttempts")),
        maximum_record_age_seconds=_capped(read.get("MaximumRecordAgeInSeconds")),
        on_failure_arn=(read.get("DeadLetterConfig") or {}).get("Arn"),
    )


def _capped(value: Any) -> int | None:
    """A cap of a stream's retries; -1 is none."""
    return None if value in (None, -1, "-1") else int(value)


def schedule(
    client: Any, logical_id: str, name: str
) -> tuple[RecurringSchedule | None, list[Edge]]:
    """A schedule of EventBridge Scheduler, and what it starts; None for one of a single time."""
    said = client.get_schedule(Name=name)
    edges = [Edge(said["Arn"], said["Target"]["Arn"])]
    if said["ScheduleExpression"].startswith("at("):
        return None, edges
    enabled = said.get("State", "ENABLED") == "ENABLED"
    interval = interval_seconds(said["ScheduleExpression"])
    return RecurringSchedule(logical_id, said["Arn"], said["Target"], enabled, interval), edges


_UNITS = {"minute": 60, "hour": 3600, "day": 86_400}


def interval_seconds(expression: str) -> int:
    """How long it is from one coming to the next (eb-scheduled-rule-pattern, schedule-types)."""
    kind, _, inner = expression.rstrip(")").partition("(")
    parts = inner.split()
    if kind == "rate":
        return int(parts[0]) * _UNITS[parts[1].rstrip("s")]
    minutes, hours = parts[0], parts[1]
    if minutes.partition("/")[2].isdigit():
        return int(minutes.partition("/")[2]) * 60
    if minutes == "*" or "-" in minutes or "," in minutes:
        return 60
    return 3600 if hours == "*" or not hours.isdigit() else 86_400


def scheduled_rules(
    client: Any, rules: Mapping[str, str]
) -> Iterator[tuple[RecurringSchedule, Edge]]:
    """What the stack's rules start by the clock; `rules` are as in `buses`."""
    for page in client.get_paginator("list_rules").paginate():
        for rule in page["Rules"]:
            name, arn = rule["Name"], rule["Arn"]
            if name not in rules or not rule.get("ScheduleExpression"):
                continue
            enabled = rule.get("State", "ENABLED") == "ENABLED"
            for target in client.list_targets_by_rule(Rule=name)["Targets"]:
                interval = interval_seconds(rule["ScheduleExpression"])
                made = RecurringSchedule(rules[name], arn, target, enabled, interval)
                yield made, Edge(arn, target["Arn"])


def arns_in(action: Any, region: str = "") -> Iterator[str]:
    """What an action of an IoT rule names as its target: an ARN, or a queue by its URL.

    `region` is the rule's own, for a queue whose URL does not say: an emulator's.
    """
    for name, value in next(iter(action.values())).items():
        if name == "queueUrl":
            account, queue = str(value).split("/")[-2:]
            said = re.search(r"//sqs\.([\w-]+)\.", str(value))
            yield f"arn:aws:sqs:{said[1] if said else region}:{account}:{queue}"
        elif name in ("functionArn", "targetArn", "stateMachineArn"):
            yield str(value)
        elif name == "bucketName":
            yield f"arn:aws:s3:::{value}"


def configured(
    queues: Iterable[Queue], functions: Iterable[Function], mappings: Iterable[EventSourceMapping]
) -> Iterator[Edge]:
    """What queues, functions and mappings hand on by themselves."""
    for queue in queues:
        if queue.dead_letter_arn:
            yield Edge(queue.arn, queue.dead_letter_arn)
    for function in functions:
        for arn in (function.dead_letter_arn, function.on_failure_arn, function.on_success_arn):
            if arn:
                yield Edge(function.arn, arn)
    for mapping in mappings:
        yield Edge(mapping.source_arn, mapping.function_arn)
        if mapping.on_failure_arn:
            yield Edge(mapping.source_arn, mapping.on_failure_arn)


def sample(options: Any) -> Any:
    """A value that a pattern's options let through; None where only a refusal is known."""
    for option in options if isinstance(options, list) else [options]:
        if not isinstance(option, dict):
            return option
        for name, operand in option.items():
            first = operand[0] if isinstance(operand, list) and operand else operand
            if name in ("prefix", "suffix", "equals-ignore-case") and isinstance(first, str):
                return first
            if name == "wildcard" and isinstance(first, str):
                return first.replace("*", "any")
            if name == "exists":
                return "any" if operand else None
            if name == "anything-but":
                return "anything"
            if name == "numeric":
                return _number(operand)
    return None


def _number(operand: list[Any]) -> float:
    limits = dict(zip(operand[::2], operand[1::2], strict=False))
    if "=" in limits:
        return float(limits["="])
    least = limits.get(">=", limits[">"] + 1 if ">" in limits else None)
    if least is not None:
        return float(least)
    return float(limits.get("<=", limits.get("<", 1) - 1))


def example(pattern: Any) -> Any:
    """The smallest event that an event pattern (a mapping) matches, as far as can be told."""
    made = {}
    for name, wanted in pattern.items():
        if name == "$or":
            made.update(example(wanted[0]))
            continue
        value = example(wanted) if isinstance(wanted, dict) else sample(wanted)
        if value is not None:
            made[name] = value
    return made
