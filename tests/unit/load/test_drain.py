from __future__ import annotations

from pytest_storagefirst.load.drain import DEADLINE, DRAINED, SETTLED, Drain

K = {"a", "b", "c"}


def course(looks, settle_s=10, deadline_s=60):
    """How it ends, and when, with (seconds, processed, aside, quiet) one after the other."""
    drain = Drain(settle_s, deadline_s)
    for since_s, processed, aside, quiet in looks:
        if drain.look(since_s, K, set(processed), set(aside), quiet):
            break
    return drain.how, drain.ended_s, drain.amiss


def test_all_processed_and_quiet():
    assert course([(0, "a", "", False), (1, "abc", "", False), (2, "abc", "", True)]) == (
        DRAINED,
        2,
        0,
    )


def test_what_was_set_aside_is_waited_for_no_longer():
    assert course([(1, "ab", "", True), (2, "ab", "c", True)]) == (DRAINED, 2, 0)


def test_what_is_amiss_is_given_time_to_turn_up():
    looks = [(since, "ab", "", True) for since in range(20)]
    assert course(looks) == (SETTLED, 1, 1)  # the first look has nothing to compare with
    assert course(looks[:10]) == ("", 0, 1)


def test_each_effect_and_each_unrest_begins_that_time_again():
    looks = [(0, "a", "", True), (8, "ab", "", True), (12, "ab", "", False), (13, "ab", "", True)]
    looks += [(since, "ab", "", True) for since in (20, 22, 23)]
    assert course(looks) == (SETTLED, 13, 1)


def test_a_stack_that_never_rests_meets_the_deadline():
    assert course([(since, "abc", "", False) for since in range(70)]) == (DEADLINE, 60, 0)


def test_one_that_nobody_waits_for():
    drain = Drain(10, 60)
    drain.leave_out(8.4)
    drain.leave_out(9.0)

    assert (drain.how, drain.ended_s, drain.is_left_out) == (DEADLINE, 8.4, True)
    assert drain.look(10, K, K, set(), True)
