"""Rules about API routes: what the sender is told, and what is done to a body on its way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pytest_storagefirst.audit.integrations import Integration, integrations
from pytest_storagefirst.audit.view import Looked, View, listed

# What a service may answer: a bad request, no permission, a throttle (400 too), its own failure.
_REFUSALS = ("400", "403", "500", "503")


def default_response(view: View) -> Iterator[Looked]:
    for one in integrations(view):
        if one.protocol != "REST" or one.kind != "AWS" or not one.stores:
            continue
        yield _default_response(one)


def _default_response(one: Integration) -> Looked:
    told = {code: _told(one, code) for code in _REFUSALS}
    accepted = [code for code, status in told.items() if status[:1] in ("2", "3")]
    sites = (one.route,)
    if not accepted:
        return Looked("default-response-200", one.resource, sites=sites)
    default = next((reply for reply in one.replies if reply.pattern is None), None)
    steps = default.steps if default else one.steps
    return Looked(
        "default-response-200",
        one.resource,
        f"{one.route} answers {told[accepted[0]]} when {one.service} answers "
        f"{', '.join(accepted)}: a message that was not stored is acknowledged",
        steps,
        {"Route": one.route},
        sites,
        (tuple(_with_patterns(one)),),
    )


def _told(one: Integration, code: str) -> str:
    """The status that the sender sees when the backend answers with `code`; "" where it's open."""
    default = ""
    for reply in one.replies:
        if reply.pattern is None:
            default = "" if _overrides(reply.templates) else reply.status
        elif _fits(reply.pattern, code):
            return "" if _overrides(reply.templates) else reply.status
    return default


def _overrides(templates: tuple[str, ...]) -> bool:
    return any("responseOverride.status" in text for text in templates)


def _fits(pattern: str, code: str) -> bool:
    try:
        return re.fullmatch(pattern, code) is not None
    except re.error:  # Java's dialect knows more than Python's: nothing is said about it
        return True


def _with_patterns(one: Integration) -> Iterator[tuple[str, Any, Any]]:
    """A response for each kind of refusal. API Gateway keeps one response of each status."""
    taken = {reply.status for reply in one.replies}
    free = [status for status in ("400", "500", "502", "503", "504") if status not in taken]
    wanted = dict(zip((r"4\d{2}", r"5\d{2}"), free, strict=False))
    if one.is_open_api:
        for pattern, status in wanted.items():
            yield one.resource, (*one.steps, "responses", pattern), {"statusCode": status}
        return
    added = [{"SelectionPattern": pattern, "StatusCode": code} for pattern, code in wanted.items()]
    kept = listed(one.given.get("IntegrationResponses"))
    yield one.resource, (*one.steps, "IntegrationResponses"), [*added, *kept]
