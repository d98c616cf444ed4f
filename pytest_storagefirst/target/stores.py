"""The stores in which a stack's messages end, read page by page through AWS APIs."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pytest_storagefirst.settings import Settings
from pytest_storagefirst.stack.topology import Bucket, Queue, Table, Topology
from pytest_storagefirst.target.effects import ids_in_item, ids_in_text
from pytest_storagefirst.target.queues import contents as contents_of_queue
from pytest_storagefirst.target.queues import is_named, written_by_configuration

OBJECTS_A_PAGE = 20  # each of which may have to be got
ITEMS_A_PAGE = 2_000  # and never more than a megabyte, which is DynamoDB's own limit
LARGEST_OBJECT = 16 * 1024 * 1024  # bytes that are searched
CLOCKS_DIFFER = timedelta(minutes=5)

Store = Table | Bucket
Page = Mapping[str, int]  # message id -> effects on this page
Contents = Callable[[Collection[str]], Iterator[tuple[str, Any]]]


@dataclass(frozen=True)
class Record:
    """`ends`: where messages end, the system of record. `aside`: where failed ones are put."""

    ends: tuple[Store, ...]
    aside: tuple[Store, ...] = ()


def stores_of_record(topology: Topology, settings: Settings, circuit: str = "") -> Record:
    """The system of record: every table and bucket that code of the stack's own writes to.

    That is not the breaker's table (`circuit`, its logical id), and not what a message is in before
    any code has run: a store that a route, a rule or another store writes to by configuration, and
    one that is named as an entry. Without routes and named entries it is not what feeds something
    either, where another store remains. Failed messages are put aside in buckets that functions and
    mappings name as their destination.
    """
    stores: list[Store] = [*topology.tables, *topology.buckets]
    named = {entry.name for entry in settings.entries if entry.kind in ("table", "bucket")}
    failed = {function.on_failure_arn for function in topology.functions}
    failed |= {mapping.on_failure_arn for mapping in topology.mappings}
    machines = {machine.arn for machine in topology.state_machines}
    told = {edge.target for edge in topology.edges if edge.source not in machines}
    written = written_by_configuration(topology)
    ends = [
        store
        for store in stores
        if store.logical_id not in (circuit, *named)
        and store.name not in named
        and store.arn not in told
        and not is_named(store.name, written)
    ]
    if not topology.routes and not settings.entries:
        feeding = {edge.source for edge in topology.edges}
        feeding |= {mapping.source_arn for mapping in topology.mappings}
        last = [store for store in ends if not {store.arn, _stream(store)} & feeding]
        ends = last or ends
    aside = tuple(store for store in stores if store.arn in failed)
    return Record(tuple(store for store in ends if store not in aside), aside)


def _stream(store: Store) -> str | None:
    return store.stream_arn if isinstance(store, Table) else None


class Reading:
    """A store read again and again: a little at each sample, all of it at the end.

    `found` is message id -> effects, as far as is known; `seen` when each was first seen, by the
    clock that is given. What `pages` yields is one page after the other of a new pass; told True,
    it reads what stands at this moment. `contents` is read anew at each call: (message, what an
    effect of it alone holds, without its key) for those messages.
    """

    def __init__(
        self, place: str, pages: Callable[[bool], Iterator[Page]], contents: Contents
    ) -> None:
        self.place = place
        self.contents = contents
        self.found: dict[str, int] = {}
        self.seen: dict[str, float] = {}
        self.new: dict[str, int] = {}  # of `found`, what came since somebody emptied it
        self._begin = pages
        self._pages: Iterator[Page] | None = None
        self._current: Counter[str] = Counter()

    def go_on(self, seconds: float, now: Callable[[], float]) -> None:
        """Read on for so long, a page at least and the store once at most.

        What the service refuses is raised as botocore's error; the next pass begins anew.
        """
        until = time.monotonic() + seconds
        if self._pages is None:
            self._pages, self._current = self._begin(False), Counter()
        try:
            for page in self._pages:
                self._take(page, now())
                if time.monotonic() >= until:
                    return
        except Exception:
            self._pages = None
            raise
        self._pages = None

    def all(self, now: Callable[[], float]) -> dict[str, int]:
        """A whole pass, which alone says what stands. Raises botocore's errors."""
        self._pages, self._current = None, Counter()
        for page in self._begin(True):
            self._take(page, now())
        self.found = dict(self._current)
        return self.found

    def _take(self, page: Page, at_s: float) -> None:
        self._current.update(page)
        for message in page:
            self.seen.setdefault(message, at_s)
            count = self._current[message]
            if count > self.found.get(message, 0):
                self.found[message] = self.new[message] = count


