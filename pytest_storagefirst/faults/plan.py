"""A fault as data, its text, and plans.

Worker: dynamodb.PutItem #1: response-lost
Worker: dynamodb.PutItem #2 under m1: refused(throttle) for 90 s
Worker: invocation #1: crash 3 times
OrdersQueue: delivery #1: duplicate
POST /orders: request #2: storage-refused(server-error)
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from pytest_storagefirst.errors import FaultError
from pytest_storagefirst.faults import catalogue

_TEXT = re.compile(
    r"^(?P<place>.+?): (?P<point>(?:http \S+ \S+)|[\w.-]+) #(?P<number>\d+)"
    r"(?: under (?:message )?(?P<message>\S+?))?: "
    r"(?P<kind>[a-z0-9-]+)(?:\((?P<variant>[\w.-]+)\))?"
    r"(?: (?:once|(?P<times>\d+) times|for (?P<seconds>\d+(?:\.\d+)?) ?s))?$"
)
_CALL = re.compile(r"[a-z][a-z0-9-]*\.[A-Z]\w*")
OUTAGE_MS = 300_000  # of an "outage" that doesn't say how long
SHAPE = "PLACE: POINT #N [under MESSAGE]: FAULT[(VARIANT)] [N times | for SECONDS s]"


@dataclass(frozen=True, order=True)
class Fault:
    """One thing that goes wrong, at one place.

    `number` counts the crossings of that point within a run, from 1; under a `message` it counts
    those that concern it. It strikes `times` crossings from there on, or, when `for_ms` is set,
    every crossing within that span of virtual time.
    """

    place: str
    point: str
    number: int
    kind: str
    variant: str = ""
    message: str = ""
    times: int = 1
    for_ms: int = 0

    def __str__(self) -> str:
        under = f" under {self.message}" if self.message else ""
        variant = f"({self.variant})" if self.variant else ""
        extent = f" {self.times} times" if self.times != 1 else ""
        if self.for_ms:
            seconds, rest_ms = divmod(self.for_ms, 1000)
            fraction = f".{rest_ms:03d}".rstrip("0") if rest_ms else ""
            extent = f" for {seconds}{fraction} s"
        return f"{self.place}: {self.point} #{self.number}{under}: {self.kind}{variant}{extent}"

    @property
    def lasts(self) -> bool:
        return self.for_ms > 0 or self.times > 1


Plan = tuple[Fault, ...]


def parse_fault(text: str) -> Fault:
    """Read a fault's text. Raises FaultError naming what is wrong and the nearest right word."""
    found = _TEXT.match(text.strip()) if isinstance(text, str) else None
    if not found:
        raise FaultError(
            "this is not a fault",
            found=text if isinstance(text, str) else repr(text),
            expected=SHAPE,
            remedy='for instance "Worker: dynamodb.PutItem #1: response-lost"',
        )
    point = found["point"]
    sort = catalogue.sort_of_point(point)
    kind = catalogue.ALIASES.get((found["kind"], sort), found["kind"])
    for_ms = round(float(found["seconds"] or 0) * 1000)
    if found["seconds"] and not for_ms:
        raise FaultError("a span of no time", found=text, expected="for SECONDS s, at least 0.001")
    if found["kind"] == "outage" and not for_ms:
        for_ms = OUTAGE_MS
    fault = Fault(
        place=found["place"],
        point=point,
        number=int(found["number"]),
        kind=kind,
        variant=found["variant"] or "",
        message=found["message"] or "",
        times=int(found["times"] or 1),
        for_ms=for_ms,
    )
    check_fault(fault)
    return fault


def check_fault(fault: Fault) -> None:
    """Raise FaultError for a point, kind or variant that does not exist or does not go together."""
    sort = catalogue.sort_of_point(fault.point)
    if sort == catalogue.CALL and not _CALL.fullmatch(fault.point):
        words = (catalogue.INVOCATION, catalogue.DELIVERY, catalogue.REQUEST)
        near = difflib.get_close_matches(fault.point, words, n=1)
        raise FaultError(
            f"nothing crosses a point named {fault.point!r}",
            found=str(fault),
            expected=f"{', '.join(words)}, service.Operation, or http METHOD URL",
            remedy=f"write {near[0]!r}" if near else "for instance dynamodb.PutItem",
        )
    kind = catalogue.KINDS.get(fault.kind)
    fitting = [name for name, kind in catalogue.KINDS.items() if sort in kind.strikes]
    if kind is None or sort not in kind.strikes:
        near = difflib.get_close_matches(fault.kind, fitting, n=1)
        raise FaultError(
            f"no fault {fault.kind!r} strikes at {fault.point!r}",
            found=str(fault),
            expected=", ".join(fitting),
            remedy=f"write {near[0]!r}" if near else "choose one of these",
        )
    near = difflib.get_close_matches(fault.variant, kind.variants, n=1)
    if fault.kind != "flag-flipped" and fault.variant and fault.variant not in kind.variants:
        raise FaultError(
            f"{fault.kind!r} has no variant {fault.variant!r}",
            found=str(fault),
            expected=", ".join(kind.variants) or "no variant",
            remedy=f"write {near[0]!r}" if near else f"write {fault.kind!r} alone",
        )
    if fault.number < 1 or fault.times < 1:
        raise FaultError("crossings are counted from 1", found=str(fault), expected=SHAPE)


def parse_plan(texts: Iterable[str]) -> Plan:
    return tuple(parse_fault(text) for text in texts)
