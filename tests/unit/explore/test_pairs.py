"""Every pair once, the second where the first has led, and the likely ones first."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pytest_storagefirst.explore.pairs import (
    DURING,
    First,
    Pair,
    belongs,
    every_pair,
    first_of,
    first_with_redrive,
    likely_first,
    pairs,
    seconds,
)
from pytest_storagefirst.explore.reduction import representatives, same_kinds, signature
from pytest_storagefirst.explore.sweep import single_faults
from pytest_storagefirst.faults.plan import parse_fault
from pytest_storagefirst.simulation.schedule import Schedule, Send

MESSAGE = (Send("m1", "Orders", {"id": "{unique}"}),)


def judged(judge, *faults, **fields):
    plan = tuple(parse_fault(fault) for fault in faults)
    return judge.judge(Schedule(MESSAGE, plan=plan, **fields))


def first(judge, fault):
    return first_of(judged(judge, fault))


def texts(faults):
    return [str(fault) for fault in faults]


@pytest.fixture(scope="module")
def firsts(losing):
    counts = judged(losing).played.counts
    runs = [judged(losing, str(fault)) for fault in single_faults(losing.deployed, counts)]
    return [first_of(run) for run in runs if run.played.observation.faults_fired]


def test_a_fault_opens_new_sites_for_a_second(sound):
    found = texts(seconds(sound.deployed, first(sound, "Worker: dynamodb.PutItem #1: crash-after")))

    assert "Worker: dynamodb.PutItem #2: crash-after" in found
    assert "Orders: delivery #2: duplicate" in found
    assert "Worker: invocation #2: throttled" in found
    assert "Worker: dynamodb.PutItem #2: refused(throttle) for 150 s" in found
    assert not [text for text in found if "request" in text]  # that is over
    assert not [text for text in found if "#1:" in text]
    assert not [text for text in found if "#3:" in text]


def test_the_sdk_sends_again_what_got_no_answer_within_one_crossing(sound):
    lost = first(sound, "Worker: dynamodb.PutItem #1: response-lost")
    found = texts(seconds(sound.deployed, lost))
    assert "Worker: dynamodb.PutItem #1: refused(access-denied)" in found

    both = judged(
        sound,
        "Worker: dynamodb.PutItem #1: response-lost",
        "Worker: dynamodb.PutItem #1: refused(access-denied)",
    )
    struck = [e.detail for e in both.played.observation.history if e.kind in ("faulted", "called")]
    assert struck[:4] == [
        "dynamodb.PutItem #1",
        "Worker: dynamodb.PutItem #1: response-lost",
        "dynamodb.PutItem #1, attempt 2",
        "Worker: dynamodb.PutItem #1: refused(access-denied)",
    ]


def test_a_redrive_during_an_outage_opens_sites_that_nothing_else_does(sound):
    outage = "Worker: dynamodb.PutItem #1: refused(throttle) for 150 s"
    alone = first(sound, outage)
    during = first_with_redrive(judged(sound, outage, redrives=DURING), alone)
    assert during is not None

    opened = list(seconds(sound.deployed, during))

    assert opened
    assert all(fault.number > alone.until[fault.place, fault.point] for fault in opened)
    assert {pair.redrives for pair in every_pair(sound.deployed, [during])} == {DURING}
    assert first_with_redrive(judged(sound, outage), alone) is None


def test_every_pair_that_can_strike_twice_is_there_once(losing, firsts):
    """Against the plain product: each single fault with all that its run has sites for."""
    found = list(every_pair(losing.deployed, firsts))
    unordered = {frozenset((pair.first, pair.second)) for pair in found}
    for one in firsts[::7]:
        for other in list(single_faults(losing.deployed, one.until))[::5]:
            if other == one.fault or {one.fault, other} in unordered:
                continue
            run = judged(losing, str(one.fault), str(other))
            fired = set(run.played.observation.faults_fired)
            # Two at one crossing: the other one takes it, or strikes at the next one instead.
            same = (one.fault.place, one.fault.point) == (other.place, other.point)
            assert len(fired) < 2 or same, (str(one.fault), str(other))
    assert len(found) == len(set(found))
    assert not [pair for pair in found if pair.first == pair.second]


def test_a_first_comes_back_from_json_as_it_was(firsts):
    for one in firsts:
        assert First.from_json(json.loads(json.dumps(one.to_json()))) == one


def test_single_strikes_at_early_crossings_come_first():
    def pair(one, other, **fields):
        return Pair(parse_fault(f"Worker: {one}"), parse_fault(f"Worker: {other}"), **fields)

    ordered = [
        pair("invocation #1: crash", "dynamodb.PutItem #1: slow"),
        pair("invocation #1: crash", "dynamodb.PutItem #2: slow"),
        pair("dynamodb.PutItem #1: slow", "dynamodb.PutItem #2: slow"),
        pair("invocation #1: crash", "dynamodb.PutItem #3: slow"),
        pair("invocation #1: crash for 9 s", "dynamodb.PutItem #1: slow"),
        pair("invocation #1: crash for 9 s", "dynamodb.PutItem #1: slow", redrives=DURING),
        pair("invocation #1: crash for 9 s", "dynamodb.PutItem #1: crash-before for 9 s"),
    ]
    assert sorted(set(ordered), key=likely_first) == ordered


def test_reduction_leaves_a_part_and_the_rest_is_told(losing, firsts):
    planned = pairs(losing.deployed, firsts, signature(judged(losing)))

    everything = set(every_pair(losing.deployed, firsts))
    assert set(planned.tried) | set(planned.skipped) == everything
    assert len(everything) == len(planned.tried) + len(planned.skipped)
    assert 0.05 < len(planned.skipped) / len(everything) < 0.5


def test_shards_divide_the_pairs(losing, firsts):
    planned = pairs(losing.deployed, firsts, signature(judged(losing)))
    parts = [planned.of((number, 3)) for number in (1, 2, 3)]

    assert sorted(map(str, planned.tried)) == sorted(str(p) for part in parts for p in part.tried)
    assert len(planned.skipped) == sum(len(part.skipped) for part in parts)
    assert all(part.tried for part in parts)
    assert belongs("Worker: invocation #1: crash", (1, 2))  # on every machine, for ever
    assert not belongs("Worker: invocation #1: throttled", (1, 2))


def shown(judge, *faults, **fields):
    return signature(judged(judge, *faults, **fields))


def test_what_a_handler_cannot_tell_apart_has_one_signature(sound):
    crash = shown(sound, "Worker: invocation #1: crash")
    assert crash == shown(sound, "Worker: dynamodb.PutItem #1: crash-after")
    assert crash == shown(sound, "Worker: invocation #1: timeout")
    assert crash != shown(sound, "Worker: dynamodb.PutItem #1: crash-before")
    assert crash != shown(sound, "Orders: delivery #1: ack-lost")
    assert crash != shown(sound)


def test_what_a_run_does_not_show_is_in_its_signature_all_the_same(sound):
    """Module state that is gone, and an outage that is not over."""
    plain = shown(sound)
    assert plain == signature(sound.judge(Schedule(MESSAGE)))
    assert shown(sound, "Worker: invocation #1: recycled") != plain
    assert shown(sound, "Orders: delivery #1: delayed") != plain
    outage = shown(sound, "Worker: invocation #1: throttled for 20 s")
    assert outage != shown(sound, "Worker: invocation #1: throttled")
    assert outage != shown(sound, "Worker: invocation #1: throttled for 21 s")


def test_one_of_each_class_and_none_that_shows_nothing():
    crash, slow, timeout, lost, other = (
        parse_fault(f"Worker: {text}")
        for text in (
            "invocation #1: crash",
            "dynamodb.PutItem #1: slow",
            "invocation #1: timeout",
            "dynamodb.PutItem #1: response-lost",
            "dynamodb.PutItem #2: response-lost",
        )
    )
    signatures = {slow: "a", timeout: "a", crash: "a", lost: "plain", other: "b"}

    assert representatives(signatures, "plain") == [crash, other]
    same = same_kinds(signatures, "plain")
    worker = ("Worker", "invocation")
    assert same[*worker, "timeout", ""] == (*worker, "crash", "")
    put = ("Worker", "dynamodb.PutItem")
    assert same[*put, "response-lost", ""] == (*put, "response-lost", "")


def test_kinds_that_differ_at_some_crossing_are_told_apart():
    crash, timeout = (
        parse_fault("W: invocation #1: crash"),
        parse_fault("W: invocation #1: timeout"),
    )
    signatures = {crash: "a", timeout: "a"}
    signatures |= {replace(crash, number=2): "b", replace(timeout, number=2): "c"}

    same = same_kinds(signatures, "plain")

    assert same["W", "invocation", "timeout", ""] == ("W", "invocation", "timeout", "")
