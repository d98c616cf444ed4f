"""An observer, on a stack that stands in moto's server and in ministack."""

from __future__ import annotations

import tempfile
import threading
import urllib.request
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from benchmarks.ministack import running
from pytest_storagefirst.errors import TargetError
from pytest_storagefirst.ledger.circuit import CLOSED, HALF_OPEN, OPEN
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.target import circuit_watch, system_of_record
from pytest_storagefirst.target.downstream import make_server
from pytest_storagefirst.target.observe import Observer
from pytest_storagefirst.target.third_party_control import ThirdPartyControl
from tests.target.observed_stack import Aimed, built, moto_server

RUN = "r7f"


@pytest.fixture(scope="module", params=["moto", "ministack"])
def endpoint(request):
    if request.param == "moto":
        with moto_server() as url:
            yield url
    else:
        with tempfile.TemporaryDirectory() as folder, running(folder) as url:
            yield url


@pytest.fixture
def target(endpoint) -> Aimed:
    return built(endpoint, uuid.uuid4().hex[:8])


@pytest.fixture
def orders(target):
    return next(one.name for one in target.made.tables if one.logical_id == "Orders")


def ids(*numbers):
    return [f"{RUN}-0-{number}" for number in numbers]


class Clock:
    def __init__(self):
        self.s = 1000.0

    def __call__(self):
        return self.s


# --- depth and rest -----------------------------------------------------------------------------


def test_a_sample_of_an_idle_stack(target):
    sample = Observer(target, RUN).sample({})

    assert (sample.visible, sample.in_flight, sample.dead, sample.processed) == (0, 0, 0, 0)
    assert sample.oldest_age_s == 0
    assert sample.downstream is sample.circuit is sample.mapping is None


def test_what_waits_and_what_is_in_flight(target):
    target.send("Work", "a", "b", "c")
    target.send("Letters", "d")
    target.client("sqs").send_message(
        QueueUrl=target.queue("Work").url, MessageBody="later", DelaySeconds=600
    )
    queue = target.queue("Work").url
    target.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=1)

    sample = Observer(target, RUN).sample()

    assert (sample.visible, sample.in_flight, sample.dead) == (3, 1, 1), "one is delayed"
    assert sample.oldest_age_s is None


def test_an_emulator_is_quiet_at_once_and_aws_after_a_minute_of_zeros(target):
    clock = Clock()
    local, far = Observer(target, RUN, clock), Observer(target.on_aws(), RUN, clock)
    assert not local.quiet(0), "nothing was looked at yet"
    for observer in (local, far):
        observer.sample()

    assert local.quiet(0)
    assert not local.quiet(1)
    assert not far.quiet(0)
    clock.s += 59
    far.sample()
    assert not far.quiet(0)
    clock.s += 1
    assert far.quiet(0)


@pytest.mark.parametrize("between", ["a message", "a gap"])
def test_the_minute_begins_anew(target, between):
    clock = Clock()
    observer = Observer(target.on_aws(), RUN, clock)
    observer.sample()
    clock.s += 50
    if between == "a message":
        target.send("Work", "a")
    else:
        target.session_made.refused += ["GetQueueAttributes"]
    observer.sample()
    target.client("sqs").purge_queue(QueueUrl=target.queue("Work").url)
    clock.s += 20
    observer.sample()
    clock.s += 20

    assert not observer.quiet(0)


# --- gaps ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "missing"),
    [("GetQueueAttributes", {"visible", "in_flight"}), ("Scan", {"processed", "oldest_age_s"})],
)
def test_what_is_refused_is_a_gap(target, operation, missing):
    observer = Observer(target, RUN)
    target.session_made.refused += [operation]

    sample = observer.sample({})

    none = {name for name, value in vars(sample).items() if value is None}
    assert none == missing | {"oldest", "circuit", "mapping", "downstream"}
    assert observer.sample({}).processed == 0, "and the next one sees again"


def test_a_target_that_does_not_answer_is_all_gaps(target):
    observer = Observer(target, RUN)
    for operation in ("GetQueueAttributes", "GetQueueAttributes", "Scan", "Scan"):
        target.session_made.refused += [operation]

    sample = observer.sample({})

    assert {name for name, value in vars(sample).items() if value is not None} == {
        "at_s",
        "circuit_rewritten",
    }


# --- effects ------------------------------------------------------------------------------------


def test_effects_are_found_whatever_the_store_is_like(target, orders):
    first, second, third = ids(1, 2, 3)
    target.put(orders, id=first, text="hello")
    target.put(orders, id="x", text=f'{{"id": "{second}"}}')
    target.put(orders, id="y", text="another run's: r8a-0-1")
    target.client("dynamodb").put_item(
        TableName=orders,
        Item={"id": {"S": "z"}, "raw": {"B": third.encode()}, "tags": {"SS": ["a"]}},
    )

    observer = Observer(target, RUN)

    assert observer.processed() == {first: 1, second: 1, third: 1}
    assert observer.sample().processed == 3
    assert observer.processed_so_far == observer.processed()
    assert observer.doubts() == ()


