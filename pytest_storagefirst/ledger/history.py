"""Questions put to a history: who was acknowledged, who was delivered twice, and where one went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property

from pytest_storagefirst.ledger.events import OF_RECORD, Event


class History:
    """A run's record, read once and indexed by message and by kind."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.events = tuple(events)
        self._counts: dict[str, dict[str, int]] = {}
        counted = self._counts
        for _, kind, messages, _, _, _ in self.events:
            counts = counted.get(kind)
            if counts is None:
                counts = counted[kind] = {}
            for message in messages:
                counts[message] = counts.get(message, 0) + 1

    @cached_property
    def _positions(self) -> dict[str, list[int]]:
        """Where each message stands in the history."""
        found: dict[str, list[int]] = {}
        for position, event in enumerate(self.events):
            for message in dict.fromkeys(event.messages):
                found.setdefault(message, []).append(position)
        return found

    @cached_property
    def _deliveries(self) -> dict[str, int]:
        by_function = Counter(
            (message, event.where)
            for event in self.events
            if event.kind == "delivered"
            for message in dict.fromkeys(event.messages)
        )
        most: dict[str, int] = {}
        for (message, _), times in by_function.items():
            most[message] = max(times, most.get(message, 0))
        return most

    def ids(self, kind: str) -> frozenset[str]:
        """The messages to which this happened."""
        return frozenset(self._counts.get(kind, ()))

    def count(self, kind: str, message: str) -> int:
        """How often this happened to the message."""
        return self._counts.get(kind, {}).get(message, 0)

    def of(self, message: str, *kinds: str) -> Iterator[tuple[int, Event]]:
        """(position, event) of all that happened to a message, in order; of these kinds only."""
        events = self.events
        for position in self._positions.get(message, ()):
            if not kinds or events[position].kind in kinds:
                yield position, events[position]

    def last(self, message: str, *kinds: str) -> tuple[int, Event] | None:
        found = None
        for found in self.of(message, *kinds):  # noqa: B007
            pass
        return found

    @cached_property
    def attempted(self) -> frozenset[str]:
        """A: every message that a sender tried to send."""
        answered = self.ids("acknowledged") | self.ids("rejected") | self.ids("indeterminate")
        return self.ids("attempted") | answered

    @cached_property
    def acknowledged(self) -> frozenset[str]:
        """K: the front door said yes for it, at least once."""
        return self.ids("acknowledged")

    @cached_property
    def rejected(self) -> frozenset[str]:
        """R: a definite no to every try; one answer that never came makes it indeterminate."""
        return self.ids("rejected") - self.ids("acknowledged") - self._unsure

    @cached_property
    def indeterminate(self) -> frozenset[str]:
        """I = A - K - R."""
        return self.attempted - self.acknowledged - self.rejected

    @cached_property
    def _unsure(self) -> frozenset[str]:
        answers = Counter[str]()
        for kind in ("acknowledged", "rejected", "indeterminate"):
            answers.update(self._counts.get(kind, {}))
        tries = self._counts.get("attempted", {})
        unanswered = {message for message, times in tries.items() if times > answers[message]}
        return self.ids("indeterminate") | unanswered

    @cached_property
    def redelivered(self) -> frozenset[str]:
        """Those that one function got more than once, which at-least-once delivery allows."""
        return frozenset(m for m, times in self._deliveries.items() if times > 1)

    @cached_property
    def denials(self) -> tuple[str, ...]:
        """Which policies are missing, each once: what a stack can't do is no evidence for it.

        Of the keys of one bucket, the paths of one resource, the first stands for all.
        """
        if "denied" not in self._counts:
            return ()
        first: dict[str, str] = {}
        for event in self.events:
            if event.kind == "denied":
                who, on, what = event.detail.partition(" on ")
                first.setdefault(who + on + what.partition("/")[0], event.detail)
        return tuple(first.values())

    def deliveries(self, message: str) -> int:
        """How often the function that got it most got it: the links of a chain don't add up."""
        return self._deliveries.get(message, 0)

    @cached_property
    def settled_by_acknowledgement(self) -> frozenset[str]:
        """Done with after a successful invocation, or filtered away by the mapping's own criteria.

        All that can be said of a message whose handler leaves no effect. A filtered message is
        deleted without an invocation (AWS: Lambda developer guide, invocation-eventfiltering). One
        that no subscription of a topic lets through is lost, as one that no rule matches.
        Where a policy forbade a call that was made for it, a success says nothing. A handler that
        deletes its message itself says so by that, whatever becomes of the invocation.
        """
        succeeded = self.ids("succeeded") - self.ids("denied")
        done = self.ids("deleted") | self.ids("passed")
        by_itself = self._deleted_at_work - self.ids("denied")
        return (succeeded & done) | by_itself | (self.ids("filtered") - self.ids("dropped"))

    @cached_property
    def _deleted_at_work(self) -> frozenset[str]:
        """Those that were deleted while a handler had them."""
        at_work: set[str] = set()
        found: set[str] = set()
        for event in self.events:
            if event.kind == "delivered":
                at_work.update(event.messages)
            elif event.kind in ("succeeded", "failed"):
                at_work.difference_update(event.messages)
            elif event.kind == "deleted":
                found.update(at_work.intersection(event.messages))
        return frozenset(found)

    @property
    def healed_at(self) -> int | None:
        """Position of the moment when the last fault ended; None when it is not recorded."""
        healed = [at for at, event in enumerate(self.events) if event.kind == "healed"]
        return healed[-1] if healed else None

    def first_effect_at_ms(self, message: str) -> int | None:
        """When the message first took effect: a call made for it alone, else its first success.

        A call on behalf of a whole batch does not say which of its messages it served.
        """
        own = [event for _, event in self.of(message, "effected") if len(event.messages) == 1]
        if own:
            return own[0].at_ms
        for _, event in self.of(message, "succeeded"):
            return event.at_ms
        for _, event in self.of(message, "effected"):
            return event.at_ms
        return None

    def fate(self, message: str) -> str:
        """Why nothing holds a message any more, as one clause: "its message was deleted from …"."""
        # Who dropped it says more than the queue that it was deleted from on its way there.
        ended = self.last(message, "dropped") or self.last(
            message, "expired", "deleted", "filtered", "deduplicated", "passed", "skipped"
        )
        if ended is None:
            if not self.count("stored", message) and not self.count("delivered", message):
                return "nothing shows that it was ever stored" + self._struck_before(message)
            position, event = self.last(message) or (0, Event(0, "noted", (), "the run"))
            return f"the last that is known of it: {event.kind} at {event.where}, {_at(event)}"
        position, event = ended
        if event.kind == "expired":
            what = "its stream record's retention" if event.detail == OF_RECORD else "its retention"
            return f"{what} in {event.where} was over at {_at(event)}, and nothing took it over"
        if event.kind == "filtered":
            by = event.detail or f"{event.where}'s mapping"
            return f"the filter of {by} dropped it at {_at(event)}, in {event.where}"
        if event.kind == "dropped":
            return f"{event.where} dropped it at {_at(event)} ({event.detail})"
        if event.kind == "skipped":
            return f"its record was skipped in {event.where} at {_at(event)} ({event.detail})"
        if event.kind == "passed":
            done = f"{event.where} was read on past its record at {_at(event)}"
            return done + self._cause(message, position)
        if event.kind == "deduplicated":
            return f"{event.where} dropped it at {_at(event)} as a duplicate of another message"
        return f"its message was deleted from {event.where} at {_at(event)}" + self._cause(
            message, position
        )

    def _cause(self, message: str, position: int) -> str:
        before = None
        for at, event in self.of(message, "delivered", "succeeded", "failed", "throttled"):
            if at > position:
                break
            before = event
        if before is None:
            return " before any function got it"
        if before.kind == "succeeded":
            return f" after {before.where} returned success"
        if before.kind == "failed":
            why = f" ({before.detail})" if before.detail else ""
            return f" although {before.where} had failed{why}"
        if before.kind == "throttled":
            return f" although {before.where} was not invoked (throttled)"
        return f" while {before.where} still worked on it"

    def _struck_before(self, message: str) -> str:
        answer = self.last(message, "acknowledged")
        struck = [
            event
            for event in self.events[: answer[0] if answer else None]
            if event.kind == "faulted" and (message in event.messages or not event.messages)
        ]
        if not struck:
            return ""
        return f"; {struck[-1].where} was struck by “{struck[-1].detail}” at {_at(struck[-1])}"


def _at(event: Event) -> str:
    return seconds(event.at_ms)


def seconds(at_ms: int) -> str:
    """Virtual time as stories print it: seconds with three places."""
    return f"{at_ms / 1000:.3f}"


def times(count: int) -> str:
    """How often, in words: "once", "twice", "3 times"."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
