"""Third parties by script, in real time, without a server."""

from __future__ import annotations

import pytest

from pytest_storagefirst.errors import FaultError
from pytest_storagefirst.settings import Downstream, Reply
from pytest_storagefirst.target.third_parties import ThirdParties

CHARGES = "https://payments.example/charges"


class Clock:
    now_ms = 1_000_000

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


def call(parties: ThirdParties, url: str = CHARGES, **headers: str):
    arrival, answer = parties.arrive("POST", url, headers, b"{}")
    parties.leave(arrival)
    return answer


def statuses(parties: ThirdParties, number: int) -> list[int]:
    return [call(parties).status for _ in range(number)]


def test_it_answers_as_described_and_200_to_what_nobody_described(clock):
    described = Downstream(CHARGES, "POST", Reply(201, json={"ok": True}))
    parties = ThirdParties([described], clock)

    assert (call(parties).status, call(parties).body) == (201, b'{"ok": true}')
    assert (call(parties, "https://other.example/a").body) == b"{}"
    assert [one["downstream"] for one in parties.counts()["seconds"]] == [
        "https://other.example",
        CHARGES,
    ]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("outage 10 s", [0, 0, 0, 0]),
        ("brownout 10 s", [503, 200, 503, 200]),
        ("flapping 10 s", [503, 503, 503, 503]),
        ("throttled 10 s", [429, 429, 429, 429]),
        ("response lost 10 s", [0, 0, 0, 0]),
        ("healthy 10 s", [200, 200, 200, 200]),
    ],
)
def test_a_step_lasts_as_long_as_it_says(clock, step, expected):
    parties = ThirdParties([Downstream(CHARGES)], clock)
    parties.script([step, "healthy"])

    assert statuses(parties, 4) == expected
    clock.now_ms += 10_000
    assert statuses(parties, 4) == [200] * 4


def test_a_slow_start_gets_quicker(clock):
    parties = ThirdParties([Downstream(CHARGES)], clock)
    parties.script(["slow start 60 s"])

    assert [call(parties).delay_s for _ in range(3)] == [8.0, 4.0, 2.0]


def test_a_script_of_the_settings_begins_with_the_first_call(clock):
    parties = ThirdParties([Downstream(CHARGES, script=("outage 5 s", "healthy"))], clock)
    clock.now_ms += 60_000

    assert statuses(parties, 2) == [0, 0]
    clock.now_ms += 5_000
    assert statuses(parties, 1) == [200]


def test_the_last_script_for_a_url_holds_and_leaves_others_alone(clock):
    parties = ThirdParties([Downstream(CHARGES)], clock)
    parties.script(["outage 60 s"], "https://payments.example")

    assert call(parties, "https://mail.example/send").status == 200
    assert call(parties).status == 0
    parties.script(["healthy"])
    assert call(parties).status == 200


def test_beyond_its_caps_it_answers_429(clock):
    parties = ThirdParties([Downstream(CHARGES, per_second=2)], clock)
    assert statuses(parties, 3) == [200, 200, 429]
    clock.now_ms += 1000
    assert statuses(parties, 1) == [200]

    one_at_once = ThirdParties([Downstream(CHARGES, at_once=1)], clock)
    first, answer = one_at_once.arrive("POST", CHARGES, {}, b"")
    assert (answer.status, answer.delay_s) == (200, 0.2)
    assert one_at_once.arrive("POST", CHARGES, {}, b"")[1].status == 429
    one_at_once.leave(first)


def test_what_was_asked_is_counted_by_the_second_and_kept_call_by_call(clock):
    parties = ThirdParties([Downstream(CHARGES, per_second=1)], clock)
    call(parties, **{"Idempotency-Key": "o-1"})
    call(parties)
    clock.now_ms += 1000
    parties.script(["outage 1 s"])
    call(parties)

    counts = parties.counts()
    asked = {"downstream": CHARGES, "failed": 0}
    assert counts["seconds"] == [
        {**asked, "at_s": 1000, "calls": 2, "taken": 1, "throttled": 1, "refused": 0},
        {**asked, "at_s": 1001, "calls": 1, "taken": 0, "throttled": 0, "refused": 1},
    ]
    assert parties.counts(since_s=1001)["seconds"] == counts["seconds"][1:]
    assert [one["key"] for one in parties.calls()] == ["o-1", None, None]
    assert [one["answer"] for one in parties.calls(since_ms=1_001_000)] == ["refused"]


def test_the_key_is_where_the_settings_say(clock):
    parties = ThirdParties([Downstream(CHARGES, idempotency="id")], clock)
    arrival, _ = parties.arrive("POST", CHARGES, {}, b'{"id": "m-1"}')

    assert arrival.key == '"m-1"'


def test_a_wrong_script_is_refused_and_changes_nothing(clock):
    parties = ThirdParties([Downstream(CHARGES)], clock)

    with pytest.raises(FaultError, match="no third party is 'outrage'"):
        parties.script(["outrage 5 s"])
    assert statuses(parties, 1) == [200]
