"""A breaker watched in a run: its reads, writes and calls; and a mapping switched off and on."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import replace
from typing import Any

import boto3
import httpx
import pytest

from pytest_storagefirst.ledger.circuit import (
    ANSWERED,
    CALLED,
    CLOSED,
    DIED,
    HALF_OPEN,
    OPEN,
    READ,
    UNREAD,
    WROTE,
    Circuit,
)
from pytest_storagefirst.simulation.mappings_api import CHANGE_MS
from pytest_storagefirst.simulation.playing import play
from pytest_storagefirst.stack.breaker import Breaker

URL = "https://payments.example/charge"
OUT = f"Worker: http POST {URL} #1: http-500"


def watched(rig: Any, breaker: Breaker, handler: Any) -> Any:
    worker = rig.with_handlers(Worker=handler)
    return type(rig)(replace(worker.deployed, breaker=breaker))


def table(name: str = "keys", **more: Any) -> Breaker:
    return Breaker("table", "Circuit", name, key={"id": "breaker"}, attribute="state", **more)


def circuit_of(played: Any) -> Circuit:
    circuit = played.observation.circuit
    assert isinstance(circuit, Circuit)
    return circuit


def write(state: str | None, **more: Any) -> None:
    item = {"id": "breaker", **({} if state is None else {"state": state}), **more}
    boto3.resource("dynamodb").Table("keys").put_item(Item=item)


def call() -> None:
    request = urllib.request.Request(URL, data=b"{}", method="POST")
    with urllib.request.urlopen(request, timeout=5) as answer:
        answer.read()


def steps(played: Any) -> list[tuple[str, str]]:
    return [(step.kind, step.state) for step in circuit_of(played).steps]


def test_every_step_is_written_down(rig: Any) -> None:
    def worker(event: Any, context: Any) -> None:
        keys = boto3.resource("dynamodb").Table("keys")
        keys.get_item(Key={"id": "breaker"}, ConsistentRead=True)
        with pytest.raises(urllib.error.HTTPError):
            call()
        write("OPEN")
        write("HALF_OPEN")
        call()
        write("CLOSED")

    played = watched(rig, table(), worker).play(OUT)
    assert played.errors == ()
    assert steps(played) == [
        (READ, CLOSED),
        (CALLED, CLOSED),
        (ANSWERED, CLOSED),
        (WROTE, OPEN),
        (WROTE, HALF_OPEN),
        (CALLED, HALF_OPEN),
        (ANSWERED, HALF_OPEN),
        (WROTE, CLOSED),
    ]
    circuit = circuit_of(played)
    assert [(before, after) for _, before, after in circuit.transitions] == [
        *((CLOSED, OPEN), (OPEN, HALF_OPEN), (HALF_OPEN, CLOSED))
    ]
    assert [step.is_good for step in circuit.steps if step.kind == ANSWERED] == [False, True]
    told = [event.detail for event in played.observation.history if event.kind == "circuit"]
    assert told == ["CLOSED to OPEN", "OPEN to HALF_OPEN", "HALF_OPEN to CLOSED"]


def test_what_is_written_beside_it_is_no_step(rig: Any) -> None:
    def worker(event: Any, context: Any) -> None:
        keys = boto3.resource("dynamodb").Table("keys")
        keys.put_item(Item={"id": "another", "state": "OPEN"})
        write(None, failures=1)  # a count, and no state yet
        write("OPEN", failures=2)
        write("OPEN", failures=2)  # nothing new
        keys.delete_item(Key={"id": "breaker"})

    played = watched(rig, table(), worker).play()
    assert played.errors == ()
    assert steps(played) == [(WROTE, CLOSED), (WROTE, OPEN), (WROTE, CLOSED)]


def test_a_state_may_stand_within_a_map(rig: Any) -> None:
    def worker(event: Any, context: Any) -> None:
        write(None, breaker={"tripped": True})
        write(None, breaker={"tripped": False})

    breaker = Breaker(
        *("table", "Circuit", "keys"),
        key={"id": "breaker"},
        attribute="breaker.tripped",
        words={OPEN: True, CLOSED: False},  # type: ignore[dict-item]
    )
    assert steps(watched(rig, breaker, worker).play()) == [(WROTE, OPEN), (WROTE, CLOSED)]


def test_what_stands_instead_of_a_state_is_told(rig: Any) -> None:
    played = watched(rig, table(), lambda event, context: write(None, failures=1)).play()
    assert circuit_of(played).unlike == "; its item has failures, id, and never had state"
    played = watched(rig, table(), lambda event, context: write("CLOSED", failures=1)).play()
    assert circuit_of(played).unlike == ""


def test_a_stale_read_shows_what_stood_before(rig: Any) -> None:
    def worker(event: Any, context: Any) -> None:
        write("OPEN")
        boto3.resource("dynamodb").Table("keys").get_item(Key={"id": "breaker"})

    played = watched(rig, table(), worker).play("Worker: dynamodb.GetItem #1: stale")
    assert steps(played) == [(WROTE, OPEN), (READ, CLOSED), (UNREAD, "")]


def by_httpx() -> None:
    httpx.post(URL, content=b"{}", timeout=5)


@pytest.mark.parametrize("client", [call, by_httpx])
def test_an_answer_that_comes_too_late_is_a_failed_call(rig: Any, client: Any) -> None:
    def worker(event: Any, context: Any) -> None:
        with pytest.raises((TimeoutError, httpx.ReadTimeout)):
            client()  # 8 s
        client()  # 4 s

    played = watched(rig, table(), worker).play(f"Worker: http POST {URL} #1: slow-start for 60 s")
    answers = [step for step in circuit_of(played).steps if step.kind == ANSWERED]
    assert [(step.is_good, step.is_slow) for step in answers] == [(False, True), (True, True)]
    assert answers[0].at_ms > 5000
    told = [event.detail for event in played.observation.history if event.kind == "errored"]
    assert told == [f"http POST {URL} #1: no answer in time"]


def test_an_environment_that_dies_is_a_step(rig: Any) -> None:
    def worker(event: Any, context: Any) -> None:
        call()

    played = watched(rig, table(), worker).play(f"Worker: http POST {URL} #1: crash-before")
    assert steps(played)[0] == (CALLED, CLOSED) or steps(played)[0] == (DIED, CLOSED)
    assert (DIED, CLOSED) in steps(played)
    environments = {step.environment for step in circuit_of(played).steps}
    assert environments == {1, 2}


def test_a_state_that_is_lost_is_nobodys_doing(rig: Any) -> None:
    def worker(event: Any, context: Any) -> None:
        write("OPEN")
        with pytest.raises(KeyError):
            boto3.resource("dynamodb").Table("keys").get_item(Key={"id": "breaker"})["Item"]

    played = watched(rig, table(), worker).play("Worker: dynamodb.GetItem #1: circuit-lost")
    assert played.errors == ()
    assert steps(played) == [(WROTE, OPEN), (WROTE, CLOSED), (READ, CLOSED)]
    assert [step.place for step in circuit_of(played).steps] == ["Worker", "", "Worker"]
    assert played.observation.faults_fired


def test_every_run_begins_closed(rig: Any) -> None:
    stack = watched(rig, table(), lambda event, context: write("OPEN"))
    for _ in range(2):
        assert circuit_of(stack.play()).transitions[0][1:] == (CLOSED, OPEN)


def mapping_of(rig: Any) -> Any:
    (mapping,) = [
        one
        for one in rig.deployed.topology.mappings
        if rig.deployed.function_by_arn(one.function_arn).logical_id == "Worker"
        and ":sqs:" in one.source_arn
    ][:1]
    return mapping


def test_a_mapping_that_is_switched_off_polls_no_more(rig: Any) -> None:
    """API_UpdateEventSourceMapping: a change takes a while, and refuses another meanwhile."""
    uuid = mapping_of(rig).uuid
    said: list[Any] = []

    def worker(event: Any, context: Any) -> None:
        client = boto3.client("lambda")
        client.update_event_source_mapping(UUID=uuid, Enabled=False)
        said.append(client.get_event_source_mapping(UUID=uuid)["State"])
        with pytest.raises(client.exceptions.ResourceInUseException):
            client.update_event_source_mapping(UUID=uuid, Enabled=True)
        listed = client.list_event_source_mappings(FunctionName=context.function_name)
        said.append([one["UUID"] for one in listed["EventSourceMappings"]])

    breaker = Breaker("mapping", "Mapping", uuid)
    stack = watched(rig, breaker, worker)
    schedule = replace(stack.schedule(messages=2), gap_ms=CHANGE_MS * 2)
    played = play(stack.deployed, schedule)
    assert played.errors == ()
    assert said[0] == "Disabling"
    assert uuid in said[1]
    assert circuit_of(played).final_state == OPEN
    delivered = [e.messages for e in played.observation.history if e.kind == "delivered"]
    assert delivered == [("m1",)]
    assert {held.message: held.state for held in played.observation.held} == {"m2": "visible"}
    # The next run finds it as the template has it.
    assert play(stack.deployed, stack.schedule()).observation.history[-1].kind != "stored"


def test_only_a_look_at_the_mapping_is_a_look_at_its_state(rig: Any) -> None:
    uuid = mapping_of(rig).uuid

    def worker(event: Any, context: Any) -> None:
        boto3.resource("dynamodb").Table("keys").get_item(Key={"id": "breaker"})
        boto3.client("lambda").get_event_source_mapping(UUID=uuid)
        call()

    played = watched(rig, Breaker("mapping", "Mapping", uuid), worker).play()
    assert steps(played) == [(READ, CLOSED), (CALLED, CLOSED), (ANSWERED, CLOSED)]


def test_a_mapping_that_is_switched_on_again_polls_what_waited(rig: Any) -> None:
    uuid = mapping_of(rig).uuid

    def worker(event: Any, context: Any) -> None:
        client = boto3.client("lambda")
        if "m1" in json.loads(event["Records"][0]["body"])["id"]:
            client.update_event_source_mapping(UUID=uuid, Enabled=False)
            import time

            time.sleep(CHANGE_MS / 1000 * 3)
            client.update_event_source_mapping(UUID=uuid, Enabled=True)

    stack = watched(rig, Breaker("mapping", "Mapping", uuid), worker)
    played = play(stack.deployed, replace(stack.schedule(messages=2), gap_ms=CHANGE_MS * 2))
    assert played.errors == ()
    assert [(before, after) for _, before, after in circuit_of(played).transitions] == [
        *((CLOSED, OPEN), (OPEN, CLOSED))
    ]
    assert played.observation.held == ()


def test_what_else_of_a_mapping_is_changed_is_refused(rig: Any) -> None:
    uuid = mapping_of(rig).uuid

    def worker(event: Any, context: Any) -> None:
        boto3.client("lambda").update_event_source_mapping(UUID=uuid, BatchSize=1)

    with pytest.raises(Exception, match="only Enabled of an event source mapping"):
        watched(rig, table(), worker).play()


def test_late_messages_come_when_all_is_well_again(rig: Any) -> None:
    at: list[tuple[str, int]] = []

    def worker(event: Any, context: Any) -> None:
        call()

    schedule = replace(rig.schedule(OUT, messages=3), late=2)
    played = play(rig.with_handlers(Worker=worker).deployed, schedule)
    history = played.observation.history
    for event in history:
        if event.kind == "attempted" or event.kind == "healed":
            at.append((event.messages[0] if event.messages else "healed", event.at_ms))
    assert [name for name, _ in at] == ["m1", "healed", "m2", "m3"]
    assert at[2][1] - at[1][1] >= 900_000


def test_what_is_written_for_the_breaker_is_no_messages_doing(rig: Any) -> None:
    def worker(event: Any, context: Any) -> None:
        write("OPEN")
        write("OPEN", by=json.loads(event["Records"][0]["body"])["id"])

    played = watched(rig, table(), worker).play()
    effected = [event for event in played.observation.history if event.kind == "effected"]
    assert [(event.messages, event.detail) for event in effected] == [
        ((), "dynamodb.PutItem #1"),
        (("m1",), "dynamodb.PutItem #2"),
    ]
