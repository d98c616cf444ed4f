"""Why a stack refuses a body, told to the person who wrote it: where, what, and what to write."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pytest_storagefirst.errors import EntryError
from pytest_storagefirst.explore import workload
from pytest_storagefirst.explore.asked import Path
from pytest_storagefirst.explore.first_guess import first_guess
from pytest_storagefirst.simulation.deployed import Deployed, Entry
from pytest_storagefirst.simulation.frontdoor.messages import HttpRequest
from pytest_storagefirst.simulation.frontdoor.request_validation import misfits
from pytest_storagefirst.simulation.playing import Played
from pytest_storagefirst.simulation.schedule import UNIQUE, as_text
from pytest_storagefirst.simulation.sources import event_patterns, mismatches

MOST_SHOWN = 3  # fields of a body, or lines that a handler printed
MOST_CHARACTERS = 160
MISSING = '{ … = "{unique}" }'
_EVENT_FIELDS = ("source", "detail-type", "detail")


def refusal(
    deployed: Deployed,
    entry: Entry,
    problem: str,
    body: Any,
    played: Played,
    asked: Iterable[Path] = (),
) -> EntryError:
    """The error for a body that is refused without any fault.

    `problem` says who refused it; `asked` are the fields that a handler asked it for in vain.
    """
    wanted = list(asked)
    reasons = [problem]
    reasons += _of_the_model(entry, body)
    reasons += _of_filters(deployed, played, body)
    by_a_handler = any(event.kind == "failed" for event in played.observation.history)
    if by_a_handler:
        reasons += _of_the_handler(wanted, played)
        reasons += _of_the_way(deployed, entry, body, played)
    under = f" under the key {entry.key!r}" if entry.kind == "bucket" and entry.key else ""
    return EntryError(
        "the stack refuses this message even without faults, so nothing can be learnt from it",
        where=entry.name,
        found="; ".join((*dict.fromkeys(reasons), f"sent {workload.as_sent(body)}{under}")),
        expected="a body that the stack processes",
        remedy="write it in storagefirst.toml, with {unique} where a message's own id goes:\n"
        f'            [[entry]]\n            {entry.kind} = "{entry.name}"\n'
        f"            body = {_proposal(deployed, entry, body, wanted)}"
        f"{_beside(entry) if by_a_handler else ''}",
    )


def _beside(entry: Entry) -> str:
    """What a message of a queue or topic may have beside its body, if that is what is asked for."""
    if entry.kind not in ("queue", "topic") or entry.attributes:
        return ""
    told = '\n            and, if the function asks for them, attributes = { name = "value" }'
    ungrouped = entry.kind == "queue" and not entry.store.fifo and not entry.group
    return told + (' or group = "name" (MessageGroupId)' if ungrouped else "")


def _of_the_model(entry: Entry, body: Any) -> Iterator[str]:
    if entry.route is None:
        return
    request = HttpRequest("POST", "/", {"Content-Type": "application/json"}, {}, as_text(body))
    found = misfits(entry.route, request)
    if found:
        shown = "; ".join(found[:MOST_SHOWN])
        yield f"by the request model of {entry.name}, {shown}"


def _of_filters(deployed: Deployed, played: Played, body: Any) -> Iterator[str]:
    filtered = {event.detail for event in played.observation.history if event.kind == "filtered"}
    for mapping in deployed.topology.mappings:
        for text in mapping.filters if mapping.logical_id in filtered else ():
            seen = {"body": body, "data": body}
            why = mismatches.why_not(event_patterns.read(text), seen)
            if why:
                yield f"the filter of {mapping.logical_id}: {why}"


def _of_the_handler(wanted: Sequence[Path], played: Played) -> Iterator[str]:
    if wanted:
        fields = ", ".join(".".join(path) for path in wanted[:MOST_SHOWN])
        yield f"the code asks it for {fields}, which it does not have"
    caught = any(
        event.kind == "failed" and event.detail == "reported by the handler"
        for event in played.observation.history
    )
    lines = [line.strip() for line in played.printed.splitlines() if line.strip()]
    if caught and lines:
        said = lines[-1]
        for raw, name in sorted(played.observation.names.items(), key=lambda one: -len(one[0])):
            said = said.replace(raw, name)
        yield f"it printed “{said[:MOST_CHARACTERS]}”"


def _of_the_way(deployed: Deployed, entry: Entry, body: Any, played: Played) -> Iterator[str]:
    """What stands round the body when it comes to the code."""
    if entry.kind == "bus" and isinstance(body, dict):
        lacking = [name for name in ("source", "detail") if name not in body]
        if lacking and any(name in body for name in _EVENT_FIELDS):
            yield (
                f"the body has no `{lacking[0]}`, so all of it became the event's detail "
                "(an event of your own has source, detail-type and detail)"
            )
    stored = {event.where for event in played.observation.history if event.kind == "stored"}
    topics = {edge.source for edge in deployed.topology.edges}
    for topic in deployed.topology.topics:
        if topic.arn not in topics:
            continue
        for subscription in _subscriptions(deployed, topic.arn):
            name = deployed.topology.logical_ids.get(topic.arn, topic.logical_id)
            queue = deployed.queue_by_arn(subscription.endpoint)
            if queue is None or queue.logical_id not in stored:
                continue
            raw = str(subscription.attributes.get("RawMessageDelivery", "")).lower() == "true"
            yield f"{queue.logical_id} gets from {name} " + (
                "the body alone, as its subscription has RawMessageDelivery: true"
                if raw
                else "SNS's envelope, with the body as text in its field Message, as its "
                "subscription has no RawMessageDelivery: true"
            )


def _subscriptions(deployed: Deployed, topic_arn: str) -> list[Any]:
    backend = deployed.world.backend("sns")
    return [
        one
        for one in backend.subscriptions.values()
        if one.topic.arn == topic_arn and one.protocol == "sqs"
    ]


def _proposal(deployed: Deployed, entry: Entry, body: Any, wanted: Sequence[Path]) -> str:
    """The body to write, where it follows from what was seen."""
    proposed: Any = None
    if entry.route is not None and list(_of_the_model(entry, body)):
        proposed = _as_the_model_has_it(entry, body)
    elif entry.kind == "bus" and isinstance(body, dict) and "source" in body:
        proposed = {**body, "detail": {"id": UNIQUE}} if "detail" not in body else None
    elif entry.kind in ("queue", "topic") and isinstance(body, dict):
        proposed = _let_through(deployed, entry, body)
    if proposed is None and wanted:
        proposed = workload.extended(body, list(wanted))
    return MISSING if proposed is None else toml(proposed)


def _as_the_model_has_it(entry: Entry, body: Any) -> Any:
    """The body with what its model does not take changed, if that is enough."""
    guess = first_guess(entry)
    fields = body if isinstance(body, dict) else {}
    for known in ({n: v for n, v in guess.items() if n != "id"}, guess):
        kept = {name: value for name, value in fields.items() if name not in known}
        held = {
            name: fields[name]
            for name in known
            if name in fields
            and not list(_of_the_model(entry, {**known, **kept, name: fields[name]}))
        }
        for proposed in ({**known, **kept, **held}, {**known, **held}):
            if not list(_of_the_model(entry, proposed)):
                return proposed
    return None


def _let_through(deployed: Deployed, entry: Entry, body: Any) -> Any:
    """The body with the first value that each filter policy on bodies wants."""
    proposed = copy.deepcopy(body)
    for policy in _policies(deployed, entry):
        found = mismatches.mismatch(policy, proposed)
        while found is not None:
            path, options, _ = found
            wanted = options[0] if isinstance(options, list) and options else None
            if not isinstance(wanted, str | int | float):
                return None
            holder = proposed
            for name in path[:-1]:
                holder = holder.setdefault(name, {})
                if not isinstance(holder, dict):
                    return None
            holder[path[-1]] = wanted
            found = mismatches.mismatch(policy, proposed)
    return proposed if proposed != body else None


def _policies(deployed: Deployed, entry: Entry) -> Iterator[Any]:
    """What the bodies of an entry are filtered by, where that is said of bodies."""
    if entry.kind == "queue":
        for mapping in deployed.mappings_of(entry.store)[:1]:
            for text in mapping.filters[:1]:
                yield event_patterns.read(text).get("body", {})
        return
    for subscription in _subscriptions(deployed, entry.store.arn):
        if subscription.attributes.get("FilterPolicyScope") == "MessageBody":
            written = subscription.attributes.get("FilterPolicy") or "{}"
            yield json.loads(written) if isinstance(written, str) else written


_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")  # https://toml.io/en/v1.0.0#keys


def toml(value: Any) -> str:
    """A body as it stands in storagefirst.toml; what TOML has no value for is left out."""
    if isinstance(value, dict):
        pairs = [
            f"{name if _BARE_KEY.fullmatch(name) else toml(name)} = {toml(inner)}"
            for name, inner in ((str(key), inner) for key, inner in value.items())
            if inner is not None
        ]
        return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
    if isinstance(value, list):
        return f"[{', '.join(toml(one) for one in value if one is not None)}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
