"""All that a run depends on: the same schedule gives the same history, byte for byte."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from pytest_storagefirst.faults.plan import Plan, parse_plan
from pytest_storagefirst.settings import UNIQUE as UNIQUE

SEND_GAP_MS = 10  # between two messages of a workload

AHEAD_MS = 10_000  # those that are sent ahead have long been tried when the next one comes


@dataclass(frozen=True)
class Send:
    """One message to send: its id ("m1"), the entry's name, the body with {unique} for its id.

    `key` is that of the object where the entry is a bucket; "" is the entry's own.
    """

    message: str
    entry: str
    body: Any = field(hash=False)
    key: str = ""


@dataclass(frozen=True)
class Schedule:
    """Workload, plan and choices.

    `choices` decide who goes first wherever two invocations could; `concurrency` is how many
    invocations a mapping may have at once and `batch_limit` how many messages it takes at most,
    both within what the stack itself allows. `one_by_one` sends each message when the one before
    has been dealt with, else `gap_ms` lie between two, and AHEAD_MS between the first `ahead` of
    them and whoever follows. The last `late` are sent when all faults are over and work has come
    to rest. `redrives` says when dead-lettered messages are moved
    back: "during" the faults, "after" they ended, once for each mention.
    """

    workload: tuple[Send, ...]
    plan: Plan = ()
    choices: tuple[int, ...] = ()
    seed: int = 0
    concurrency: int = 1
    batch_limit: int = 0
    one_by_one: bool = False
    redrives: tuple[str, ...] = ("after",)
    gap_ms: int = SEND_GAP_MS
    late: int = 0
    ahead: int = 0
    template: str = ""  # where the stack comes from, for schedules that Hypothesis drew

    def to_json(self) -> dict[str, Any]:
        """As a replay file holds it."""
        return {
            "workload": [
                {"message": send.message, "entry": send.entry, "body": send.body}
                | ({"key": send.key} if send.key else {})
                for send in self.workload
            ],
            "plan": [str(fault) for fault in self.plan],
            "choices": list(self.choices),
            "seed": self.seed,
            "concurrency": self.concurrency,
            "batch_limit": self.batch_limit,
            "one_by_one": self.one_by_one,
            "redrives": list(self.redrives),
            "gap_ms": self.gap_ms,
            "late": self.late,
            "ahead": self.ahead,
        }

    @staticmethod
    def from_json(document: dict[str, Any]) -> Schedule:
        """Raises ArithmeticError, LookupError, TypeError, ValueError or FaultError for a document
        that is not one of ours."""
        for send in document["workload"]:
            check_sendable(send["body"])
        return Schedule(
            workload=tuple(
                Send(
                    str(send["message"]), str(send["entry"]), send["body"], str(send.get("key", ""))
                )
                for send in document["workload"]
            ),
            plan=parse_plan(document["plan"]),
            choices=tuple(int(choice) for choice in document["choices"]),
            seed=int(document["seed"]),
            concurrency=int(document["concurrency"]),
            batch_limit=int(document["batch_limit"]),
            one_by_one=bool(document["one_by_one"]),
            redrives=tuple(str(moment) for moment in document["redrives"]),
            gap_ms=int(document.get("gap_ms", SEND_GAP_MS)),
            late=int(document.get("late", 0)),
            ahead=int(document.get("ahead", 0)),
        )

    def moment_ms(self, index: int) -> int:
        """When the message of this place in the workload is sent, where none waits for another."""
        ahead = min(index, self.ahead)
        return ahead * AHEAD_MS + (index - ahead) * self.gap_ms

    @property
    def names_keys(self) -> bool:
        """Whether it sends objects under other keys than their entry's own."""
        return any(send.key for send in self.workload)

    @property
    def in_time(self) -> tuple[Send, ...]:
        """What is sent while faults may strike."""
        return self.workload[: max(1, len(self.workload) - self.late)]

    @property
    def messages(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(send.message for send in self.workload))


def render(body: Any, token: str) -> Any:
    """The body with `token` wherever it says {unique}."""
    if isinstance(body, str):
        return body.replace(UNIQUE, token)
    if isinstance(body, dict):
        return {render(name, token): render(value, token) for name, value in body.items()}
    if isinstance(body, list):
        return [render(value, token) for value in body]
    return body


MOST_NESTED = 200  # levels of a body: every store, policy and handler on its way reads it whole
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')


def check_sendable(body: Any) -> None:
    """Raises ValueError or TypeError, RecursionError for data without end, for what can't be sent:
    no JSON, no UTF-8, or nested too deeply for what reads it here."""
    text = as_text(body)
    text.encode()
    if text.count("[") + text.count("{") <= MOST_NESTED:
        return
    depth = 0
    for character in _STRINGS.sub("", text):
        depth += (character in "[{") - (character in "]}")
        if depth > MOST_NESTED:
            raise ValueError(f"it nests deeper than {MOST_NESTED} levels")


def as_text(body: Any) -> str:
    """The request's body as it goes over the wire."""
    return body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
