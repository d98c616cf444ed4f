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


def _turned_away(aim: Aim, fault: Fault) -> Iterator[Change]:
    topology, settings = aim.topology, aim.target.settings
    urls = tuple(one.url for one in settings.downstreams)
    own = {queue.url for queue in topology.queues}
    for function in topology.functions:
        if fault.where and function.logical_id not in fault.where:
            continue
        for name, value in function.environment.items():
            if value in own or not _is_third_partys(value, urls):
                continue
            reach = f"every call of {value} by {function.logical_id}, and its environments: all new"
            yield aim.change(
                "variable",
                f"{function.logical_id}.{name}",
                {"function": function.name, "variable": name},
                CLOSED_PORT + urlsplit(value).path,
                reach,
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
