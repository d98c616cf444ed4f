"""A stack's circuit breaker: where its state is kept, as [circuit] names it, and its words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pytest_storagefirst.errors import SettingsError
from pytest_storagefirst.ledger.circuit import CLOSED, HALF_OPEN, OPEN
from pytest_storagefirst.settings import Settings, nearest, the_one_of
from pytest_storagefirst.stack.topology import Topology

# However a state is written: "half-open", "Open", "HALF_OPEN".
_WORDS = {"closed": CLOSED, "open": OPEN, "halfopen": HALF_OPEN}
_KEYS = {"closed": CLOSED, "open": OPEN, "half_open": HALF_OPEN}
_MOMENT = re.compile(r"now(?: \+ (\d+) s)?(?: (in ms|as text))?")
STORES = ("table", "parameter", "mapping")


@dataclass(frozen=True)
class Breaker:
    """Where a breaker's state is kept, and its words for each state.

    `place` is the logical id of the table, parameter or mapping; `name` the table's or parameter's
    own name, or the mapping's UUID. `words` maps a state to what stands there: "OPEN" to "open".
    A state that is not there is CLOSED. `urls` are where the calls go that it guards; none: all.
    `opened` is what else the breaker writes into its item when it opens, in Python's values and in
    the words of `moment`; None: not known.
    """

    kind: str  # "table" | "parameter" | "mapping"
    place: str
    name: str
    key: Mapping[str, Any] = field(default_factory=dict)
    attribute: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    threshold: int | None = None
    recovery_ms: int | None = None
    successes: int | None = None
    urls: tuple[str, ...] = ()
    opened: Mapping[str, Any] | None = None

    def keeps(self, place: str, key: Mapping[str, Mapping[str, Any]]) -> bool:
        """Whether an item is the one that holds the state: by table and typed key."""
        return (
            self.kind == "table"
            and self.place == place
            and all(
                name in key and str(next(iter(key[name].values()))) == str(wanted)
                for name, wanted in self.key.items()
            )
        )

    def guards(self, url: str) -> bool:
        """Whether it is this breaker's to keep calls of a URL off."""
        return not self.urls or any(url.startswith(one) for one in self.urls)

    @property
    def where(self) -> str:
        """Where the state is, for people: "Circuit, attribute state"."""
        return f"{self.place}, attribute {self.attribute}" if self.attribute else self.place

    def word_in(self, item: Mapping[str, Any]) -> Any:
        """What stands at the state's attribute of an item in Python's values; None for nothing.

        The attribute may be a path into maps: "breaker.state".
        """
        if self.attribute in item:
            return item[self.attribute]
        value: Any = item
        for step in self.attribute.split("."):
            value = value.get(step) if isinstance(value, Mapping) else None
        return value

    def with_word(self, item: Mapping[str, Any], word: str) -> dict[str, Any]:
        """The item as it is with this word at the state's attribute, in Python's values."""
        if self.attribute in item:
            return {**item, self.attribute: word}
        return _with(item, self.attribute.split("."), word)

    def state_of(self, word: Any) -> str:
        if word is None:
            return CLOSED
        said = next((state for state, said in self.words.items() if said == word), None)
        return said or spelt(word) or str(word)


def _with(item: Any, path: list[str], word: str) -> dict[str, Any]:
    first, *rest = path
    known = dict(item) if isinstance(item, Mapping) else {}
    return known | {first: _with(known.get(first), rest, word) if rest else word}


def moment(value: Any, now_s: float) -> Any:
    """A value of `opened`: "now" and "now + 60 s" in seconds of the epoch, "… in ms" in
    milliseconds, "… as text" as ISO 8601; anything else as it is, a float as DynamoDB takes it.
    """
    found = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return Decimal(str(value)) if isinstance(value, float) else value
    at_s = now_s + int(found[1] or 0)
    if found[2] == "as text":
        return datetime.fromtimestamp(int(at_s), UTC).isoformat().replace("+00:00", "Z")
    return int(at_s * 1000) if found[2] else int(at_s)


def spelt(word: Any) -> str | None:
    """The state that a word means, however it is written; None when it means none."""
    return _WORDS.get(re.sub(r"[^a-z]", "", str(word).lower()))


def named_breaker(settings: Settings, topology: Topology) -> Breaker | None:
    """The breaker that [circuit] describes; None without it.

    Raises SettingsError where it names what the stack doesn't have.
    """
    told = settings.circuit
    if not told:
        return None
    where = settings.where("circuit") or "[circuit]"
    problem = "a breaker's state is kept in one place"
    kind = the_one_of(STORES, told, problem, where, 'table = "LogicalId"')
    place, name = _store(kind, str(told[kind]), topology, where)
    words = {state: told[key] for key, state in _KEYS.items() if key in told}
    recovery, opened = told.get("recovery_seconds"), told.get("opened")
    if opened is not None and (kind != "table" or not isinstance(opened, Mapping)):
        raise SettingsError(
            "what else a breaker writes into its item when it opens is a table",
            where=where,
            found=f"opened = {opened!r}, and the state in a {kind}",
            expected='opened = { until = "now + 60 s" }',
        )
    return Breaker(
        kind,
        place,
        name,
        key=dict(told.get("key", {})),
        attribute=str(told.get("state", "state")) if kind == "table" else "",
        words=words,
        threshold=told.get("threshold"),
        recovery_ms=None if recovery is None else int(recovery * 1000),
        successes=told.get("successes"),
        urls=(str(told["url"]),) if "url" in told else (),
        opened=opened,
    )


def _store(kind: str, wanted: str, topology: Topology, where: str) -> tuple[str, str]:
    """The logical id and the own name of what keeps the state."""
    known: dict[str, tuple[str, str]] = {}
    if kind == "table":
        for table in topology.tables:
            known[table.logical_id] = known[table.name] = table.logical_id, table.name
    elif kind == "mapping":
        for mapping in topology.mappings:
            known[mapping.logical_id] = known[mapping.uuid] = mapping.logical_id, mapping.uuid
    else:
        logical = topology.logical_ids.get(wanted, wanted)
        physical = next((p for p, one in topology.logical_ids.items() if one == wanted), wanted)
        return logical, physical
    if wanted not in known:
        raise SettingsError(
            f"the stack has no such {kind}",
            where=where,
            found=wanted,
            expected=", ".join(sorted({place for place, _ in known.values()})) or "none at all",
            remedy=nearest(wanted, known),
        )
    return known[wanted]
