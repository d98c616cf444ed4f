"""Which runs pass, which don't, and which show nothing; every arm is seen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_storagefirst.ledger.accounting import balance
from pytest_storagefirst.ledger.verdict import OK, UNKNOWN, VIOLATED
from pytest_storagefirst.load.account import verdict
from pytest_storagefirst.load.drain import DEADLINE, DRAINED, SETTLED, Drain
from pytest_storagefirst.load.objectives import judge, parse_objective
from pytest_storagefirst.load.profiles import Action, Phase, Profile
from pytest_storagefirst.load.seconds import Second, quantile, rounded
from pytest_storagefirst.load.values import Facts, Transition, bounds, values
from pytest_storagefirst.target.observe import Sample

UNREAD = ["DeadLetters holds 50 messages that could not be read"]
PROFILE = Profile("p", "", (Phase("act", 10, 1, 1),), ("lost==0",))


def ids(letters):
    return {f"r-{letter}-0" for letter in letters}


def facts(accepted="abc", processed="abc", held="", how=DRAINED, rejected="", **more):
    account = balance(
        attempted=ids(accepted + rejected),
        acknowledged=ids(accepted),
        rejected=ids(rejected),
        effective=ids(processed),
        held=ids(held),
    )
    drain = Drain(1, 60, how=how, ended_s=12.0, amiss=len(account.lost))
    return Facts(profile=PROFILE, account=account, rows={}, drain=drain, **more)


def judged(found, *texts, doubts=()):
    objectives = judge(
        map(parse_objective, texts), values(found), bounds(found), found.trouble, found.in_the_way
    )
    return verdict(found, objectives, doubts)


@pytest.mark.parametrize(
    ("found", "texts", "doubts", "expected"),
    [
        (facts(), ["lost==0"], [], OK),
        (facts(), [], [], OK),
        (facts(processed="ab", how=SETTLED), [], [], VIOLATED),
        (facts(processed="ab", held="c"), ["lost==0"], [], OK),
        (facts(processed="ab", how=DEADLINE), ["lost==0"], [], UNKNOWN),
        (facts(how=DEADLINE), [], [], UNKNOWN),
        (facts(processed="", how=SETTLED), ["lost==0"], [], UNKNOWN),
        (facts(processed="", held="a", how=SETTLED), ["lost==0"], [], VIOLATED),
        (facts(processed="", how=SETTLED), [], [], UNKNOWN),
        (facts(rejected="d", processed="abcd"), [], [], VIOLATED),
        (facts(accepted="", processed=""), [], [], UNKNOWN),
        (facts(), [], ["a worker vanished"], UNKNOWN),
        (facts(processed="ab", how=SETTLED), [], ["a worker vanished"], VIOLATED),
        (facts(processed="ab", how=SETTLED, unread=UNREAD), ["lost==0"], UNREAD, UNKNOWN),
        (facts(processed="", held="a", how=SETTLED, unread=UNREAD), [], UNREAD, UNKNOWN),
        (facts(), ["drain<5s"], [], VIOLATED),
        (facts(how=DEADLINE), ["drain<5s"], [], VIOLATED),
        (facts(how=DEADLINE), ["drain<50s"], [], UNKNOWN),
        (facts(), ["e2e.p99<5s"], [], UNKNOWN),
        (facts(counts={"dropped": 1}), ["dropped_arrivals==0"], [], UNKNOWN),
        (facts(), ["circuit.calls_while_open==0"], [], UNKNOWN),
        (facts(), ["downstream.rate.max1s<=cap"], [], UNKNOWN),
        (facts(dead=frozenset("c")), ["dlq==expected"], [], VIOLATED),
    ],
)
def test_what_a_run_shows(found, texts, doubts, expected):
    verdict, why = judged(found, *texts, doubts=doubts)

    assert verdict == expected, why
    assert bool(why) == (expected != OK)


@pytest.mark.parametrize(
    ("found", "text", "expected"),
    [
        (facts(rejected="d"), "accepted>=99%", UNKNOWN),
        (facts(counts={"unknown": 2}), "unknown==0", UNKNOWN),
        (facts(end_to_end_s={"a": 9.0}), "e2e.p99<5s", UNKNOWN),
        (facts(), "drain<5s", UNKNOWN),
        (facts(how=DEADLINE), "drain<5s", UNKNOWN),
        (facts(processed="ab", how=SETTLED), "drain<5s", VIOLATED),  # by the loss
        (facts(dead=frozenset("c")), "dlq==expected", VIOLATED),
        (facts(counts={"rejected": 1}), "rejected==0", VIOLATED),
    ],
)
def test_what_a_vanished_worker_can_have_moved_shows_nothing(found, text, expected):
    trouble = "worker 1 vanished 13 s into the run"
    verdict, why = judged(replace(found, trouble=trouble), text, doubts=[trouble])

    assert verdict == expected, why
    assert trouble in why
    assert judged(found, text)[0] == VIOLATED


@pytest.mark.parametrize(
    ("found", "text", "expected"),
    [
        (facts(), "drain<5s", UNKNOWN),
        (facts(how=DEADLINE), "drain<5s", UNKNOWN),
        (facts(end_to_end_s={"a": 9.0}), "e2e.p99<5s", UNKNOWN),
        (facts(dead=frozenset("c")), "dlq==expected", UNKNOWN),
        (facts(), "drain<50s", OK),
        (facts(counts={"rejected": 1}), "rejected==0", VIOLATED),
        (facts(processed="ab", how=SETTLED), "drain<5s", VIOLATED),  # by the loss
    ],
)
def test_what_stood_in_the_way_before_is_not_held_against_the_target(found, text, expected):
    before = "when it began, the queues were not empty: 12 messages"
    verdict, why = judged(replace(found, in_the_way=before, found_before=before), text)

    assert verdict == expected, why


def test_a_stack_that_may_do_all_twice_is_no_pass():
    why = "each message leaves 2 effects in Orders that are alike but for their key"
    found = facts(doubled=why)

    assert judged(found, "duplicates==0") == (UNKNOWN, (f"duplicates==0 can't be told: {why}",))
    assert judged(found, "lost==0")[0] == OK
    twice = replace(found, account=replace(found.account, duplicated=frozenset({"r-a-0"})))
    assert judged(twice, "duplicates==0")[0] == VIOLATED


def test_lost_ids_are_named_first():
    _, why = judged(facts(processed="", held="b", how=SETTLED), "lost==0", doubts=["a doubt"])

    assert why[0] == "2 lost: r-a-0, r-c-0"
    assert why[-1] == "a doubt"


def test_nothing_found_anywhere_is_no_proof_of_loss():
    verdict, why = judged(facts(processed="", how=SETTLED))

    assert verdict == UNKNOWN
    assert "none of 3 accepted messages was found anywhere" in why[0]


def seen(*states, downstream=None):
    """What a second each shows: samples, and the changes between them."""
    samples = [
        (float(at), Sample(at, circuit=state, downstream=downstream))
        for at, state in enumerate(states)
    ]
    changes = [
        Transition(float(at), states[at - 1], state)
        for at, state in enumerate(states)
        if at and state != states[at - 1]
    ]
    return {"samples": samples, "transitions": changes}


OUTAGE = [(2.0, Action(2, "downstream", ("outage 3 s", "slow start 5 s", "healthy")))]


def test_the_values_of_a_circuit():
    states = ["CLOSED"] * 4 + ["OPEN"] * 4 + ["HALF_OPEN"] + ["CLOSED"] * 3
    found = facts(**seen(*states), acted=OUTAGE, calls=[1.0, 3.0, 5.5, 8.2])
    measured = values(found)

    assert measured["circuit.opened_within"].value == 2.0
    assert measured["circuit.closed_within"].value == 4.0
    assert measured["circuit.calls_while_open"].value == 1
    assert bounds(found)["probes"].value == 1
    assert bounds(replace(found, recovery_s=1.0))["probes"].value == 4


def rested(calls, rewritten, **more):
    """A circuit that is open from 10 to 190 s, then half opens and closes; rewritten after calls.

    Its probes come every 60 s and are too short to be seen.
    """
    samples = [
        (float(at), Sample(at, circuit="OPEN", circuit_rewritten=at in rewritten))
        for at in range(201)
    ]
    changes = [
        Transition(10.0, "CLOSED", "OPEN"),
        Transition(190.0, "OPEN", "HALF_OPEN"),
        Transition(190.1, "HALF_OPEN", "CLOSED"),
    ]
    return facts(samples=samples, transitions=changes, calls=calls, **more)


RARE_LEAKS = [30.5, 52.5, 63.5, 101.5, 150.5]
LEAKS = [10.5 + 4 * number for number in range(40)]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (rested([70.5, 130.6, 190.0], {71, 131}, recovery_s=60), OK),
        # a call from before it opened failed
        (rested([70.5, 130.6, 190.0], {11, 71, 131}, recovery_s=60), OK),
        (rested([70.5], ()), OK),
        # Probes, or a call in a hundred that gets through: however evenly they come.
        (rested([70.5, 130.6, 190.0], {71, 131}), UNKNOWN),
        (rested([70.5, 130.6, 190.0], ()), VIOLATED),  # nothing tells that it tried
        # No breaker, and each failure counted on its item:
        (rested(LEAKS, {int(at) + 1 for at in LEAKS}), UNKNOWN),
        (rested(RARE_LEAKS, {int(at) + 1 for at in RARE_LEAKS}), UNKNOWN),
        (rested(LEAKS, {int(at) + 1 for at in LEAKS}, recovery_s=60), VIOLATED),
        # Three rests of a minute, and one call more than probes.
        (rested([30.5, 70.5, 130.6, 150.0], {31, 71, 131, 150}, recovery_s=60), VIOLATED),
        (rested([at + n / 9 for at in LEAKS for n in range(3)], set(range(10, 190, 4))), VIOLATED),
    ],
)
def test_calls_do_not_make_room_for_themselves(found, expected):
    verdict, why = judged(found, "circuit.calls_while_open<=probes")

    assert verdict == expected, why


def test_a_breaker_that_never_opens_misses_its_objective():
    found = facts(**seen(*["CLOSED"] * 20), acted=OUTAGE, calls=[])

    assert judged(found, "circuit.opened_within<10s")[0] == VIOLATED
    assert judged(found, "circuit.opened_within<30s")[0] == UNKNOWN
    assert judged(found, "circuit.calls_while_open<=probes")[0] == UNKNOWN


def test_a_breaker_that_stays_open_has_not_closed():
    found = facts(**seen("CLOSED", "CLOSED", *["OPEN"] * 20), acted=OUTAGE, calls=[])

    assert judged(found, "circuit.closed_within<10s")[0] == VIOLATED


def test_the_rate_downstream_is_held_against_its_cap():
    found = facts(**seen(None, None, downstream=5))
    capped = replace(found, profile=replace(PROFILE, downstream_per_s=4.0))

    assert judged(capped, "downstream.rate.max1s<=cap*1.05")[0] == VIOLATED
    assert judged(capped, "downstream.rate.max1s<=cap*1.25")[0] == OK


def test_latencies_leave_out_the_warm_up():
    profile = replace(PROFILE, phases=(Phase("warm-up", 2, 1, 1), Phase("act", 5, 1, 1)))
    slow, quick = Second(), Second()
    slow.latency[5000] += 10
    quick.latency[10] += 99
    quick.latency[20] += 1
    found = replace(facts(), profile=profile, rows={0: slow, 2: quick})

    assert values(found)["ingest.p99"].value == 10
    assert values(found)["ingest.max"].value == 20


def test_quantiles_are_values_that_were_seen():
    assert quantile({}, 0.99) is None
    assert quantile({7: 1}, 0.99) == 7
    assert quantile({1: 98, 5: 1, 9: 1}, 0.99) == 5
    assert quantile({1: 98, 9: 2}, 0.99) == 9
    assert (rounded(0.2), rounded(299.2), rounded(2901)) == (1, 300, 2910)


@pytest.mark.parametrize(
    ("found", "known"),
    [
        (facts(processed="ab", how=SETTLED), "c"),
        (facts(processed="ab", how=SETTLED, unread=UNREAD), ""),
        (facts(processed="ab", how=DEADLINE), ""),
        (facts(processed="", how=SETTLED), ""),
    ],
)
def test_only_what_is_known_to_be_lost_is_told_as_lost(found, known):
    assert found.lost == ids(known)
