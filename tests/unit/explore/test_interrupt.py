"""Ctrl-C waits for the end of a run, and only there."""

from __future__ import annotations

import signal
import threading

import pytest

from pytest_storagefirst.explore.interrupt import BetweenRuns, silence


@pytest.fixture(autouse=True)
def as_usual():
    """As a shell starts pytest; in a background job it may be ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt():
    signal.raise_signal(signal.SIGINT)


def test_it_comes_with_the_next_call():
    told = []
    with BetweenRuns(lambda *progress: told.append(progress)) as checked:
        checked(1, None, "pairs")
        interrupt()
        told.append("went on")
        with pytest.raises(KeyboardInterrupt):
            checked(2, 9, "pairs")

    assert told == [(1, None, "pairs"), "went on", (2, 9, "pairs")]


def test_before_the_first_call_it_comes_at_once():
    with BetweenRuns(silence), pytest.raises(KeyboardInterrupt):
        interrupt()


def test_one_that_was_swallowed_before_the_first_call_comes_with_it():
    with BetweenRuns(silence) as checked:
        with pytest.raises(KeyboardInterrupt):
            interrupt()
        with pytest.raises(KeyboardInterrupt):
            checked(1, None, "")


def test_a_second_one_does_not_wait():
    with BetweenRuns(silence) as checked:
        checked(1, None, "")
        interrupt()
        with pytest.raises(KeyboardInterrupt):
            interrupt()


def test_afterwards_all_is_as_before():
    with BetweenRuns(silence) as checked:
        checked(1, None, "")

    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(KeyboardInterrupt):
        interrupt()


def test_one_that_no_call_followed_is_known():
    with BetweenRuns(silence) as checked:
        checked(1, None, "")
        assert not checked.asked
        interrupt()

    assert checked.asked


def test_what_is_ignored_stays_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with BetweenRuns(silence) as checked:
        interrupt()
        checked(1, None, "")

    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_in_another_thread_nothing_changes():
    given = []

    def run():
        with BetweenRuns(silence) as checked:
            given.append(checked)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()

    assert len(given) == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
