"""Senders: what they are told, and the faults at the front door."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_storagefirst.errors import EntryError, SimulationError
from pytest_storagefirst.simulation.calls import lanes
from pytest_storagefirst.simulation.playing import play_on
from pytest_storagefirst.simulation.queues import calls
from pytest_storagefirst.simulation.schedule import Send


def told(played: Any) -> list[tuple[str, str]]:
    return [
        (event.kind, event.detail)
        for event in played.observation.history
        if event.kind in ("acknowledged", "rejected", "indeterminate")
    ]


def stored(played: Any) -> int:
    return sum(event.kind == "stored" for event in played.observation.history)


def test_a_message_is_stored_and_acknowledged(rig: Any, kinds: Any) -> None:
    played = rig.play()
    assert kinds(played)[:3] == ["attempted", "stored", "acknowledged"]
    assert told(played) == [("acknowledged", "200")]


@pytest.mark.parametrize(
    ("variant", "outcome"),
    [
        ("throttle", ("rejected", "403")),
        ("server-error", ("indeterminate", "500")),
        ("access-denied", ("rejected", "403")),
    ],
)
def test_storage_that_refuses_stores_nothing(
    rig: Any, variant: str, outcome: tuple[str, str]
) -> None:
    played = rig.play(f"Queue: request #1: storage-refused({variant})", messages=2)
    assert told(played) == [outcome, ("acknowledged", "200")]
    assert stored(played) == 1


def test_a_throttled_front_door_stores_nothing(rig: Any) -> None:
    played = rig.play("Queue: request #1: gateway-throttled")
    assert told(played) == [("rejected", "429")]
    assert stored(played) == 0


def test_a_sender_that_saw_no_answer_sends_the_same_again(rig: Any) -> None:
    bodies: list[str] = []

    def worker(event: Any, context: Any) -> None:
        bodies.extend(record["body"] for record in event["Records"])

    played = rig.with_handlers(Worker=worker).play("Queue: request #1: sender-resends")
    assert [kind for kind, _ in told(played)] == ["indeterminate", "acknowledged"]
    assert stored(played) == 2
    assert len(set(bodies)) == 1


def test_a_fifo_queue_drops_what_is_sent_again(rig: Any, kinds: Any) -> None:
    played = rig.play("Lines: request #1: sender-resends", entry="Lines")
    assert stored(played) == 1
    assert "deduplicated" in kinds(played)


def test_under_a_message(rig: Any) -> None:
    played = rig.play("Queue: request #1 under m2: gateway-throttled", messages=3)
    assert [kind for kind, _ in told(played)] == ["acknowledged", "rejected", "acknowledged"]


def test_lasting(rig: Any) -> None:
    played = rig.play("Queue: request #1: gateway-throttled 2 times", messages=3)
    assert [kind for kind, _ in told(played)] == ["rejected", "rejected", "acknowledged"]


def test_an_entry_that_is_not_there(rig: Any) -> None:
    simulation = rig.simulation()
    with simulation.running():
        simulation.begin()
        with pytest.raises(EntryError, match="no entry 'Nowhere'") as error:
            simulation.send(Send("m1", "Nowhere", {}))
    assert error.value.found == "Queue, Lines"


def test_bodies_are_sent_as_they_are(rig: Any) -> None:
    for body, expected in (
        ({"a": "é{unique}", "{unique}": [1]}, '{"a": "éTOKEN", "TOKEN": [1]}'),
        ("plain {unique} text", "plain TOKEN text"),
        ([1.5, None, True], "[1.5, null, true]"),
    ):
        bodies: list[str] = []

        def worker(event: Any, context: Any, bodies: list[str] = bodies) -> None:
            bodies.extend(record["body"] for record in event["Records"])

        simulation = rig.with_handlers(Worker=worker).simulation(body=body)
        play_on(simulation)
        assert bodies == [expected.replace("TOKEN", simulation.identities.token("m1"))]


def test_moto_failing_at_the_front_door_is_unknown(
    rig: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "send_message", lambda *arguments: None)
    monkeypatch.setattr(lanes, "_is_fast", lambda *arguments: False)
    monkeypatch.setattr(lanes, "_route", lambda url: None)
    with pytest.raises(SimulationError, match="moto does not answer"):
        rig.play()


def test_what_sqs_refuses_is_rejected(rig: Any) -> None:
    played = rig.play(body="x" * 2_000_000)
    assert told(played) == [("rejected", "400")]
    assert stored(played) == 0
