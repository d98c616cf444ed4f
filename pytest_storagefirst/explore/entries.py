"""The ways into a stack: those that the user names, or those that nothing in the stack feeds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_storagefirst.cloud_assembly import project_folder
from pytest_storagefirst.errors import EntryError
from pytest_storagefirst.explore.body_strategies import load_strategy, simplest
from pytest_storagefirst.faults.catalogue import is_read_only
from pytest_storagefirst.settings import Settings, nearest
from pytest_storagefirst.simulation.deployed import Entry
from pytest_storagefirst.simulation.schedule import check_sendable
from pytest_storagefirst.stack.template import Template
from pytest_storagefirst.stack.topology import Bucket, Route, Topology

_READING_SUBTYPES = (
    "AppConfig-GetConfiguration",
    "SQS-DeleteMessage",
    "SQS-PurgeQueue",
    "SQS-ReceiveMessage",
    "StepFunctions-StopExecution",
)
WRITING_METHODS = ("POST", "PUT", "PATCH", "ANY", "")


def ways_in(topology: Topology, settings: Settings, template: Template) -> tuple[Entry, ...]:
    """The entries of a stack. Raises EntryError where there is none, or not the one that is named.

    By itself: all routes that write to a service; without any, whatever hands on to something and
    is given nothing by the stack's own configuration.
    """
    if settings.entries:
        for given in settings.entries:
            _check_body(given)
        folder = project_folder(template.path).resolve()
        return tuple(
            _named_apart(
                _with_bodies(_chosen(given, topology, template), given, folder)
                for given in settings.entries
            )
        )
    found = tuple(_routes(topology)) or tuple(sources(topology))
    if not found:
        raise EntryError(
            "the stack has no way into storage",
            where=str(template.path),
            found="; ".join(
                filter(
                    None,
                    (
                        ", ".join(route.name for route in topology.routes)
                        or "no API route, and nothing that a function, rule, subscription or pipe "
                        "reads",
                        *not_simulated(topology),
                        _of_other_stacks(template),
                    ),
                )
            ),
            expected="an API route with a service integration, or a queue, topic, bucket, bus, "
            "stream or table that feeds something",
            remedy="name one in storagefirst.toml:\n"
            '            [[entry]]\n            queue = "LogicalId"',
        )
    return found


def _check_body(given: Any) -> None:
    try:
        check_sendable(given.body)
    except (RecursionError, TypeError, ValueError) as error:
        raise EntryError(
            "this body can't be sent",
            where=given.where,
            found=str(error),
            expected="a text, or what JSON can hold",
        ) from None


def _named_apart(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Entries of one name that send in another manner than its first: "Topic", "Topic #2"."""
    firsts: dict[str, list[Entry]] = {}
    for entry in entries:
        alike = firsts.setdefault(entry.name, [])
        alike.append(entry)
        same = _manner(entry) == _manner(alike[0])
        yield entry if same else replace(entry, name=f"{entry.name} #{len(alike)}")


def _manner(entry: Entry) -> tuple[Any, ...]:
    return entry.headers, entry.attributes, entry.group, entry.key


# Types through which messages come in, or are stored, and that play no part in a simulation.
_NOT_SIMULATED = (
    "AWS::AmazonMQ::Broker",
    "AWS::AppSync::Api",
    "AWS::AppSync::GraphQLApi",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "AWS::KinesisFirehose::DeliveryStream",
    "AWS::Lambda::Url",
    "AWS::MSK::Cluster",
    "AWS::SES::ReceiptRule",
    "AWS::Transfer::Server",
)


def not_simulated(topology: Topology) -> Iterator[str]:
    """What is told of resources by which messages come in, or that hold some that take them."""
    kinds = {one: one.partition("(")[2].rstrip(")") for one in topology.inert}
    lacking = [one for one, kind in kinds.items() if kind in _NOT_SIMULATED]
    nested = [one for one, kind in kinds.items() if kind == "AWS::CloudFormation::Stack"]
    if lacking:
        yield f"{', '.join(lacking)}: not simulated"
    if nested:
        yield f"{', '.join(nested)}: nested and not read, so give its own template"


