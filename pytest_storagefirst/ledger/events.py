"""The record of a run: one `Event` for each thing that happened, in order.

An event holds nothing that differs between processes, Python versions or hash seeds: no exception
texts, no addresses, no real time. That is what makes "same schedule, same history" hold byte for
byte.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

# What can happen, in the order of a message's life. `where` and `detail` of each:
KINDS = {
    "attempted": "a sender sent the message (where: entry; detail: request number)",
    "acknowledged": "the front door said yes for this message (where: entry; detail: status)",
    "rejected": "the front door said a definite no (where: entry; detail: status)",
    "indeterminate": "the sender can't know: 5xx or no answer (where: entry; detail: status)",
    "stored": "it entered a queue (where: queue; detail: message id in the history's names)",
    "deduplicated": "a FIFO queue dropped it as a duplicate (where: queue)",
    "delivered": "a handler got it (where: function; detail: 'receive N, invocation N')",
    "filtered": "a filter did not match; deleted (where: queue, stream, topic; detail: whose)",
    "called": "a handler called out (where: function; detail: 'service.Operation #n')",
    "effected": "a call changed the world outside (where: function; detail: as for called)",
    "errored": "a call failed in the handler's sight (where: function; detail: 'site: error code')",
    "denied": "no policy allows a call, poll or delivery (where: place; detail: which is missing)",
    "succeeded": "the invocation counted as success for it (where: function)",
    "failed": "the invocation counted as failure for it (where: function; detail: why)",
    "throttled": "the function was not invoked for lack of concurrency (where: function)",
    "released": "it became visible again (where: queue)",
    "deleted": "it was acknowledged to storage and removed (where: queue)",
    "passed": "a stream's mapping is done with it and reads on (where: stream)",
    "skipped": "a stream's mapping gave it up and dropped it (where: stream; detail: why)",
    "dropped": "what had it gave it up, and nothing keeps it (where: topic, bus, …; detail: why)",
    "dead-lettered": "moved to a DLQ or failure destination (where: DLQ; detail: from where)",
    "expired": "its retention ended and it is gone (where: queue, stream; detail: OF_RECORD there)",
    "redriven": "moved from a DLQ back (where: DLQ; detail: to where)",
    "faulted": "a fault of the plan struck (where: place; detail: the fault's text)",
    "healed": "all faults ended",
    "circuit": "a breaker's state changed (where: its table, …; detail: 'CLOSED to OPEN')",
    "noted": "something that the report tells (detail: what)",
}

OF_RECORD = "its record"  # of "expired", where a stream keeps records of messages


class Event(NamedTuple):
    """One thing that happened, at `at_ms` milliseconds of virtual time since the run began.

    `invocation` is whose doing it is, as counted over the run from 1; 0 is no handler's.
    """

    at_ms: int
    kind: str
    messages: tuple[str, ...]
    where: str
    detail: str = ""
    invocation: int = 0

    def line(self) -> str:
        return json.dumps(self, ensure_ascii=True, separators=(",", ":"))


def to_bytes(history: Iterable[Event]) -> bytes:
    """The canonical form of a history; two runs of one schedule have equal bytes."""
    return "\n".join(event.line() for event in history).encode()
