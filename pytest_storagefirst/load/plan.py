"""What a worker has to know, as data: it needs neither credentials nor profiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pytest_storagefirst.load.arrivals import POISON
from pytest_storagefirst.load.profiles import Action, Phase, Profile

UNIQUE = "{unique}"


@dataclass(frozen=True)
class Way:
    """How one message is sent. {unique} stands for its id, wherever it is said.

    `body` is a message's, as text. A request has `method` and `headers`. A call has `service`,
    `operation` and `parameters` of boto3's; `url` is then its endpoint, "" AWS's own, and
    `credentials` are arguments of a session, {} whoever runs it. What is called poison is for bad
    messages.
    """

    name: str  # of the entry: "POST /orders"
    url: str
    method: str = "POST"
    body: str = ""
    poison_body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    service: str = ""
    operation: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    poison_parameters: Mapping[str, Any] = field(default_factory=dict)
    region: str = ""
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)

    def body_of(self, message: str, kind: str) -> bytes:
        text = self.poison_body if kind == POISON else self.body
        return text.replace(UNIQUE, message).encode()

    def parameters_of(self, message: str, kind: str) -> Any:
        return _rendered(self.poison_parameters if kind == POISON else self.parameters, message)


def _rendered(value: Any, message: str) -> Any:
    if isinstance(value, str):
        return value.replace(UNIQUE, message)
    if isinstance(value, bytes):
        return value.replace(UNIQUE.encode(), message.encode())
    if isinstance(value, Mapping):
        return {name: _rendered(inner, message) for name, inner in value.items()}
    if isinstance(value, list):
        return [_rendered(inner, message) for inner in value]
    return value


@dataclass(frozen=True)
class Plan:
    """One run: its name, its profile, how messages are sent and by which workers.

    `workers` are Locust's names for them; the position of its own is a worker's number.
    """

    run: str
    profile: Profile
    way: Way
    workers: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def of(document: Mapping[str, Any]) -> Plan:
        profile = dict(document["profile"])
        profile["phases"] = tuple(Phase(**one) for one in profile["phases"])
        profile["objectives"] = tuple(profile["objectives"])
        profile["actions"] = tuple(
            Action(one["at_s"], one["kind"], tuple(one["script"])) for one in profile["actions"]
        )
        return Plan(
            run=document["run"],
            profile=Profile(**profile),
            way=Way(**document["way"]),
            workers=tuple(document["workers"]),
        )
