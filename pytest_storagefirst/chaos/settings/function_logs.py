"""What a function's invocations have logged: whether a fault within them was felt by any."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator

from pytest_storagefirst.chaos.setting import Address, Value
from pytest_storagefirst.chaos.settings.settling import settled
from pytest_storagefirst.target.target import Target

AGENT = "storagefirst_agent"
FIS = "AWS FIS EXTENSION"
# What the extension says beside its faults, and where something is wrong with it.
_NO_FAULT = ("extension enabled", "WARN", "ERROR")
# Lambda's own line at the end of an invocation, as text and as JSON; "Billed Duration" is another.
_REPORTS = ("REPORT RequestId", "platform.report")
_DURATION = re.compile(r"(?:(?<!Billed )(?<!Init )Duration: |\"durationMs\":\s*)(\d+(?:\.\d+)?)")


def felt_by_agent(target: Target, address: Address, value: Value, since_s: float) -> str:
    return _felt(target, address["functions"], AGENT, since_s, ())


def felt_by_fis(target: Target, address: Address, value: Value, since_s: float) -> str:
    return _felt(target, address["functions"], FIS, since_s, _NO_FAULT)


def _felt(
    target: Target, functions: Iterable[str], words: str, since_s: float, others: Iterable[str]
) -> str:
    """ "" once an invocation since then has logged these words, in a line without the others."""

    def is_said() -> bool:
        return any(_is_said(target, one, words, since_s, others) for one in functions)

    within_s = 2.0 if target.endpoint_url else None
    try:
        settled(is_said, bool, within_s)
    except TimeoutError:
        return f"no invocation of {', '.join(functions)} logged {words}"
    return ""


def felt_at_work(target: Target, address: Address, value: Value, since_s: float) -> str:
    """ "" once an invocation has taken longer than the visibility timeout is: the messages that it
    had come again while it is at work. Lambda's REPORT of each says how long it took.
    """
    functions = address.get("functions", ())
    if address.get("attribute") != "VisibilityTimeout" or not functions:
        return ""
    took: list[float] = []

    def is_seen() -> bool:
        until_s = _changed_s(target, address["queue"])
        until_s = until_s if until_s > since_s else time.time()
        took[:] = [
            each for one in functions for each in _durations_s(target, one, since_s, until_s)
        ]
        return any(each > float(value) for each in took)

    try:
        settled(is_seen, bool, 2.0 if target.endpoint_url else None)
    except TimeoutError:
        names = ", ".join(functions)
        if not took:
            return f"no invocation of {names} logged how long it took"
        return (
            f"no invocation of {names} took longer than {value} s ({max(took):.2f} s at the most), "
            "so that no message came again while it was at work"
        )
    return ""


def _changed_s(target: Target, queue_url: str) -> float:
    """When the queue's attributes were changed last: by the undo, once that is done."""
    name = "LastModifiedTimestamp"
    client = target.session().client("sqs")
    answer = client.get_queue_attributes(QueueUrl=queue_url, AttributeNames=[name])
    return float(answer.get("Attributes", {}).get(name, 0))


def _durations_s(target: Target, function: str, since_s: float, until_s: float) -> Iterator[float]:
    """Of the invocations that ended since then and began until then."""
    for words in _REPORTS:
        for ended_s, line in _events(target, function, words, since_s):
            found = _DURATION.search(line)
            if found and ended_s - float(found[1]) / 1000 < until_s:
                yield float(found[1]) / 1000


def _is_said(
    target: Target, function: str, words: str, since_s: float, others: Iterable[str]
) -> bool:
    lines = [line for _, line in _events(target, function, words, since_s)]
    return any(words in line and not any(one in line for one in others) for line in lines)


def _events(target: Target, function: str, words: str, since_s: float) -> list[tuple[float, str]]:
    """When each was logged, in seconds of the epoch, and what."""
    session = target.session()
    told = session.client("lambda").get_function_configuration(FunctionName=function)
    group = told.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{function}"
    logs = session.client("logs")
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group, startTime=int(since_s * 1000), filterPattern=f'"{words}"'
    )
    try:
        return [
            (event["timestamp"] / 1000, event["message"])
            for page in pages
            for event in page["events"]
        ]
    except logs.exceptions.ResourceNotFoundException:  # nothing was logged ever
        return []
