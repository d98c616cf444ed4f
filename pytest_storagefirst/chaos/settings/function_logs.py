"""What a function's invocations have logged: whether a fault within them was felt by any."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_storagefirst.chaos.setting import Address, Value
from pytest_storagefirst.chaos.settings.settling import settled
from pytest_storagefirst.target.target import Target

AGENT = "storagefirst_agent"
FIS = "AWS FIS EXTENSION"
# What the extension says beside its faults, and where something is wrong with it.
_NO_FAULT = ("extension enabled", "WARN", "ERROR")


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


def _is_said(
    target: Target, function: str, words: str, since_s: float, others: Iterable[str]
) -> bool:
    session = target.session()
    told = session.client("lambda").get_function_configuration(FunctionName=function)
    group = told.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{function}"
    logs = session.client("logs")
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group, startTime=int(since_s * 1000), filterPattern=f'"{words}"'
    )
    try:
        lines = [event["message"] for page in pages for event in page["events"]]
    except logs.exceptions.ResourceNotFoundException:  # nothing was logged ever
        return False
    return any(words in line and not any(one in line for one in others) for line in lines)