def test_objects_are_found_by_key_and_by_content_which_is_got_once(target):
    bucket = target.made.buckets[0].name
    first, second = ids(1, 2)
    s3 = target.client("s3")
    s3.put_object(Bucket=bucket, Key=f"orders/{first}.json", Body=b"{}")
    s3.put_object(Bucket=bucket, Key="other.json", Body=f'{{"id": "{second}"}}'.encode())
    observer = Observer(target, RUN)
    observer.sample()
    target.session_made.asked.clear()

    assert observer.processed() == {first: 1, second: 1}
    assert "GetObject" not in target.session_made.called


def test_objects_from_before_the_run_are_not_got(target, monkeypatch):
    monkeypatch.setattr("pytest_storagefirst.target.stores.CLOCKS_DIFFER", timedelta(minutes=-5))
    bucket = target.made.buckets[0].name
    target.client("s3").put_object(Bucket=bucket, Key="old.json", Body=ids(1)[0].encode())
    target.client("s3").put_object(Bucket=bucket, Key=ids(2)[0], Body=b"")
    observer = Observer(target, RUN)

    assert observer.processed() == {ids(2)[0]: 1}
    assert "GetObject" not in target.session_made.called


def test_the_last_read_misses_none_and_pages_go_on_from_sample_to_sample(
    target, orders, monkeypatch
):
    monkeypatch.setattr("pytest_storagefirst.target.stores.ITEMS_A_PAGE", 7)
    monkeypatch.setattr(system_of_record, "READ_SECONDS", 0.0)
    observer = Observer(target, RUN)
    for message in ids(*range(20)):
        target.put(orders, id=message)

    seen = [observer.sample().processed for _ in range(3)]

    assert seen[0] == 7
    assert seen == sorted(seen)
    assert seen[2] == 20
    target.put(orders, id=ids(99)[0])
    target.session_made.asked.clear()
    assert set(observer.processed()) == set(ids(*range(20), 99))
    scans = [body for name, body in target.session_made.asked if name == "Scan"]
    assert scans
    assert all('"ConsistentRead": true' in body for body in scans)


def test_an_effect_that_is_gone_at_the_end_is_no_effect(target, orders):
    (message,) = ids(1)
    target.put(orders, id=message)
    observer = Observer(target, RUN)
    assert observer.sample().processed == 1
    target.client("dynamodb").delete_item(TableName=orders, Key={"id": {"S": message}})

    assert observer.processed() == {}


def test_what_left_only_a_part_is_not_processed(target, orders):
    receipts = next(one.name for one in target.made.tables if one.logical_id == "Receipts")
    for message in ids(1, 2, 3):
        target.put(receipts, id=message)
    for message in ids(1, 2):
        target.put(orders, id=message)
    observer = Observer(target, RUN)

    processed = observer.processed()

    # Of three messages each kind is one in ten: here the larger one is the whole.
    assert processed == dict.fromkeys(ids(1, 2), 1)


def test_a_last_read_that_fails_says_so_and_one_that_recovers_does_not(target, monkeypatch):
    monkeypatch.setattr(system_of_record.time, "sleep", lambda seconds: None)
    observer = Observer(target, RUN)
    target.session_made.refused += ["Scan"] * (system_of_record.TRIES - 1)
    assert observer.processed() == {}

    target.session_made.refused += ["Scan"] * system_of_record.TRIES
    with pytest.raises(TargetError, match=r"the effects in Orders can't be read\n.*slow down"):
        observer.processed()

    target.session_made.refused += ["GetQueueAttributes"] * system_of_record.TRIES
    with pytest.raises(TargetError, match="what is in Letters can't be read"):
        Observer(target.on_aws(), RUN).held(())


def test_a_stack_in_which_nothing_ends_shows_nothing(target):
    bare = replace(target, made=replace(target.made, tables=(), buckets=()))

    observer = Observer(bare, RUN)
    (doubt,) = observer.doubts()

    assert "nothing shows what was processed" in doubt
    assert observer.processed() == {}


def test_where_there_is_no_queue_nothing_is_counted_and_nothing_waits_in_one(target):
    observer = Observer(replace(target, made=replace(target.made, queues=())), RUN)

    sample = observer.sample()

    assert sample.visible is sample.in_flight is sample.dead is None
    assert observer.quiet(0)


