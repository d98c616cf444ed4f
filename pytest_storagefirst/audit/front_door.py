"""Rules about API routes: what the sender is told, and what is done to a body on its way."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_storagefirst.audit.integrations import Integration, Reply, integrations
from pytest_storagefirst.audit.view import Looked, View, joined, listed

# What a service may answer: a bad request, no permission, a throttle (400 too), its own failure.
_REFUSALS = ("400", "403", "500", "503")


def default_response(view: View) -> Iterator[Looked]:
    for one in integrations(view):
        if one.protocol != "REST" or one.kind != "AWS" or not one.changes:
            continue
        yield _default_response(view, one)


def _default_response(view: View, one: Integration) -> Looked:
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
        ((*_with_patterns(one), *_with_statuses(view, one)),),
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


def _patterns(one: Integration) -> dict[str, str]:
    """A status for each kind of refusal. API Gateway keeps one response of each status."""
    taken = {reply.status for reply in one.replies}
    free = [status for status in ("400", "500", "502", "503", "504") if status not in taken]
    return dict(zip((r"4\d{2}", r"5\d{2}"), free, strict=False))


def _with_patterns(one: Integration) -> Iterator[tuple[str, Any, Any]]:
    wanted = _patterns(one)
    if one.is_open_api:
        for pattern, status in wanted.items():
            yield one.resource, (*one.steps, "responses", pattern), {"statusCode": status}
        return
    kept = listed(one.given.get("IntegrationResponses"))
    yield one.resource, (*one.steps, "IntegrationResponses"), [*_selected(wanted), *kept]


def _selected(wanted: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"SelectionPattern": pattern, "StatusCode": code} for pattern, code in wanted.items()]


def _with_statuses(view: View, one: Integration) -> Iterator[tuple[str, Any, Any]]:
    """Each status has to be one of the method's own, too (AWS: the rule's page)."""
    method: Any = view.properties(one.resource)
    for step in one.steps[:-1]:
        method = method[step]
    statuses = _patterns(one).values()
    if one.is_open_api:
        for status in statuses:
            if status not in map(str, method.get("responses") or ()):
                steps = (*one.steps[:-1], "responses", status)
                yield one.resource, steps, {"description": "refused"}
        return
    kept = listed(method.get("MethodResponses"))
    there = {joined(each.get("StatusCode")) for each in kept if isinstance(each, Mapping)}
    added = [{"StatusCode": status} for status in statuses if status not in there]
    yield one.resource, (*one.steps[:-1], "MethodResponses"), [*kept, *added]


# A form's field that holds the message, up to the next one; and what stands in it unencoded.
_FIELD = re.compile(r"(?<![\w.])(?P<field>MessageBody|Message)=(?P<value>[^&\n]*)")
_ENCODED = re.compile(r"\$!?\{?util\.urlEncode\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)\}?")
_INPUT = re.compile(
    r"\$!?util\.(?!urlEncode)\w+\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"
    r"|\$!?\{input\.(?:body|\w+\([^)]*\))(?:\.\w+)*\}"
    r"|\$!?input\.(?:body|\w+\([^)]*\))(?:\.\w+)*"
)


def _raw(text: str) -> str:
    """The first field that is given straight from the request, "" where none is."""
    for found in _FIELD.finditer(text):
        if "$input" in _ENCODED.sub("", found["value"]).replace("{", "").replace("!", ""):
            return found[0].strip()
    return ""


def body_not_encoded(view: View) -> Iterator[Looked]:
    for one in integrations(view):
        if one.service not in ("sqs", "sns") or not one.stores or one.protocol == "HTTP":
            continue
        for content_type, text, steps in one.templates:
            if not _FIELD.search(text):
                continue
            raw = _raw(text)
            problem = ""
            if raw:
                problem = (
                    f"{one.route} puts the body into a form as it is ({raw}): &, + and % in it "
                    "change what is stored"
                )
            mended = _encoded(_at(one.given, steps[len(one.steps) :]))
            yield Looked(
                "body-not-encoded",
                one.resource,
                problem,
                steps,
                {"Route": one.route, "Type": content_type},
                (one.route,),
                (((one.resource, steps, mended),),),
            )


def _at(node: Any, steps: tuple[Any, ...]) -> Any:
    for step in steps:
        node = node[step]
    return node


def _encoded(node: Any) -> Any:
    """A template's text, or what it is put together from, with what was sent URL-encoded."""
    if isinstance(node, str):
        return _FIELD.sub(lambda found: f"{found['field']}={_wrapped(found['value'])}", node)
    if isinstance(node, list):
        return [_encoded(part) for part in node]
    if isinstance(node, dict):
        return {key: _encoded(part) for key, part in node.items()}
    return node


def _wrapped(value: str) -> str:
    """Each part that is not encoded yet, for itself."""
    kept = [*(found.span() for found in _ENCODED.finditer(value)), (len(value), len(value))]
    parts, at = [], 0
    for start, end in kept:
        parts.append(_INPUT.sub(lambda one: f"$util.urlEncode({one[0]})", value[at:start]))
        parts.append(value[start:end])
        at = end
    return "".join(parts)


_FAILED = {
    ("events", "PutEvents"): "FailedEntryCount",
    ("kinesis", "PutRecords"): "FailedRecordCount",
    ("sqs", "SendMessageBatch"): "Failed",
    ("dynamodb", "BatchWriteItem"): "UnprocessedItems",
}


def failed_entries_unchecked(view: View) -> Iterator[Looked]:
    for one in integrations(view):
        field = _FAILED.get((one.service, one.action))
        if field is None or one.protocol != "REST" or one.kind != "AWS":
            continue
        accepting = [reply for reply in one.replies if reply.status.startswith("2")]
        unchecked = [
            reply
            for reply in accepting
            if not any(field in text and _overrides((text,)) for text in reply.templates)
        ]
        problem = ""
        if unchecked:
            problem = (
                f"{one.route} answers {unchecked[0].status} whenever {one.action} does, which "
                f"answers 200 for entries that it did not take, too, and counts them in {field}"
            )
        yield Looked(
            "failed-entries-unchecked",
            one.resource,
            problem,
            unchecked[0].steps if unchecked else one.steps,
            {"Route": one.route, "Field": field},
            (one.route,),
            (tuple(_checked(one, unchecked, field)),),
        )


def _checked(one: Integration, replies: list[Reply], field: str) -> Iterator[tuple[str, Any, Any]]:
    count = f"$input.path('$.{field}')"
    failed = f"{count}.size() != 0" if field in ("Failed", "UnprocessedItems") else f"{count} != 0"
    check = f"#if({failed})#set($context.responseOverride.status = 500)#end"
    key = "responseTemplates" if one.is_open_api else "ResponseTemplates"
    for reply in replies:
        text = check + (reply.templates[0] if reply.templates else "$input.body")
        yield one.resource, (*reply.steps, key), {"application/json": text}
