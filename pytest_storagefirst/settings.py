"""What a user set for a template: a frozen `Settings`.

Ground floor: it knows neither pytest nor AWS, so that every floor above can be handed one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from pytest_storagefirst.errors import SettingsError

UNIQUE = "{unique}"  # in what is sent: each message's own id
ENTRY_KINDS = ("route", "queue", "topic", "bucket", "bus", "stream", "table", "rule")
DEFAULT_BUDGET_SECONDS = 10.0
DEFAULT_MAX_FAULTS = 2


@dataclass(frozen=True)
class Entry:
    """A way in that the user named: `kind` is one of `ENTRY_KINDS`, `name` a route or a logical id.

    In `body` the text "{unique}" stands for each message's own id. `strategy` is "module:name" of a
    Hypothesis strategy of bodies. `headers` are of a route's request, `attributes` of a topic's or
    queue's message (None: those that filter policies ask for), `group` is its
    MessageGroupId, `key` a stream's partition key, or what a bucket's objects are named. `where`
    says which line of which file it comes from.
    """

    kind: str
    name: str
    body: Any = None
    strategy: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str | int | float] | None = None
    group: str = ""
    key: str = ""
    where: str = ""


@dataclass(frozen=True)
class Reply:
    """What a downstream answers: `json` and `text` exclude each other."""

    status: int = 200
    json: Any = None
    text: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Downstream:
    """An HTTP third party. `idempotency` names the body's field that makes repeats count once.

    `script` holds the texts of steps, what it does from the start of each run on in virtual time;
    beyond `per_second` calls in any second and `at_once` calls at a time it answers 429 (0: never).
    `answer_seconds` is how long it takes to answer; None: at once, unless it has an `at_once`.
    """

    url: str
    method: str = "ANY"
    reply: Reply = Reply()
    idempotency: str | None = None
    script: tuple[str, ...] = ()
    per_second: int = 0
    at_once: int = 0
    answer_seconds: float | None = None
    where: str = ""


@dataclass(frozen=True)
class AllowedTarget:
    """A stack in AWS that load and drills may be aimed at; `where` is the line that says so."""

    stack: str
    account: str
    region: str
    where: str = ""


@dataclass(frozen=True)
class Settings:
    """All that a user can set for one template, from the command line and its configuration file.

    `properties` empty means all that apply; `explores` False that none was asked for. `audits` are
    the names of the audits that were ("audit:no-dlq"), None means all. `functions` maps a logical
    id to a handler that stands in for it, "module:function" or the function itself. `bookkeeping`
    are tables whose items are no message's effect: counts, locks, rate limits. `permissions` says
    whether what no policy allows fails, as in AWS. `budget_seconds` is real time a stack.
    `shard` is (K, N), K from 1. `sources` says where a value was written ("parameters.Stage" ->
    "storagefirst.toml:3"), for the texts of errors. It pickles as long as its functions do.
    """

    parameters: Mapping[str, str] = field(default_factory=dict)
    imports: Mapping[str, str] = field(default_factory=dict)
    properties: tuple[str, ...] = ()
    explores: bool = True
    audits: tuple[str, ...] | None = None
    entries: tuple[Entry, ...] = ()
    downstreams: tuple[Downstream, ...] = ()
    functions: Mapping[str, str | Callable[..., Any]] = field(default_factory=dict)
    circuit: Mapping[str, Any] = field(default_factory=dict)
    flags: tuple[Mapping[str, Any], ...] = ()
    targets: tuple[AllowedTarget, ...] = ()
    drills: Mapping[str, Any] = field(default_factory=dict)  # alarms, window, maximum_s, fis_role
    bookkeeping: tuple[str, ...] = ()
    permissions: bool = True
    seed: int = 0
    max_faults: int = DEFAULT_MAX_FAULTS
    budget_seconds: float = DEFAULT_BUDGET_SECONDS
    shard: tuple[int, int] = (1, 1)
    sources: Mapping[str, str] = field(default_factory=dict)

    def where(self, name: str) -> str:
        """The file and line that `name` ("parameters.Stage") was set in; "" when it was not."""
        return self.sources.get(name, "")


def the_one_of(
    valid: Iterable[str], told: Mapping[str, Any], problem: str, where: str, example: str
) -> str:
    """Which of the `valid` keys a table has. Raises SettingsError for none, and for several."""
    found = [key for key in valid if key in told]
    if len(found) != 1:
        raise SettingsError(
            problem,
            where=where,
            found=" and ".join(found) or "none",
            expected="exactly one of " + ", ".join(valid),
            remedy=f"write for example {example}",
        )
    return found[0]


def nearest(name: str, valid: Iterable[str], instead: str = "write") -> str:
    """The remedy for a name that is none of `valid`: the closest one, or "" when none is close."""
    close = get_close_matches(name, list(valid), n=1)
    return f'{instead} "{close[0]}"' if close else ""
