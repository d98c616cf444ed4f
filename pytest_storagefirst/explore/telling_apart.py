"""Whether two messages of one entry can be told apart: by an id in the body, or beside it."""

from __future__ import annotations

from typing import Any

from pytest_storagefirst.errors import EntryError
from pytest_storagefirst.explore import workload
from pytest_storagefirst.explore.refused_bodies import toml
from pytest_storagefirst.simulation.deployed import Entry
from pytest_storagefirst.simulation.producers import is_event
from pytest_storagefirst.simulation.schedule import UNIQUE

_BESIDE = ("request.header.", "request.querystring.", "params()")


def all_alike(entry: Entry, body: Any) -> bool:
    """Whether nothing of what is sent differs from one message to the next."""
    if UNIQUE in workload.as_sent(body):
        return False
    if entry.kind == "table":
        fields = body if isinstance(body, dict) else {}
        return all(name in fields for name in entry.store.key_names)
    if entry.route is not None:
        integration = entry.route.integration
        texts = (
            *integration.request_parameters.values(),
            *integration.request_templates.values(),
            *entry.route.required_parameters,
        )
        beside = any(mark in text for text in texts for mark in _BESIDE)
        return not beside and "{" not in entry.route.path
    return entry.kind in ("queue", "topic", "bus", "rule")  # an object and a record have a key


def refuse_alike(entry: Entry, body: Any) -> None:
    """Raises EntryError for a body that is the same in all messages, as nobody could say of one
    of them that it is lost, or there twice."""
    if entry.bodies is not None or not all_alike(entry, body):
        return
    raise EntryError(
        f"the body holds no {UNIQUE}, so all messages look the same, and of none can be said what "
        "became of it",
        where=entry.name,
        found=f"body = {toml(body)}",
        expected=f"{UNIQUE} in one of its fields, where each message's own id goes",
        remedy="write in storagefirst.toml:\n"
        f'            [[entry]]\n            {entry.kind} = "{entry.name}"\n'
        f"            body = {toml(_with_id(body))}",
    )


def _with_id(body: Any) -> Any:
    """The body with an id in the field that looks like one, else in a field of its own."""
    if is_event(body):
        return {**body, "detail": _with_id(body["detail"])}
    if not isinstance(body, dict):
        return UNIQUE if isinstance(body, str) else {"id": UNIQUE}
    names = [name for name, value in body.items() if isinstance(value, str)]
    ids = [name for name in names if workload.is_id(name)]
    return {**body, (ids or ["id"])[0]: UNIQUE}