def _of_other_stacks(template: Template) -> str:
    """What functions read that this template only names."""
    read = [
        f"{logical_id} reads {resource['Properties']['EventSourceArn']}, which another stack holds"
        for logical_id, resource in template.body.get("Resources", {}).items()
        if resource["Type"] == "AWS::Lambda::EventSourceMapping"
        and isinstance(resource["Properties"].get("EventSourceArn"), str)
    ]
    return "; ".join(read[:3])


def _routes(topology: Topology) -> Iterator[Entry]:
    found = [route for route in topology.routes if stores_in(route)]
    writing = [route for route in found if route.method in WRITING_METHODS]
    for route in writing or found:
        yield Entry(route.name, None, "route", route)


def stores_in(route: Route) -> str:
    """The service that a route writes to; "" when it is no way into storage."""
    integration = route.integration
    if integration.subtype:
        reads = integration.subtype in _READING_SUBTYPES
        return "" if reads else integration.subtype.partition("-")[0].lower()
    parts = integration.uri.split(":")
    if integration.kind != "AWS" or len(parts) < 6:
        return ""
    service = parts[4].rpartition(".")[2]
    form, _, rest = parts[5].partition("/")
    if service == "lambda" or (form == "action" and is_read_only(rest)):
        return ""
    if form == "path" and route.method not in WRITING_METHODS:
        return ""
    return service


def _stores(topology: Topology) -> Iterator[tuple[str, Any]]:
    """Everything that others can write to, by kind, in the order of the template's own kinds."""
    for kind, stores in (
        ("queue", topology.queues),
        ("topic", topology.topics),
        ("bucket", topology.buckets),
        ("bus", topology.buses),
        ("stream", topology.streams),
        ("table", topology.tables),
        ("rule", topology.topic_rules),
    ):
        for store in stores:
            yield kind, _with_key(store, topology) if isinstance(store, Bucket) else store


def _with_key(bucket: Bucket, topology: Topology) -> Bucket:
    """A bucket, with keys that the first rule on its events matches where nothing else says."""
    if bucket.key_pattern != "*":
        return bucket
    for text in (text for bus in topology.buses for text in bus.patterns):
        pattern = json.loads(text)
        options = (pattern.get("detail", {}).get("object") or {}).get("key")
        if "aws.s3" not in (pattern.get("source") or ()) or not options:
            continue
        option = options[0] if isinstance(options, list) else options
        if not isinstance(option, dict):
            return replace(bucket, key_pattern=str(option))
        for name, operand in option.items():
            forms = {"prefix": f"{operand}*", "suffix": f"*{operand}", "wildcard": str(operand)}
            return replace(bucket, key_pattern=forms.get(name, "*"))
    return bucket


def sources(topology: Topology) -> Iterator[Entry]:
    """What hands on to something, and is given nothing by the stack's own configuration."""
    fed = {edge.target for edge in topology.edges}
    feeding = {edge.source for edge in topology.edges}
    letters = {queue.dead_letter_arn for queue in topology.queues}
    for kind, store in _stores(topology):
        if kind == "queue":
            consumed = any(mapping.source_arn == store.arn for mapping in topology.mappings)
            feeds = consumed or any(
                edge.source == store.arn and edge.target not in letters for edge in topology.edges
            )
        elif kind == "table":
            feeds = store.stream_arn in feeding
        elif kind == "bus":
            feeds = bool(store.patterns) and not _from_aws(store.patterns)
        else:
            feeds = store.arn in feeding
        if feeds and store.arn not in fed:
            yield Entry(store.logical_id, None, kind, store)


def _from_aws(patterns: tuple[str, ...]) -> bool:
    """Whether all rules of a bus wait for AWS's own events, which nobody can put."""
    return all('"aws.' in pattern for pattern in patterns)


