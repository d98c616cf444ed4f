"""What the local target's scripted third parties do."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from typing import Any

from pytest_storagefirst.chaos.setting import Address, Setting, Value
from pytest_storagefirst.ledger.load import TAKEN
from pytest_storagefirst.scripts import parse_script
from pytest_storagefirst.target.downstream import CONTROL
from pytest_storagefirst.target.target import Target

_SECONDS = 5
_REFUSING = ("refused", "http-429")


def _script(target: Target, address: Address) -> Value:
    """What was told last for a URL; None where what the settings say still holds."""
    query = urllib.parse.urlencode({"url": address["url"]})
    return _ask(target, f"script?{query}")["script"]


def _tell(target: Target, address: Address, value: Value, current: Value) -> None:
    body = json.dumps({"script": value, "url": address["url"]}).encode()
    _ask(target, "script", body)


def _ask(target: Target, what: str, body: bytes | None = None) -> Any:
    base = str(target.downstream_url).rstrip("/").removesuffix(CONTROL)
    with urllib.request.urlopen(f"{base}{CONTROL}/{what}", data=body, timeout=_SECONDS) as answer:
        return json.load(answer)


def _felt(target: Target, address: Address, value: Value, since_s: float) -> str:
    """Whether a call came, and one that was not answered well where it refuses all."""
    calls = [
        one
        for one in _ask(target, f"calls?since={int(since_s * 1000)}")
        if one["downstream"].startswith(address["url"])
    ]
    refuses = all(step.kind in _REFUSING for step in parse_script(value))
    if any(one["answer"] != TAKEN or not refuses for one in calls):
        return ""
    return "nobody called it meanwhile"


SCRIPT = Setting("script", "script", _script, _tell, felt=_felt)

SETTINGS = (SCRIPT,)