def test_when_each_message_was_first_seen_whole(target, orders):
    clock = Clock()
    observer = Observer(target, RUN, clock)
    first, second = ids(1, 2)
    target.put(orders, id=first)
    observer.sample()
    clock.s += 5
    target.put(orders, id=second)
    observer.sample()

    assert observer.processed_at() == {first: 1000.0, second: 1005.0}

    receipts = next(one.name for one in target.made.tables if one.logical_id == "Receipts")
    clock.s += 5
    target.put(receipts, id=first)
    target.put(receipts, id=second)
    observer.sample()
    assert observer.processed_at() == {first: 1010.0, second: 1010.0}


def test_the_oldest_that_waits(target, orders):
    clock = Clock()
    first, second, third = ids(1, 2, 3)
    target.put(orders, id=first)
    accepted = {first: 980.0, third: 991.0, second: 990.0}

    sample = Observer(target, RUN, clock).sample(accepted)

    assert (sample.oldest, sample.oldest_age_s) == (second, 10.0)


# --- what is held, and redriven -------------------------------------------------------------------


def test_dead_letters_are_named_and_stay_where_they_are(target):
    target.send("Letters", *({"id": message} for message in ids(*range(12))))
    observer = Observer(target, RUN)

    assert observer.held(()) == dict.fromkeys(ids(*range(12)), "Letters")
    assert observer.held(()) == dict.fromkeys(ids(*range(12)), "Letters")
    assert observer.doubts() == ()
    assert observer.sample().dead == 12


def test_a_queue_at_work_is_not_received_from(target):
    """ministack shows what it holds; elsewhere it is a doubt, since each receive counts."""
    target.send("Work", {"id": ids(1)[0]}, {"id": ids(2)[0]})
    queue = target.queue("Work").url
    target.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=1)
    far = Observer(target.on_aws(), RUN)

    assert far.held(()) == {}
    assert far.doubts() == ("Work holds 2 messages that could not be read",)

    near = Observer(target, RUN)
    held = near.held(())
    assert len(held) == 2 or near.doubts() == far.doubts()
    sample = near.sample()
    assert (sample.visible, sample.in_flight, sample.dead) == (1, 1, 0)


def test_dead_letters_are_redriven_without_tasks(target):
    """Neither emulator knows StartMessageMoveTask."""
    target.send("Letters", *({"id": message} for message in ids(*range(25))))
    observer = Observer(target, RUN)

    assert observer.redrive() == {"Letters": 25}
    sample = observer.sample()
    assert (sample.visible, sample.dead) == (25, 0)
    assert observer.redrive() == {"Letters": 0}


# --- the circuit ----------------------------------------------------------------------------------

CIRCUIT = {
    "table": "Circuit",
    "key": {"id": "payments"},
    "state": "mode",
    "closed": "zu",
    "open": "auf",
    "half_open": "halb",
}


def circuits_table(target):
    return next(one.name for one in target.made.tables if one.logical_id == "Circuit")


def test_the_circuits_item_in_the_words_of_the_settings(target):
    target = replace(target, settings=Settings(circuit=CIRCUIT))
    observer = Observer(target, RUN)
    seen = [observer.sample().circuit]
    for word in ("zu", "auf", "halb", "kaputt"):
        target.put(circuits_table(target), id="payments", mode=word)
        target.put(circuits_table(target), id="another", mode="zu")
        seen.append(observer.sample().circuit)

    assert seen == [CLOSED, CLOSED, OPEN, HALF_OPEN, "kaputt"]
    assert [change[1:] for change in observer.circuit_changes] == [
        (CLOSED, OPEN),
        (OPEN, HALF_OPEN),
        (HALF_OPEN, "kaputt"),
    ]


def test_a_probe_that_failed_between_two_looks_has_left_its_trace(target):
    target = replace(target, settings=Settings(circuit=CIRCUIT))
    observer = Observer(target, RUN)
    seen = []
    for mode, until in (("zu", "1"), ("zu", "2"), ("auf", "3"), ("auf", "3"), ("auf", "9")):
        target.put(circuits_table(target), id="payments", mode=mode, until=until)
        seen.append(observer.sample().circuit_rewritten)

    assert seen == [False, False, False, False, True]
    assert observer.sample().circuit_rewritten is False


def test_a_circuit_is_looked_at_more_often_while_it_is_not_closed(target, monkeypatch):
    target = replace(target, settings=Settings(circuit=CIRCUIT))
    states = iter(["zu", "auf", "halb", "auf", "zu"])
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        target.put(circuits_table(target), id="payments", mode=next(states))

    monkeypatch.setattr(circuit_watch.time, "sleep", sleep)
    observer = Observer(target, RUN)

    observer.watch_circuit(lambda: len(slept) == 5)

    slow, fast = circuit_watch.CLOSED_LOOK_SECONDS, circuit_watch.LOOK_SECONDS
    assert slept == [slow, slow, fast, fast, fast]
    assert [state for _, _, state in observer.circuit_changes] == [OPEN, HALF_OPEN, OPEN]


