"""Service-level objectives as texts: `ingest.p99<300ms`, `lost==0`, `drain<120s`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from pytest_storagefirst.errors import LoadError
from pytest_storagefirst.settings import nearest

MILLISECONDS, SECONDS, MESSAGES, PER_SECOND, CALLS, PERCENT = "ms", "s", "", "/s", "calls", "%"
PERCENTILES = ("p50", "p90", "p95", "p99", "max")

# What can be asked of a run, and in which unit it is told.
METRICS: dict[str, str] = {
    # From the moment a message was meant to be sent to its answer; from its sending; and from the
    # moment it was meant to be sent until its effect was seen at the system of record.
    **{f"{of}.{p}": MILLISECONDS for of in ("ingest", "service", "e2e") for p in PERCENTILES},
    "drain": SECONDS,  # from the last arrival until nothing was left to do
    "oldest_age.max": SECONDS,
    "circuit.opened_within": SECONDS,  # after the third party first failed
    "circuit.closed_within": SECONDS,  # after the third party was well again for good
    "circuit.calls_while_open": CALLS,
    "downstream.rate.max1s": PER_SECOND,
    "lost": MESSAGES,
    "duplicates": MESSAGES,
    "phantom": MESSAGES,
    "dlq": MESSAGES,
    "stranded": MESSAGES,
    "accepted": PERCENT,  # of all messages that were tried
    "rejected": MESSAGES,
    "unknown": MESSAGES,
    "not_sent": MESSAGES,
    "dropped_arrivals": MESSAGES,
}
# Those that say how good the generator was, not the system: missed, they show nothing.
OF_THE_GENERATOR = frozenset({"dropped_arrivals"})
# What the system did, counted one by one: trouble of the generator's own adds nothing to it.
_CERTAIN = frozenset({"lost", "duplicates", "phantom", "dlq", "stranded", "rejected"}) | {
    "circuit.calls_while_open",
    "downstream.rate.max1s",
}
# Of these, what also comes of messages that wait behind others until their receives are spent.
_DELAYED = frozenset({"dlq", "stranded"})
# What a run knows by name, and what it may be compared with.
NAMED = {"expected": ("dlq",), "cap": ("downstream.rate.max1s",)} | {
    "probes": ("circuit.calls_while_open",)
}

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_TEXT = re.compile(r"^\s*([\w.]+)\s*(<=|>=|==|!=|<|>)\s*(\S.*?)\s*$")
_NUMBER = re.compile(r"^(\d+(?:\.\d+)?)\s*([a-z/%]*)$")
_NAME = re.compile(r"^([a-z_]+)(?:\s*\*\s*(\d+(?:\.\d+)?))?$")
_SCALES: dict[str, dict[str, float]] = {  # what one of the written unit is in that of the metric
    MILLISECONDS: {"ms": 1, "s": 1000, "min": 60_000},
    SECONDS: {"ms": 0.001, "s": 1, "min": 60},
    PER_SECOND: {"": 1, "/s": 1},
    CALLS: {"": 1},
    MESSAGES: {"": 1},
    PERCENT: {"%": 1},
}
_EXAMPLES = {
    MILLISECONDS: "300ms",
    SECONDS: "120s",
    PER_SECOND: "cap*1.05",
    CALLS: "probes",
    PERCENT: "99%",
}


@dataclass(frozen=True)
class Objective:
    """`metric` compared with `bound`, a number in the metric's unit or `factor` times `named`."""

    text: str
    metric: str
    comparison: str
    bound: float = 0.0
    named: str = ""

    @property
    def unit(self) -> str:
        return METRICS[self.metric]


@dataclass(frozen=True)
class Measured:
    """A value of a run. None is no evidence, and `why` says what for.

    With `at_least` the value was still growing when the run was ended, and `why` says how so.
    """

    value: float | None
    why: str = ""
    at_least: bool = False


