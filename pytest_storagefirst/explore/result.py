"""What an exploration found, in builtin types at heart: it crosses process borders as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pytest_storagefirst.explore.coverage import Coverage
from pytest_storagefirst.explore.graph import Graph
from pytest_storagefirst.ledger.verdict import NOT_APPLICABLE, OK, VIOLATED
from pytest_storagefirst.report.narrative import Step

Transition = tuple[float, str, str]
Calls = tuple[str, int, int]  # to a third party, in a second of virtual time: how many


def busiest(runs: Iterable[tuple[Calls, ...]]) -> tuple[Calls, ...]:
    """Of several runs' calls those of the run with the most in any second."""
    return max(runs, key=lambda calls: (max((count for *_, count in calls), default=0), calls))


@dataclass(frozen=True)
class PropertyResult:
    """What all runs of a stack together say of one property.

    `verdict` is "ok", "violated", "unknown" or "not-applicable"; `why` is one line that a user
    reads. `lost` are the messages that the verdict is about. `story` tells the smallest failing
    run, a line each. `witness` is the replay document of that run, made of what JSON can hold.
    `transitions` are the changes of a breaker's state in that run, or in one that shows that it
    does what it should: seconds of virtual time, from which state, to which. `calls` are those to
    third parties in that run, or in the busiest that shows a load levelled. `steps` are
    those of the story, for whoever draws it. `about` says of an audit what its rule found and
    where, as report.json holds it beside the rest.
    """

    name: str
    verdict: str
    why: str = ""
    runs: int = 0
    faults_tried: int = 0
    lost: tuple[str, ...] = ()
    story: tuple[str, ...] = ()
    witness: dict[str, Any] | None = None
    transitions: tuple[Transition, ...] = ()
    calls: tuple[Calls, ...] = ()
    steps: tuple[Step, ...] = ()
    about: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PropertyResult:
        transitions = tuple((at, before, after) for at, before, after in value["transitions"])
        texts = {"lost": tuple(value["lost"]), "story": tuple(value["story"])}
        calls = tuple((url, second, count) for url, second, count in value["calls"])
        steps = tuple(
            Step(at_ms, kind, text, tuple(messages), *rest)
            for at_ms, kind, text, messages, *rest in value["steps"]
        )
        known = {"transitions": transitions, "calls": calls, "steps": steps}
        return cls(**{**value, **texts, **known})


@dataclass(frozen=True)
class StackResult:
    """One exploration of one template, judged by all its properties.

    `notes` qualify the verdicts and are always told; `inert` names the resources that play no part,
    "LogicalId (AWS::Type)"; `graph` is what hands on to what. `seconds` is real time. `shard` is
    (K, N): which part of the whole this is. `interrupted` says that the user ended it early.
    """

    template: str
    properties: tuple[PropertyResult, ...]
    notes: tuple[str, ...] = ()
    inert: tuple[str, ...] = ()
    seconds: float = 0.0
    coverage: Coverage = field(default_factory=Coverage)
    shard: tuple[int, int] = (1, 1)
    interrupted: bool = False
    graph: Graph | None = None

    def to_json(self) -> dict[str, Any]:
        """Builtin types only; `from_json` gives an equal result back."""
        value = asdict(self)
        value["properties"] = [_listed(one) for one in value["properties"]]
        value["coverage"] = self.coverage.to_json()
        value["graph"] = self.graph.to_json() if self.graph else None
        return _listed(value)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> StackResult:
        return cls(
            template=value["template"],
            properties=tuple(PropertyResult.from_json(one) for one in value["properties"]),
            notes=tuple(value["notes"]),
            inert=tuple(value["inert"]),
            seconds=value["seconds"],
            coverage=Coverage.from_json(value["coverage"]),
            shard=(value["shard"][0], value["shard"][1]),
            interrupted=value["interrupted"],
            graph=Graph.from_json(value["graph"]) if value["graph"] else None,
        )


@dataclass(frozen=True)
class ReplayResult:
    """What a replayed schedule shows now. Only the verdict "ok" means that it is fixed."""

    template: str
    property_name: str
    verdict: str
    why: str = ""
    story: tuple[str, ...] = ()

    @property
    def still_fails(self) -> bool:
        return self.verdict == VIOLATED


class PropertyFailure(AssertionError):
    """A property does not hold, or was not shown to hold. pytest prints its text alone."""


class Violated(PropertyFailure):
    """The property was seen broken."""


class NotShown(PropertyFailure):
    """The verdict is unknown, which never passes."""


# pytest prints an exception's name with its module unless that is builtins; its own outcomes do so.
Violated.__module__ = NotShown.__module__ = "builtins"


def require(result: PropertyResult | ReplayResult, *, hint: str = "") -> None:
    """Return for a verdict that passes, else raise a `PropertyFailure` that tells the story.

    `hint` is a last line, such as where the replay file lies.
    """
    if result.verdict in (OK, NOT_APPLICABLE):
        return
    name = result.name if isinstance(result, PropertyResult) else result.property_name
    kind = Violated if result.verdict == VIOLATED else NotShown
    why = result.why or "the run gave no reason"
    lines = [f"{name}: {why}"]
    if result.story:
        # Its last line is the verdict, which the first one here has told, or ends with.
        head, _, told = result.story[-1].partition(": ")
        again = head == result.verdict and result.why.endswith(told)
        lines += ["", *(f"  {line}" for line in result.story[: -1 if again else None])]
    if hint:
        lines += ["", hint]
    raise kind("\n".join(lines))


def _listed(value: dict[str, Any]) -> dict[str, Any]:
    return {key: list(part) if isinstance(part, tuple) else part for key, part in value.items()}