def test_what_can_not_be_seen_of_a_circuit_is_no_change(target):
    target = replace(target, settings=Settings(circuit=CIRCUIT))
    target.put(circuits_table(target), id="payments", mode="auf")
    observer = Observer(target, RUN)
    seen = [observer.sample().circuit]
    target.session_made.refused += ["GetItem"]
    seen += [observer.sample().circuit, observer.sample().circuit]

    assert seen == [OPEN, None, OPEN]
    assert observer.circuit_changes == []


def test_a_circuit_that_nobody_named_is_found(target, orders):
    clock = Clock()
    observer = Observer(target, RUN, clock)

    def seen():
        clock.s += 1
        return observer.sample().circuit

    assert seen() is None
    target.put(circuits_table(target), id="payments", state="half-open")
    assert seen() == HALF_OPEN
    target.put(circuits_table(target), id="payments", state="open")
    assert observer.sample().circuit == OPEN

    target.put(orders, id=ids(1)[0], status="open")  # an order is no circuit
    assert seen() == OPEN
    target.put(circuits_table(target), id="another", state="open")  # nor is a list of them
    assert seen() is None


def test_a_circuit_in_a_parameter(target):
    name = f"/breaker/{uuid.uuid4().hex}"
    target = replace(target, settings=Settings(circuit={"parameter": name}))
    observer = Observer(target, RUN)
    assert observer.sample().circuit == CLOSED
    target.client("ssm").put_parameter(Name=name, Value="OPEN", Type="String")

    assert observer.sample().circuit == OPEN


# --- the downstream -------------------------------------------------------------------------------


def test_calls_of_the_busiest_whole_second_since_the_last_sample(target, monkeypatch):
    server = make_server(())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        clock = Clock()
        clock.s = 0.0
        observer = Observer(replace(target, downstream_url=base), RUN, clock)
        for _ in range(5):
            urllib.request.urlopen(f"{base}/payments.example/charges", data=b"{}").read()

        began_s = [int(one["began_ms"] / 1000) for one in observer.downstream_calls()]
        assert len(began_s) == 5
        counts = [{"at_s": at, "calls": began_s.count(at)} for at in sorted(set(began_s))]
        told = {"now_s": max(began_s) + 1.5, "seconds": counts}
        monkeypatch.setattr(ThirdPartyControl, "_ask", lambda self, what: told)
        assert observer.sample().downstream == max(one["calls"] for one in counts)
        told["now_s"] += 1
        told["seconds"] = []
        assert observer.sample().downstream == 0
        told.clear()
        assert observer.sample().downstream is None
    finally:
        server.shutdown()
        server.server_close()


# --- what every message leaves twice, and what is refused before a run ----------------------------


@pytest.mark.parametrize(
    ("second", "told"),
    [({"text": "an order"}, "each message leaves 2 effects in Orders"), ({"text": "audit"}, "")],
)
def test_what_every_message_leaves_twice(target, orders, second, told):
    for message in ids(1, 2, 3):
        target.put(orders, id=message, text="an order")
        target.put(orders, id=f"{message}#again", **second)
    observer = Observer(target, RUN)

    assert observer.processed() == dict.fromkeys(ids(1, 2, 3), 1)
    assert observer.doubled().startswith(told)
    assert bool(observer.doubled()) == bool(told)


def test_objects_and_messages_that_are_left_twice(target):
    bucket, s3 = target.made.buckets[0].name, target.client("s3")
    outbox = replace(target.queue("Letters"), logical_id="Outbox")
    work = replace(target.queue("Work"), dead_letter_arn=None)
    queued = replace(target, made=replace(target.made, queues=(work, outbox), buckets=()))
    for message in ids(1, 2, 3):
        for key in ("a", "b"):
            s3.put_object(Bucket=bucket, Key=f"{key}/{message}", Body=b"an order")
        target.send("Letters", {"id": message}, {"id": message})

    unqueued = replace(target, made=replace(target.made, queues=()))
    for one, place in ((unqueued, "Files"), (queued, "Outbox")):
        observer = Observer(one, RUN)
        observer.processed()
        assert f"2 effects in {place} that are alike" in observer.doubled()


@pytest.mark.parametrize(
    ("operation", "told"),
    [
        ("GetQueueAttributes", "how much its queues hold can't be read"),
        ("ReceiveMessage", "its dead letters can't be read"),
        ("Scan", "what was processed can't be read"),
        ("ListObjectsV2", "what was processed can't be read"),
        ("GetItem", "the circuit can't be read"),
    ],
)
def test_what_is_refused_is_told_before_a_run(target, operation, told):
    observer = Observer(replace(target.on_aws(), settings=Settings(circuit=CIRCUIT)), RUN)
    observer.check()
    target.session_made.refused += [operation]

    with pytest.raises(TargetError, match=rf"{told}\n(.|\n)*slow down"):
        observer.check()
