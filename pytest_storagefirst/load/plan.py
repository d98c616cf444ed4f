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
    """How one message is sent: `body` is a text in which {unique} stands for the message's id."""

    name: str  # of the entry: "POST /orders"
    url: str
    method: str
    body: str
    poison_body: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def body_of(self, message: str, kind: str) -> bytes:
        text = self.poison_body if kind == POISON else self.body
        return text.replace(UNIQUE, message).encode()


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