def reading_of(store: Store, session: Any, pattern: re.Pattern[str]) -> Reading:
    """How a table or bucket is read: the effects of messages whose ids fit the pattern."""
    read: _Items | _Objects
    if isinstance(store, Table):
        read = _Items(session.client("dynamodb"), store, pattern)
    else:
        read = _Objects(session.client("s3"), store.name, pattern)
    return Reading(store.logical_id, read.pages, read.contents)


def reading_of_queue(
    queue: Queue, session: Any, pattern: re.Pattern[str], endpoint_url: str | None
) -> Reading:
    """How a queue is read in which messages end. Where one has to receive, only at the end."""

    def bodies() -> tuple[str, ...]:
        client = session.client("sqs")
        shown = contents_of_queue(client, queue, endpoint_url=endpoint_url, is_dead=True)
        if shown.unread:
            raise LookupError(f"{shown.unread} messages could not be received")
        return shown.bodies

    def pages(exactly: bool) -> Iterator[Page]:
        if not exactly and not endpoint_url:
            return
        page: Counter[str] = Counter()
        for body in bodies():
            page.update(ids_in_text(body, pattern))
        yield page

    def contents(wanted: Collection[str]) -> Iterator[tuple[str, Any]]:
        for body in bodies():
            for message in _alone(ids_in_text(body, pattern), wanted):
                yield message, body

    return Reading(queue.logical_id, pages, contents)


def _alone(found: Page, wanted: Collection[str]) -> Collection[str]:
    """The one message that an effect is of; none where several meet in it."""
    return found.keys() & set(wanted) if len(found) == 1 else ()


class _Items:
    """The items of a table."""

    def __init__(self, client: Any, table: Table, pattern: re.Pattern[str]) -> None:
        self._client = client
        self._table = table
        self._pattern = pattern

    def pages(self, exactly: bool) -> Iterator[Page]:
        for items in self._scan(exactly):
            page: Counter[str] = Counter()
            for item in items:
                page.update(ids_in_item(item, self._pattern))
            yield page

    def contents(self, wanted: Collection[str]) -> Iterator[tuple[str, Any]]:
        for items in self._scan(True):
            for item in items:
                rest = {
                    name: value for name, value in item.items() if name not in self._table.key_names
                }
                for message in _alone(ids_in_item(item, self._pattern), wanted):
                    yield message, rest

    def _scan(self, consistently: bool) -> Iterator[list[Mapping[str, Any]]]:
        asked: dict[str, Any] = {"TableName": self._table.name, "ConsistentRead": consistently}
        if not consistently:
            asked["Limit"] = ITEMS_A_PAGE
        while True:
            answer = self._client.scan(**asked)
            yield answer["Items"]
            if not answer.get("LastEvaluatedKey"):
                return
            asked["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


class _Objects:
    """The objects of a bucket; each that doesn't say in its key whose it is, is got once."""

    def __init__(self, client: Any, bucket: str, pattern: re.Pattern[str]) -> None:
        self._client = client
        self._bucket = bucket
        self._pattern = pattern
        self._got: dict[tuple[str, str], Page] = {}
        self._since = datetime.now(UTC) - CLOCKS_DIFFER

    def pages(self, exactly: bool) -> Iterator[Page]:
        for objects in self._listed():
            for start in range(0, len(objects), OBJECTS_A_PAGE):
                page: Counter[str] = Counter()
                for one in objects[start : start + OBJECTS_A_PAGE]:
                    page.update(self._ids(one))
                yield page

    def contents(self, wanted: Collection[str]) -> Iterator[tuple[str, Any]]:
        for objects in self._listed():
            for one in objects:
                for message in _alone(self._ids(one), wanted):
                    yield message, self._text(one)

    def _listed(self) -> Iterator[list[Mapping[str, Any]]]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket)
        return (listed.get("Contents", []) for listed in pages)

    def _ids(self, one: Mapping[str, Any]) -> Page:
        in_key = ids_in_text(one["Key"], self._pattern)
        if in_key or one["LastModified"] < self._since or one["Size"] > LARGEST_OBJECT:
            return in_key
        known = one["Key"], one["ETag"]
        if known not in self._got:
            self._got[known] = ids_in_text(self._text(one), self._pattern)
        return self._got[known]

    def _text(self, one: Mapping[str, Any]) -> str:
        body = self._client.get_object(Bucket=self._bucket, Key=one["Key"])["Body"].read()
        return str(body.decode("utf-8", "replace"))