@dataclass(frozen=True)
class Judged:
    """`met` is None where the run does not show it."""

    objective: Objective
    value: float | None
    met: bool | None
    why: str = ""

    def document(self) -> dict[str, object]:
        return {
            "expression": self.objective.text,
            "value": self.value,
            "unit": self.objective.unit,
            "met": self.met,
            "why": self.why,
        }


def parse_objective(text: str) -> Objective:
    """Read an objective. Raises LoadError that says what would be right."""
    found = _TEXT.match(text)
    if found is None:
        raise LoadError(
            "this is no objective",
            found=repr(text),
            expected="a value, a comparison and a bound, as in ingest.p99<300ms or lost==0",
        )
    metric, comparison, bound = found.groups()
    if metric not in METRICS:
        raise LoadError(
            f"no objective is about {metric!r}",
            found=repr(text),
            expected="one of " + ", ".join(METRICS),
            remedy=nearest(metric, METRICS),
        )
    unit = METRICS[metric]
    named = _NAME.match(bound)
    if named:
        return _named(text, metric, comparison, named[1], float(named[2] or 1))
    number = _NUMBER.match(bound)
    if number is None or number[2] not in _SCALES[unit]:
        units = [one for one in _SCALES[unit] if one]
        raise LoadError(
            "the bound of an objective can't be compared",
            found=repr(text),
            expected=f"a number and its unit, {' or '.join(units)}" if units else "a number alone",
            remedy=f"write for example {metric}{comparison}{_EXAMPLES.get(unit, '0')}",
        )
    return Objective(text, metric, comparison, float(number[1]) * _SCALES[unit][number[2]])


def _named(text: str, metric: str, comparison: str, name: str, factor: float) -> Objective:
    if metric not in NAMED.get(name, ()):
        fitting = [one for one, metrics in NAMED.items() if metric in metrics]
        raise LoadError(
            f"{metric} can't be compared with {name!r}",
            found=repr(text),
            expected=" or ".join([*fitting, f"a number, in {METRICS[metric] or 'messages'}"]),
        )
    return Objective(text, metric, comparison, factor, name)


def judge(
    objectives: Iterable[Objective],
    values: Mapping[str, Measured],
    bounds: Mapping[str, Measured],
    trouble: str = "",
    in_the_way: str = "",
) -> tuple[Judged, ...]:
    """Compare each with what was measured; `bounds` are the values of NAMED.

    `trouble` is what befell the generator, `in_the_way` what the run found in the target when it
    began. Either can have moved values: what is missed then, shares and times above all, may be
    missed for it and shows nothing.
    """
    found = []
    for one in (_judged(objective, values, bounds) for objective in objectives):
        if trouble and _may_be_moved(one, _CERTAIN):
            one = replace(one, met=None, why=trouble)
        elif in_the_way and _may_be_moved(one, _CERTAIN - _DELAYED):
            one = replace(one, met=None, why=in_the_way)
        found.append(one)
    return tuple(found)


def _may_be_moved(judged: Judged, certain: frozenset[str]) -> bool:
    objective = judged.objective
    is_exceeded = objective.metric in certain and objective.comparison in ("<", "<=", "==")
    return judged.met is False and not is_exceeded


def _judged(
    objective: Objective, values: Mapping[str, Measured], bounds: Mapping[str, Measured]
) -> Judged:
    measured = values.get(objective.metric, Measured(None, "not measured"))
    if measured.value is None:
        return Judged(objective, None, None, measured.why or "not measured")
    bound = objective.bound
    if objective.named:
        named = bounds.get(objective.named, Measured(None))
        if named.value is None:
            return Judged(objective, measured.value, None, named.why or f"no {objective.named}")
        bound *= named.value
    met = _COMPARISONS[objective.comparison](measured.value, bound)
    if measured.at_least:
        # It may have grown beyond: only what is over already is known.
        over = measured.value > bound or (objective.comparison == "<" and not met)
        if objective.comparison in ("<", "<=") and over:
            return Judged(objective, measured.value, False, measured.why)
        return Judged(objective, measured.value, None, measured.why)
    told = f"{objective.named} is {bound:g}" if objective.named else ""
    return Judged(objective, measured.value, met, "" if met else told)