def _chosen(given: Any, topology: Topology, template: Template) -> Entry:
    if given.kind == "route":
        return _chosen_route(given, topology)
    stores = [store for kind, store in _stores(topology) if kind == given.kind]
    for store in stores:
        if given.name in (store.logical_id, store.name):
            entry = Entry(given.name, given.body, given.kind, store, chosen=True)
            return replace(
                entry,
                attributes=given.attributes,
                group=given.group,
                key=given.key or entry.key,
            )
    names = [store.logical_id for store in stores]
    _refuse_kind(given, topology, template)
    raise EntryError(
        f"the stack has no {given.kind} {given.name!r}",
        where=given.where,
        found=", ".join(names) or f"no {given.kind} at all",
        expected="one of these",
        remedy=nearest(given.name, names),
    )


def _refuse_kind(given: Any, topology: Topology, template: Template) -> None:
    """Raises EntryError where what is named is there, and is something else."""
    for kind, store in _stores(topology):
        if given.name in (store.logical_id, store.name):
            raise EntryError(
                f"{given.name} is no {given.kind}",
                where=given.where,
                found=f'{given.kind} = "{given.name}"; it is a {kind}',
                expected=f'{kind} = "{given.name}"',
                remedy=f'write {kind} = "{given.name}"',
            )
    resource = (template.body.get("Resources") or {}).get(given.name)
    if not isinstance(resource, Mapping):
        return
    ways = [f'{one.kind} = "{one.name}"' for one in (*_routes(topology), *sources(topology))]
    raise EntryError(
        f"{given.name} can't be an entry",
        where=given.where,
        found=f"{given.name} is of type {resource.get('Type')}",
        expected="a queue, topic, bucket, bus, stream, table or rule, or an API's route, that "
        "messages are written to",
        remedy=f"write {ways[0]}" if ways else "name what feeds it",
    )


def _chosen_route(given: Any, topology: Topology) -> Entry:
    matching = [route for route in topology.routes if _same_route(route.name, given.name)]
    if not matching:
        raise EntryError(
            f"the stack has no route {given.name!r}",
            where=given.where,
            found=", ".join(route.name for route in topology.routes) or "no route at all",
            expected="one of these",
            remedy=nearest(given.name, [route.name for route in topology.routes]),
        )
    route = matching[0]
    if not stores_in(route):
        raise EntryError(
            f"{given.name} is no way into storage that can be simulated",
            where=given.where,
            found="an integration into a function, an HTTP backend or a call that only reads",
            expected="an integration into a service that stores",
        )
    return Entry(given.name, given.body, "route", route, headers=given.headers, chosen=True)


def _with_bodies(entry: Entry, given: Any, folder: Path) -> Entry:
    bodies = None
    body = entry.body
    if given.strategy is not None:
        bodies = load_strategy(given.strategy, folder, given.where)
        body = simplest(bodies, given.strategy, given.where) if body is None else body
    if entry.kind == "bus":
        body, bodies = _as_event(body), bodies if bodies is None else bodies.map(_as_event)
    return replace(entry, body=body, bodies=bodies)


def _as_event(body: Any) -> Any:
    """An entry of PutEvents as the event that it becomes; anything else as it is.

    https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html
    """
    if not isinstance(body, dict) or not {"Source", "DetailType", "Detail"} <= body.keys():
        return body
    detail = body["Detail"]
    try:
        detail = json.loads(detail) if isinstance(detail, str) else detail
    except ValueError:
        return body
    return {"source": body["Source"], "detail-type": body["DetailType"], "detail": detail}


def _same_route(name: str, wanted: str) -> bool:
    method, _, path = name.partition(" ")
    wanted_method, _, wanted_path = wanted.partition(" ")
    return (
        path.rstrip("/") == wanted_path.rstrip("/") and wanted_method.upper() in (method, "ANY")
    ) or (method == "ANY" and path.rstrip("/") == wanted_path.rstrip("/"))
