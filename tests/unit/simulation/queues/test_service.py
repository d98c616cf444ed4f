"""The simulated SQS under its HTTP layer: what the engine sees, schedules by and rewinds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from moto import mock_aws
from moto.sqs.exceptions import SQSException
from moto.sqs.models import Queue, SQSBackend, sqs_backends
from moto.sqs.responses import SQSResponse

from pytest_storagefirst.errors import SimulationError
from pytest_storagefirst.simulation.queues import moves
from pytest_storagefirst.simulation.queues.lines import Agenda
from pytest_storagefirst.simulation.queues.service import (
    SimulatedMessage,
    SimulatedQueue,
    SimulatedSQSBackend,
    install,
    seams,
    simulated_sqs,
    uninstall,
)

ACCOUNT, REGION = "123456789012", "eu-central-1"
START_MS = 1_735_689_600_000


class Clock:
    def __init__(self) -> None:
        self.now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, seconds: float) -> None:
        self.now_ms += int(seconds * 1000)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(seams, "now_ms", clock)
    return clock


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str, str]]:
    """What the observer is told: kind, queue, body, detail."""
    told: list[tuple[str, str, str, str]] = []
    monkeypatch.setattr(
        seams,
        "observer",
        lambda kind, queue, message, detail: told.append((kind, queue.name, message.body, detail)),
    )
    return told


@pytest.fixture
def backend(clock: Clock) -> Iterator[SimulatedSQSBackend]:
    with mock_aws(), simulated_sqs():
        yield sqs_backends[ACCOUNT][REGION]  # type: ignore[misc]


def with_dlq(
    backend: SimulatedSQSBackend, name: str = "orders", maximum: int = 1, **attributes: Any
) -> tuple[SimulatedQueue, SimulatedQueue]:
    suffix = ".fifo" if attributes.get("FifoQueue") else ""
    dlq = backend.create_queue(f"{name}-dlq{suffix}", **attributes)
    policy = {"deadLetterTargetArn": dlq.queue_arn, "maxReceiveCount": maximum}
    queue = backend.create_queue(f"{name}{suffix}", RedrivePolicy=json.dumps(policy), **attributes)
    return queue, dlq


def bodies(messages: list[SimulatedMessage]) -> list[str]:
    return [message.body for message in messages]


# Scheduling.


def test_next_change_follows_delays_and_visibility(
    backend: SimulatedSQSBackend, clock: Clock
) -> None:
    queue = backend.create_queue("orders", VisibilityTimeout="30")
    assert queue.next_change_ms(clock()) is None
    assert queue.next_expiry_ms() is None
    backend.send_message("orders", "late", delay_seconds=20)
    backend.send_message("orders", "now")
    assert queue.receivable(clock()) == 1
    assert queue.next_change_ms(clock()) == START_MS + 20_000
    [received] = backend.receive(queue, 10)
    clock.advance(20)
    assert queue.receivable(clock()) == 1
    assert queue.next_change_ms(clock()) == START_MS + 30_000
    queue.change_visibility(str(received.receipt_handle), 100)
    assert queue.next_change_ms(clock()) == START_MS + 120_000
    queue.delete_message(str(received.receipt_handle))
    assert queue.next_change_ms(clock()) is None
    assert queue.next_expiry_ms() == START_MS + 345_600_000


def test_fifo_group_unblocks_when_its_last_message_comes_back(
    backend: SimulatedSQSBackend, clock: Clock
) -> None:
    queue = backend.create_queue("orders.fifo", FifoQueue="true")
    for body in ("a1", "a2", "a3", "a4"):
        backend.send_message("orders.fifo", body, group_id="a", deduplication_id=body)
    first, second, third = backend.receive(queue, 3, 30)
    queue.change_visibility(str(third.receipt_handle), 0)
    queue.change_visibility(str(second.receipt_handle), 5)
    assert queue.approximate_number_of_messages == 2
    assert queue.receivable(clock()) == 0
    assert queue.next_change_ms(clock()) == START_MS + 30_000
    clock.advance(10)
    assert queue.receivable(clock()) == 0, "a2 and a3 are visible, but a1 is in flight"
    queue.delete_message(str(first.receipt_handle))
    assert queue.receivable(clock()) == 3
    assert bodies(backend.receive(queue, 10)) == ["a2", "a3", "a4"]


def test_fifo_delay_of_the_queue_is_retroactive(backend: SimulatedSQSBackend, clock: Clock) -> None:
    """`sqs-delay-queues`: for FIFO queues the per-queue delay is retroactive."""
    for name, fifo in (("orders", "false"), ("orders.fifo", "true")):
        queue = backend.create_queue(name, FifoQueue=fifo, DelaySeconds="60")
        for body in ("m1", "m2"):
            ids = {"group_id": "g", "deduplication_id": body} if fifo == "true" else {}
            backend.send_message(name, body, **ids)  # type: ignore[arg-type]
        backend.set_queue_attributes(name, {"DelaySeconds": "10"})
        expected = 10_000 if fifo == "true" else 60_000
        assert queue.next_change_ms(clock()) == START_MS + expected
        assert queue.approximate_number_of_messages_delayed == 2
    clock.advance(10)
    assert bodies(backend.receive("orders.fifo", 10)) == ["m1", "m2"]
    assert backend.receive("orders", 10) == []


operations = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.sampled_from("abc"), st.integers(0, 3)),
        st.tuples(st.just("receive"), st.integers(1, 4), st.integers(0, 6)),
        st.tuples(st.just("delete"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("visibility"), st.integers(0, 5), st.integers(0, 6)),
        st.tuples(st.just("advance"), st.integers(1, 5), st.just(0)),
    ),
    max_size=40,
)


DELAYED_BEHIND_ONE = [
    ("send", "b", 0),
    ("send", "a", 0),
    ("advance", 1, 0),
    ("send", "a", 0),
    ("receive", 1, 2),
]


@settings(max_examples=200, deadline=None)
@example(operations=DELAYED_BEHIND_ONE, fifo=True)
@given(operations=operations, fifo=st.booleans())
def test_every_message_is_somewhere_and_next_change_is_exact(
    operations: list[tuple[str, Any, int]], fifo: bool
) -> None:
    clock, real_now, real_observer = Clock(), seams.now_ms, seams.observer
    seams.now_ms = clock
    gone: list[str] = []
    seams.observer = lambda kind, queue, message, detail: (
        gone.append(message.body) if kind in ("deleted", "expired") else None
    )
    try:
        backend = SimulatedSQSBackend(REGION, ACCOUNT)
        name = "q.fifo" if fifo else "q"
        queue = backend.create_queue(
            name, FifoQueue=str(fifo), MessageRetentionPeriod="60", DelaySeconds="1"
        )
        sent = 0
        held: list[SimulatedMessage] = []
        for kind, one, two in operations:
            if kind == "send":
                sent += 1
                body = f"{sent:03d}{one}"
                ids = {"group_id": one, "deduplication_id": body} if fifo else {}
                delay = None if fifo else two
                backend.send_message(name, body, delay_seconds=delay, **ids)  # type: ignore[arg-type]
            elif kind == "receive":
                blocked = {m.group_id for m in queue.stored_messages if m.state == "in flight"}
                oldest: dict[str | None, str] = {}
                for stored in queue.stored_messages:
                    if stored.state == "waiting":
                        oldest.setdefault(stored.group_id, stored.body)
                expected = min(one, queue.receivable(clock()))
                batch = backend.receive(queue, one, two)
                assert len(batch) == expected
                held += batch
                if fifo:
                    assert not blocked & {message.group_id for message in batch}
                    for group in {message.group_id for message in batch}:
                        of_group = [m.body for m in batch if m.group_id == group]
                        assert of_group == sorted(of_group)
                        assert of_group[0] == oldest[group]
            elif kind in ("delete", "visibility") and held:
                receipt = str(held[one % len(held)].receipt_handle)
                try:
                    if kind == "delete":
                        queue.delete_message(receipt)
                    else:
                        queue.change_visibility(receipt, two)
                except SQSException:
                    pass
            elif kind == "advance":
                clock.advance(one)
            kept = bodies(queue.stored_messages)
            assert sorted(kept + gone) == sorted(set(kept + gone))
            assert len(kept) + len(gone) == sent
            assert len(kept) == (
                queue.approximate_number_of_messages
                + queue.approximate_number_of_messages_delayed
                + queue.approximate_number_of_messages_not_visible
            )
            now, change = clock.now_ms, queue.next_change_ms(clock())
            expiry = queue.next_expiry_ms()
            if change is not None and (expiry is None or change < expiry):
                before = queue.snapshot(), list(gone)
                receivable = queue.receivable(now)
                clock.now_ms = change - 1
                assert queue.receivable(clock()) == receivable
                clock.now_ms = change
                assert queue.receivable(clock()) > receivable
                clock.now_ms = now
                queue.restore(before[0])
                gone[:] = before[1]
    finally:
        seams.now_ms, seams.observer = real_now, real_observer


def test_agenda_gives_the_earliest_and_forgets_what_is_cancelled() -> None:
    agenda = Agenda()
    for round_number in range(50):
        for key in range(20):
            agenda.set(str(key), round_number * 100 + (key * 7) % 20)
    assert len(agenda) == 20
    assert len(agenda._heap) <= 2 * 20 + 64, "cancelled entries don't pile up"
    order = []
    while (first := agenda.first()) is not None:
        order.append(first[0])
        agenda.discard(first[1])
    assert order == [4900 + n for n in range(20)]


@pytest.mark.parametrize("fifo", [False, True])
def test_cost_does_not_grow_with_the_queue(
    backend: SimulatedSQSBackend, monkeypatch: pytest.MonkeyPatch, clock: Clock, fifo: bool
) -> None:
    name = "q.fifo" if fifo else "q"
    queue = backend.create_queue(name, FifoQueue=str(fifo))
    for number in range(20_000):
        ids = {"group_id": str(number // 4), "deduplication_id": str(number)} if fifo else {}
        backend.send_message(name, "m", **ids)  # type: ignore[arg-type]
    assert len(backend.receive(queue, 10_000)) == 10_000
    touched: set[int] = set()

    monkeypatch.setattr(
        SimulatedMessage,
        "__getattribute__",
        lambda message, name: (
            touched.add(object.__getattribute__(message, "__dict__").get("number", 0))
            or object.__getattribute__(message, name)
        ),
    )
    [received] = backend.receive(queue, 1)
    queue.change_visibility(str(received.receipt_handle), 60)
    queue.delete_message(str(received.receipt_handle))
    backend.send_message(
        name,
        "new",
        **({"group_id": "g", "deduplication_id": "new"} if fifo else {}),  # type: ignore[arg-type]
    )
    assert queue.receivable(clock()) > 0
    assert queue.next_change_ms(clock()) is not None
    assert queue.approximate_number_of_messages_not_visible == 10_000
    assert len(touched) <= 4


def test_attributes_are_not_computed_for_a_message(
    backend: SimulatedSQSBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, _ = with_dlq(backend)
    monkeypatch.setattr(SimulatedQueue, "attributes", property(lambda queue: pytest.fail("read")))
    backend.send_message("orders", "m1")
    [received] = backend.receive(queue, 1)
    backend.delete_message("orders", str(received.receipt_handle))


# What the observer is told.


def test_a_life_from_dead_letter_to_redrive(
    backend: SimulatedSQSBackend, clock: Clock, events: list[tuple[str, str, str, str]]
) -> None:
    queue, dlq = with_dlq(backend)
    first = backend.send_message("orders", "m1")
    backend.receive(queue, 1)
    clock.advance(30)
    assert backend.receive(queue, 1) == []
    moves.start(backend, dlq.queue_arn)
    [back] = backend.receive(queue, 1)
    assert back.id != first.id
    assert (back.previous_id, back.origin_id) == (first.id, first.id)
    clock.advance(30)
    backend.receive(queue, 1)
    moves.start(backend, dlq.queue_arn)
    [again] = backend.receive(queue, 1)
    assert (again.previous_id, again.origin_id) == (back.id, first.id)
    backend.delete_message("orders", str(again.receipt_handle))
    once = [
        ("received", "orders", "m1", ""),
        ("released", "orders", "m1", ""),
        ("dead-lettered", "orders-dlq", "m1", "orders"),
        ("redriven", "orders-dlq", "m1", "orders"),
    ]
    assert events == [
        ("stored", "orders", "m1", ""),
        *once,
        *once,
        ("received", "orders", "m1", ""),
        ("deleted", "orders", "m1", ""),
    ]


def test_observer_sees_duplicates_expiry_and_purge(
    backend: SimulatedSQSBackend, clock: Clock, events: list[tuple[str, str, str, str]]
) -> None:
    queue = backend.create_queue("q.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    first = backend.send_message("q.fifo", "m1", group_id="g")
    second = backend.send_message("q.fifo", "m1", group_id="h")
    assert (second.id, second.sequence_number) == (first.id, first.sequence_number)
    clock.advance(345_600)
    assert queue.receivable(clock()) == 0
    backend.send_message("q.fifo", "m2", group_id="g")
    backend.purge_queue("q.fifo")
    with pytest.raises(SQSException, match="60 seconds"):
        backend.purge_queue("q.fifo")
    clock.advance(60)
    backend.purge_queue("q.fifo")
    backend.send_message("q.fifo", "m3", group_id="g")
    backend.delete_queue("q.fifo")
    assert [(kind, body) for kind, _, body, _ in events] == [
        ("stored", "m1"),
        ("deduplicated", "m1"),
        ("expired", "m1"),
        ("stored", "m2"),
        ("purged", "m2"),
        ("stored", "m3"),
        ("purged", "m3"),
    ]


def test_what_fell_due_is_told_in_its_order(
    backend: SimulatedSQSBackend, clock: Clock, events: list[tuple[str, str, str, str]]
) -> None:
    queue = backend.create_queue("orders", MessageRetentionPeriod="60")
    backend.send_message("orders", "m1")
    backend.send_message("orders", "m2")
    [m1] = backend.receive(queue, 1, 50)
    backend.receive(queue, 1, 70)
    events.clear()
    clock.advance(1000)
    assert queue.receivable(clock()) == 0
    assert [(kind, body) for kind, _, body, _ in events] == [
        ("released", "m1"),
        ("expired", "m1"),
        ("expired", "m2"),
    ]
    backend.delete_message("orders", str(m1.receipt_handle))


# Dead letters and redrive.


def test_poison_head_of_a_group_lets_the_rest_through(
    backend: SimulatedSQSBackend, clock: Clock
) -> None:
    queue, dlq = with_dlq(backend, FifoQueue="true")
    for body in ("a1", "a2"):
        backend.send_message(queue.name, body, group_id="a", deduplication_id=body)
    [poison] = backend.receive(queue, 1)
    clock.advance(30)
    assert bodies(backend.receive(queue, 10)) == ["a2"]
    [dead] = backend.receive(dlq, 10)
    assert (dead.body, dead.group_id) == ("a1", "a")
    assert dead.deduplication_id == poison.id, "replaced, so that the DLQ drops no other message"
    with pytest.raises(SQSException, match="receipt handle has expired"):
        queue.delete_message(str(poison.receipt_handle))


def test_a_dlq_with_a_dlq_counts_its_own_receives(
    backend: SimulatedSQSBackend, clock: Clock
) -> None:
    queue, dlq = with_dlq(backend, maximum=3)
    last = backend.create_queue("last")
    policy = {"deadLetterTargetArn": last.queue_arn, "maxReceiveCount": 2}
    backend.set_queue_attributes(dlq.name, {"RedrivePolicy": json.dumps(policy)})
    backend.send_message("orders", "m1")
    counts = []
    for place in (queue, dlq, last):
        while received := backend.receive(place, 1, 0):
            counts.append((place.name, received[0].approximate_receive_count))
            if len(counts) == 6:
                break
    assert counts == [
        ("orders", 1),
        ("orders", 2),
        ("orders", 3),
        ("orders-dlq", 4),
        ("orders-dlq", 5),
        ("last", 6),
    ]


def test_redriven_fifo_message_keeps_group_and_is_never_dropped(
    backend: SimulatedSQSBackend, clock: Clock
) -> None:
    queue, dlq = with_dlq(backend, FifoQueue="true")
    backend.send_message(queue.name, "a1", group_id="a", deduplication_id="a1")
    backend.receive(queue, 1, 0)
    assert backend.receive(queue, 1) == []
    moves.start(backend, dlq.queue_arn)
    [back] = backend.receive(queue, 1)
    assert (back.group_id, back.approximate_receive_count) == ("a", 1)


def test_without_its_dlq_a_message_goes_on_being_delivered(
    backend: SimulatedSQSBackend, clock: Clock
) -> None:
    queue, _ = with_dlq(backend)
    backend.delete_queue("orders-dlq")
    backend.send_message("orders", "m1")
    for count in (1, 2, 3):
        assert [m.approximate_receive_count for m in backend.receive(queue, 1, 0)] == [count]


def test_a_move_task_can_be_paced_and_fails_when_the_source_is_gone(
    backend: SimulatedSQSBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, dlq = with_dlq(backend)
    for number in range(3):
        backend.send_message("orders", f"m{number}")
    backend.receive(queue, 3, 0)
    backend.receive(queue, 3, 0)
    started: list[moves.MoveTask] = []
    monkeypatch.setattr(seams, "run_move_task", lambda backend, task: started.append(task))
    task = moves.start(backend, dlq.queue_arn)
    assert started == [task]
    assert moves.advance(backend, task, 1) == 1
    assert (task.status, task.moved, task.to_move) == ("RUNNING", 1, 3)
    backend.delete_queue("orders")
    assert moves.advance(backend, task) == 0
    assert (task.status, task.failure_reason) == (
        "FAILED",
        "AWS.SimpleQueueService.NonExistentQueue",
    )
    assert dlq.approximate_number_of_messages == 2


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"destination": "orders-dlq"}, "can't be the same"),
        ({"destination": "other.fifo"}, "same type"),
        ({"rate": 501}, "between 1 and 500"),
        ({"destination": "missing"}, "DestinationArn parameter doesn't exist"),
    ],
)
def test_a_move_task_that_cannot_start(
    backend: SimulatedSQSBackend, arguments: dict[str, Any], text: str
) -> None:
    _, dlq = with_dlq(backend)
    backend.create_queue("other.fifo", FifoQueue="true")
    destination = arguments.get("destination")
    arn = dlq.queue_arn.replace("orders-dlq", destination) if destination else None
    with pytest.raises(SQSException, match=text):
        moves.start(backend, dlq.queue_arn, arn, arguments.get("rate"))
    assert dlq.move_tasks == []


def test_move_tasks_are_listed_and_cancelled_with_checked_arguments(
    backend: SimulatedSQSBackend,
) -> None:
    _, dlq = with_dlq(backend)
    with pytest.raises(SQSException, match="between 1 and 10"):
        moves.list_tasks(backend, dlq.queue_arn, 11)
    with pytest.raises(SQSException, match="TaskHandle is invalid"):
        moves.cancel(backend, "no handle")
    task = moves.start(backend, dlq.queue_arn)
    assert task.status == "COMPLETED"
    dlq.restore(None)
    with pytest.raises(SQSException, match="Task does not exist"):
        moves.cancel(backend, task.handle)


# Rewind and ids.


@pytest.mark.parametrize("fifo", [False, True])
def test_rewind_repeats_byte_for_byte(
    backend: SimulatedSQSBackend, clock: Clock, fifo: bool
) -> None:
    attributes = {"FifoQueue": "true"} if fifo else {}
    queue, dlq = with_dlq(backend, **attributes)
    empty = queue.snapshot(), dlq.snapshot()
    assert empty == (None, None), "an empty queue costs nothing"

    def run(prefix: str) -> list[Any]:
        for body in ("1", "2", "3"):
            ids = {"group_id": body, "deduplication_id": body} if fifo else {}
            backend.send_message(queue.name, prefix + body, **ids)  # type: ignore[arg-type]
        seen = [(m.event_record(queue), m.number) for m in backend.receive(queue, 2, 10)]
        clock.advance(10)
        seen += [(m.event_record(queue), m.number) for m in backend.receive(queue, 9, 10)]
        seen += [(m.event_record(dlq), m.number) for m in backend.receive(dlq, 9)]
        return seen

    def rewind(snapshots: tuple[object, object]) -> None:
        for one, snapshot in zip((queue, dlq), snapshots, strict=True):
            one.restore(snapshot)
        backend.reseed(7)
        clock.now_ms = START_MS

    rewind(empty)
    first = run("m")
    filled = queue.snapshot(), dlq.snapshot()
    backend.purge_queue(queue.name)
    rewind(empty)
    assert queue.stored_messages == dlq.stored_messages == []
    assert run("m") == first
    rewind(filled)
    clock.advance(10)
    after = bodies(queue.stored_messages), bodies(dlq.stored_messages)
    backend.purge_queue(queue.name)
    rewind(filled)
    clock.advance(10)
    assert (bodies(queue.stored_messages), bodies(dlq.stored_messages)) == after
    assert after == (["m3"], ["m1", "m2"])


def test_ids_follow_the_seed(backend: SimulatedSQSBackend) -> None:
    backend.reseed(1)
    ids = [backend.new_id() for _ in range(3)]
    backend.reseed(1)
    assert [backend.new_id() for _ in range(3)] == ids
    backend.reseed(2)
    assert backend.new_id() not in ids
    assert all(len(one) == 36 and one[14] == "4" for one in ids)


def test_a_receive_is_not_changed_by_the_next(backend: SimulatedSQSBackend, clock: Clock) -> None:
    queue = backend.create_queue("orders")
    backend.send_message("orders", "m1")
    [first] = backend.receive(queue, 1)
    receipt = first.receipt_handle
    clock.advance(30)
    [second] = backend.receive(queue, 1)
    assert (first.receipt_handle, first.approximate_receive_count) == (receipt, 1)
    assert second.receipt_handle != receipt
    assert second.attributes["ApproximateFirstReceiveTimestamp"] == str(START_MS)
    assert second.attributes["ApproximateReceiveCount"] == "2"


def test_event_record_is_lambdas(backend: SimulatedSQSBackend) -> None:
    """`with-sqs` (Lambda developer guide)."""
    queue = backend.create_queue("q.fifo", FifoQueue="true")
    sent = backend.send_message(
        "q.fifo",
        "hello",
        message_attributes={
            "text": {"DataType": "String", "StringValue": "é"},
            "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
        },
        group_id="g",
        deduplication_id="d",
        system_attributes={"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1"}},
    )
    [message] = backend.receive(queue, 1)
    record = message.event_record(queue)
    assert len(record.pop("md5OfMessageAttributes")) == 32
    assert record == {
        "messageId": sent.id,
        "receiptHandle": message.receipt_handle,
        "body": "hello",
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": str(START_MS),
            "SenderId": "AIDAIT2UOQQY3AUEKVGXU",
            "ApproximateFirstReceiveTimestamp": str(START_MS),
            "SequenceNumber": sent.sequence_number,
            "MessageGroupId": "g",
            "MessageDeduplicationId": "d",
            "AWSTraceHeader": "Root=1",
        },
        "messageAttributes": {
            "text": {
                "stringValue": "é",
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": "String",
            },
            "bytes": {
                "binaryValue": "AP8=",
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": "Binary",
            },
        },
        "md5OfBody": "5d41402abc4b2a76b9719d911017c592",
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q.fifo",
        "awsRegion": REGION,
    }


# Requests.


def test_a_long_poll_asks_the_wait_hook_once(
    backend: SimulatedSQSBackend, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.create_queue("orders")
    waits: list[int] = []

    def wait(queue: SimulatedQueue, seconds: int) -> None:
        waits.append(seconds)
        clock.advance(seconds)
        backend.send_message(queue.name, "came meanwhile")

    monkeypatch.setattr(seams, "wait", wait)
    assert backend.receive_message("orders", 10, 0, 30) == []
    assert waits == []
    assert bodies(backend.receive_message("orders", 10, 20, 0)) == ["came meanwhile"]
    assert bodies(backend.receive_message("orders", 10, 20, 0)) == ["came meanwhile"]
    assert waits == [20]


def test_message_attributes_are_filtered_in_the_answer_alone(
    backend: SimulatedSQSBackend,
) -> None:
    queue = backend.create_queue("orders")
    attributes = {name: {"DataType": "String", "StringValue": "v"} for name in ("a.b", "c")}
    backend.send_message("orders", "m1", message_attributes=attributes)
    [told] = backend.receive_message("orders", 1, 0, 0, ["a.*"])
    assert list(told.message_attributes) == ["a.b"]
    assert [list(m.message_attributes) for m in backend.receive(queue, 1)] == [["a.b", "c"]]


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"delay_seconds": 901}, "DelaySeconds must be"),
        ({"delay_seconds": -1}, "DelaySeconds must be"),
        ({"deduplication_id": "d"}, "not valid for this queue type"),
        ({"group_id": "a b"}, "alphanumeric and punctuation"),
        ({"group_id": "x" * 129}, "1 to 128"),
        (
            {"message_attributes": {str(n): {"DataType": "String"} for n in range(11)}},
            r"\[11\] exceeds",
        ),
        (
            {"message_attributes": {"n": {"DataType": "String", "StringValue": "\x0b"}}},
            "Invalid characters",
        ),
    ],
)
def test_a_refused_message_leaves_nothing(
    backend: SimulatedSQSBackend, more: dict[str, Any], text: str
) -> None:
    queue = backend.create_queue("orders")
    with pytest.raises(SQSException, match=text):
        backend.send_message("orders", "m1", **more)
    assert queue.stored_messages == []


def test_a_fifo_queue_needs_a_deduplication_id_or_its_own(backend: SimulatedSQSBackend) -> None:
    backend.create_queue("q.fifo", FifoQueue="true")
    with pytest.raises(SQSException, match="ContentBasedDeduplication enabled"):
        backend.send_message("q.fifo", "m1", group_id="g")


def test_a_purge_takes_messages_in_every_state(backend: SimulatedSQSBackend, clock: Clock) -> None:
    queue = backend.create_queue("orders")
    for body, delay in (("in flight", 0), ("visible", 0), ("delayed", 60)):
        backend.send_message("orders", body, delay_seconds=delay)
    [in_flight] = backend.receive(queue, 1)
    backend.purge_queue("orders")
    clock.advance(60)
    assert queue.stored_messages == []
    assert queue.approximate_number_of_messages_delayed == 0
    assert queue.approximate_number_of_messages_not_visible == 0
    assert backend.receive(queue, 10) == []
    queue.delete_message(str(in_flight.receipt_handle))


def test_sns_may_send_a_fifo_topics_ids_to_a_standard_queue(backend: SimulatedSQSBackend) -> None:
    backend.create_queue("orders")
    sent = backend.send_message(
        "orders", "m1", group_id="g", deduplication_id="d", validate_group_id=False
    )
    assert (sent.group_id, sent.deduplication_id) == ("g", None)


def test_visibility_batch_fails_by_entry(backend: SimulatedSQSBackend) -> None:
    queue = backend.create_queue("orders")
    for body in ("m1", "m2", "m3"):
        backend.send_message("orders", body)
    m1, m2, m3 = backend.receive(queue, 3)
    queue.delete_message(str(m3.receipt_handle))
    entries = [
        {"Id": "good", "ReceiptHandle": m1.receipt_handle, "VisibilityTimeout": 0},
        {"Id": "long", "ReceiptHandle": m2.receipt_handle, "VisibilityTimeout": 43_201},
        {"Id": "gone", "ReceiptHandle": m3.receipt_handle, "VisibilityTimeout": 1},
    ]
    successful, failed = backend.change_message_visibility_batch("orders", entries)
    assert successful == ["good"]
    assert [(entry["Id"], entry["Code"]) for entry in failed] == [
        ("long", "InvalidParameterValue"),
        ("gone", "InvalidParameterValue"),
    ]
    assert bodies(backend.receive(queue, 3)) == ["m1"]


# Attributes of a queue.


def test_setting_one_attribute_keeps_the_policy(backend: SimulatedSQSBackend) -> None:
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow"}]}
    queue = backend.create_queue("orders", Policy=json.dumps(policy))
    backend.set_queue_attributes("orders", {"VisibilityTimeout": "5"})
    assert json.loads(queue.policy) == policy
    backend.set_queue_attributes("orders", {"Policy": ""})
    assert queue.policy is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VisibilityTimeout", "43201"),
        ("DelaySeconds", "901"),
        ("ReceiveMessageWaitTimeSeconds", "21"),
        ("MaximumMessageSize", "1048577"),
        ("MessageRetentionPeriod", "soon"),
    ],
)
def test_attribute_ranges(backend: SimulatedSQSBackend, name: str, value: str) -> None:
    queue = backend.create_queue("orders")
    before = queue.attributes
    with pytest.raises(SQSException, match=name):
        backend.set_queue_attributes("orders", {name: value})
    assert queue.attributes == before


def test_redrive_policy_is_checked_against_the_dlq(backend: SimulatedSQSBackend) -> None:
    closed = backend.create_queue("closed", RedriveAllowPolicy={"redrivePermission": "denyAll"})
    picky = backend.create_queue(
        "picky",
        RedriveAllowPolicy=json.dumps(
            {
                "redrivePermission": "byQueue",
                "sourceQueueArns": [closed.queue_arn.replace("closed", "friend")],
            }
        ),
    )
    fifo = backend.create_queue("dlq.fifo", FifoQueue="true")
    orders = backend.create_queue("orders")
    friend = backend.create_queue("friend")
    for dlq, maximum, text in (
        (closed, 1, "RedriveAllowPolicy"),
        (picky, 1, "RedriveAllowPolicy"),
        (fifo, 1, "same type"),
    ):
        policy = {"deadLetterTargetArn": dlq.queue_arn, "maxReceiveCount": maximum}
        with pytest.raises(SQSException, match=text):
            backend.set_queue_attributes("orders", {"RedrivePolicy": json.dumps(policy)})
        assert (orders.dead_letter_queue, orders.redrive_policy) == (None, None)
    policy = {"deadLetterTargetArn": picky.queue_arn, "maxReceiveCount": 1001}
    with pytest.raises(SQSException, match="1 and 1000"):
        backend.set_queue_attributes("friend", {"RedrivePolicy": json.dumps(policy)})
    policy["maxReceiveCount"] = 1000
    backend.set_queue_attributes("friend", {"RedrivePolicy": json.dumps(policy)})
    assert friend.dead_letter_queue is picky
    assert json.loads(closed.attributes["RedriveAllowPolicy"]) == {"redrivePermission": "denyAll"}


def test_creating_a_queue_again(backend: SimulatedSQSBackend) -> None:
    queue = backend.create_queue("orders", {"team": "a"}, VisibilityTimeout="5")
    assert backend.create_queue("orders", VisibilityTimeout="5") is queue
    assert queue.tags == {"team": "a"}
    with pytest.raises(SQSException, match="already exists"):
        backend.create_queue("orders", VisibilityTimeout="6")
    with pytest.raises(SQSException, match="does not exist"):
        backend.get_queue("bills")


# In the place of moto's.


def test_cloudformation_makes_simulated_queues(backend: SimulatedSQSBackend) -> None:
    template = {
        "Resources": {
            "Dlq": {"Type": "AWS::SQS::Queue"},
            "Orders": {
                "Type": "AWS::SQS::Queue",
                "Properties": {
                    "QueueName": "orders",
                    "VisibilityTimeout": 7,
                    "RedrivePolicy": {
                        "deadLetterTargetArn": {"Fn::GetAtt": ["Dlq", "Arn"]},
                        "maxReceiveCount": 3,
                    },
                },
            },
        }
    }
    boto3.client("cloudformation", region_name=REGION).create_stack(
        StackName="stack", TemplateBody=json.dumps(template)
    )
    assert all(isinstance(queue, SimulatedQueue) for queue in backend.queues.values())
    orders = backend.get_queue("orders")
    assert (orders.visibility_timeout, len(backend.queues)) == (7, 2)
    assert isinstance(orders.dead_letter_queue, SimulatedQueue)


def test_motos_own_lambda_delivery_never_runs(backend: SimulatedSQSBackend) -> None:
    queue = backend.create_queue("orders")

    class Mapping:
        enabled = True

        @property
        def batch_size(self) -> int:
            return pytest.fail("moto delivers")

    queue.lambda_event_source_mappings["arn"] = Mapping()  # type: ignore[assignment]
    backend.send_message("orders", "m1")
    queue.add_message(SimulatedMessage("11111111-1111-4111-a111-111111111111", "m2"))
    assert bodies(queue.messages) == ["m1", "m2"]  # type: ignore[arg-type]


def test_install_nests_and_uninstall_restores_moto() -> None:
    receive_message = SQSResponse.receive_message
    with mock_aws():
        with simulated_sqs():
            install()
            uninstall()
            assert isinstance(sqs_backends[ACCOUNT][REGION], SimulatedSQSBackend)
            assert SQSResponse.receive_message is not receive_message
        assert SQSResponse.receive_message is receive_message
        assert not hasattr(SQSResponse, "start_message_move_task")
    with mock_aws():
        backend = sqs_backends[ACCOUNT][REGION]
        assert type(backend) is SQSBackend
        assert type(backend.create_queue("orders")) is Queue
        with pytest.raises(SimulationError, match="orders"):
            install()
    with mock_aws():
        assert type(sqs_backends[ACCOUNT][REGION]) is SQSBackend
        with simulated_sqs():
            assert isinstance(sqs_backends[ACCOUNT][REGION], SimulatedSQSBackend)


def test_motos_list_of_instances_does_not_grow(backend: SimulatedSQSBackend) -> None:
    backend.create_queue("orders")
    backend.send_message("orders", "m1")
    tracked: Any = SimulatedMessage
    assert tracked.instances_tracked == []
