"""Third parties that do what a script says, take only so much, and whose calls are counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from pytest_storagefirst.ledger.load import FAILED, TAKEN, THROTTLED
from pytest_storagefirst.scripts import parse_step
from pytest_storagefirst.simulation.deployed import Downstream

URL = "https://pay.example/charge"


class Caller:
    """Calls once a second, and keeps what it was told: a status, or an error's name."""

    def __init__(self, count: int, pause_seconds: float = 1.0) -> None:
        self.count = count
        self.pause_seconds = pause_seconds
        self.told: list[Any] = []
        self.waited: list[str | None] = []
        self.seconds: list[float] = []

    def __call__(self, event: Any, context: Any) -> None:
        for _ in range(self.count):
            began = time.time()
            try:
                answer = requests.post(URL, json={"a": 1}, timeout=(0.2, 20))
            except requests.RequestException as error:
                self.told.append(type(error).__name__)
            else:
                self.told.append(answer.status_code)
                self.waited.append(answer.headers.get("Retry-After"))
            self.seconds.append(round(time.time() - began, 1))
            time.sleep(max(0.0, began + self.pause_seconds - time.time()))


def scripted(*steps: str, **more: Any) -> Downstream:
    return Downstream(URL, script=tuple(map(parse_step, steps)), **more)


@pytest.fixture
def playing(rig: Any) -> Callable[..., Any]:
    def playing(downstream: Downstream, caller: Any, *faults: str, **more: Any) -> Any:
        stack = rig.with_downstreams(downstream).with_function("Worker", timeout_seconds=600)
        return stack.with_handlers(Worker=caller).play(*faults, **more)

    return playing


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        (["healthy 2 s", "outage 2 s"], [200, 200, "ConnectTimeout", "ConnectTimeout", 200]),
        (["brownout 4 s", "healthy"], [503, 200, 503, 200, 200]),
        (["flapping 25 s"], [503] * 10 + [200] * 10 + [503] * 5 + [200]),
        (["throttled 2 s, retry after 7 s"], [429, 429, 200]),
        (["response lost 1.5 s"], ["ReadTimeout", 200]),
    ],
)
def test_a_script_goes_by_virtual_time(playing, steps, told):
    caller = Caller(len(told))
    playing(scripted(*steps), caller)
    assert caller.told == told


def test_a_429_says_when_to_come_again(playing):
    caller = Caller(3)
    playing(scripted("throttled 1 s", "throttled 1 s, retry after 7 s"), caller)
    assert caller.waited == ["5", "7", None]


def test_a_fault_429_says_it_too(rig):
    caller = Caller(2)
    rig.with_handlers(Worker=caller).play(f"Worker: http POST {URL} #1: http-429")
    assert (caller.told, caller.waited) == ([429, 200], ["5", None])


def test_slow_answers_get_quicker(playing):
    caller = Caller(5, pause_seconds=0)
    playing(scripted("slow start 30 s"), caller)
    assert caller.told == [200] * 5
    assert caller.seconds == [8.0, 4.0, 2.0, 1.0, 0.5]


def test_a_client_with_less_patience_loses_sight_of_what_was_done(rig):
    def worker(event: Any, context: Any) -> None:
        with pytest.raises(requests.ReadTimeout):
            requests.post(URL, json={"a": 1}, timeout=1)

    played = rig.with_handlers(Worker=worker).play(f"Worker: http POST {URL} #1: slow-start")
    assert played.errors == ()
    assert [one.place for one in played.observation.effects] == [f"http POST {URL}"]


def test_a_charge_whose_answer_was_lost_is_a_charge(playing):
    played = playing(scripted("response lost 5 s"), Caller(1))
    assert [one.kind for one in played.observation.effects] == ["emission"]
    assert [call.answer for call in played.observation.load.calls] == [FAILED]


def test_a_flapping_fault_goes_by_the_time_since_it_struck(rig):
    caller = Caller(24)
    rig.with_function("Worker", timeout_seconds=600).with_handlers(Worker=caller).play(
        f"Worker: http POST {URL} #2: flapping for 90 s"
    )
    assert caller.told == [200] + [503] * 10 + [200] * 10 + [503] * 3


def test_beyond_its_rate_it_answers_429_and_has_done_nothing(playing):
    caller = Caller(6, pause_seconds=0.2)
    played = playing(scripted(per_second=3), caller)
    assert caller.told == [200, 200, 200, 429, 429, 200]
    assert caller.waited[3] == "1"
    assert [call.answer for call in played.observation.load.calls] == [
        *(TAKEN, TAKEN, TAKEN, THROTTLED, THROTTLED, TAKEN)
    ]
    assert sum(one.kind == "emission" for one in played.observation.effects) == 4


def test_beyond_so_many_at_once_it_answers_429(playing):
    def worker(event: Any, context: Any) -> None:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(3) as threads:
            told.extend(threads.map(lambda _: requests.post(URL, timeout=20).status_code, "abc"))

    told: list[int] = []
    playing(scripted(at_once=2), worker)
    assert sorted(told) == [200, 200, 429]


@pytest.mark.parametrize("fault", ["crash-after", "slow"])
def test_what_an_environment_died_amid_is_over(rig, fault):
    caller = Caller(1)
    stack = rig.with_downstreams(scripted(at_once=1)).with_handlers(Worker=caller)
    stack.play(f"Worker: http POST {URL} #1: {fault}")
    assert caller.told == [200]


def test_calls_are_counted_by_the_second(playing):
    played = playing(Downstream(URL), Caller(5, pause_seconds=0.5))
    assert played.observation.load.per_second(URL) == {0: 2, 1: 2, 2: 1}
    assert played.observation.load.caps == ()


def test_without_third_parties_and_caps_nothing_is_watched(rig):
    assert rig.simulation().load is None


def test_what_no_connection_reaches_is_no_call(playing):
    played = playing(scripted("outage 5 s"), Caller(2))
    assert played.observation.load.calls == ()
