"""Faults of third parties."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from pytest_storagefirst.chaos.breaking.kind import Aim, Kind, unfit
from pytest_storagefirst.chaos.drill import LONGEST_S, Fault
from pytest_storagefirst.chaos.setting import Change
from pytest_storagefirst.errors import FaultError
from pytest_storagefirst.scripts import parse_script
from pytest_storagefirst.stack.topology import Function

# Nothing listens there, in the function's own environment: a call is refused at once.
CLOSED_PORT = "http://127.0.0.1:9"


def _outage(aim: Aim, fault: Fault) -> list[Change]:
    """What the local scripted third party does; elsewhere the URL that functions are given."""
    if aim.target.downstream_url is not None:
        return list(_scripted(aim, fault))
    if "script" in fault.options:
        raise unfit(fault, "a script is for the local target's third parties")
    changes = list(_turned_away(aim, fault))
    if not changes:
        raise unfit(
            fault,
            "no function has a variable that holds a third party's URL",
            expected="[[downstream]] in storagefirst.toml, and its URL in a variable",
        )
    return changes


def _scripted(aim: Aim, fault: Fault) -> Iterator[Change]:
    script = fault.options.get("script", [f"outage {LONGEST_S:g} s"])
    try:
        parse_script(script)
    except FaultError as error:
        raise unfit(fault, error.problem, expected=error.expected) from None
    urls = [one.url for one in aim.target.settings.downstreams]
    urls = [url for url in urls if not fault.where or url in fault.where]
    if not urls:
        raise unfit(
            fault,
            "it names no [[downstream]] of storagefirst.toml",
            expected=", ".join(one.url for one in aim.target.settings.downstreams) or "one",
        )
    for url in dict.fromkeys(urls):
        yield aim.change("script", url, {"url": url}, script, "every call of it")


def third_parties_of(aim: Aim) -> list[str]:
    """Where calls of the stack to third parties can be broken: by script, or in a variable."""
    if aim.target.downstream_url is not None:
        return [one.url for one in aim.target.settings.downstreams]
    return [name for _, name, _ in _variables(aim, ())]


def _variables(aim: Aim, where: tuple[str, ...]) -> Iterator[tuple[Function, str, str]]:
    """Function, name and value of each variable that holds a third party's URL."""
    urls = tuple(one.url for one in aim.target.settings.downstreams)
    own = {queue.url for queue in aim.topology.queues}
    for function in aim.topology.functions:
        if not where or function.logical_id in where:
            for name, value in function.environment.items():
                if value not in own and _is_third_partys(value, urls):
                    yield function, name, value


def _turned_away(aim: Aim, fault: Fault) -> Iterator[Change]:
    for function, name, value in _variables(aim, fault.where):
        yield aim.change(
            "variable",
            f"{function.logical_id}.{name}",
            {"function": function.name, "variable": name},
            CLOSED_PORT + urlsplit(value).path,
            f"every call of {value} by {function.logical_id}; its environments are made anew",
        )


def _is_third_partys(value: str, urls: tuple[str, ...]) -> bool:
    """Whether a variable holds where a third party is: one of those named, or any without names."""
    if not re.match(r"https?://[^/\s]", value):
        return False
    if urls:
        return any(url.startswith(value.rstrip("/")) or value.startswith(url) for url in urls)
    host = urlsplit(value).hostname or ""
    return not host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))


KINDS = (Kind("outage", _outage, ("script",)),)
