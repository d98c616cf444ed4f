"""An environment can die anywhere: before and after each call, before the return, after it."""

from __future__ import annotations

import pytest

from pytest_storagefirst.explore.sweep import single_faults
from pytest_storagefirst.simulation.schedule import Schedule, Send

WORK = """
import urllib.request
table.get_item(Key={"id": body["id"]})
urllib.request.urlopen("https://shop.example/notify", data=b"{}").read()
"""
TOML = '[[downstream]]\nurl = "https://shop.example/notify"\nmethod = "POST"\n'
HTTP = "http POST https://shop.example/notify"
GET, PUT = "dynamodb.GetItem", "dynamodb.PutItem"
MESSAGE = (Send("m1", "Orders", {"id": "{unique}"}),)

# Each with what the history says of the handler's way up to the moment of death: calls and effects.
CALLED_GET = [f"called {GET} #1"]
CALLED_HTTP = [*CALLED_GET, f"called {HTTP} #1"]
NOTIFIED = [*CALLED_HTTP, f"effected {HTTP} #1"]
CALLED_PUT = [*NOTIFIED, f"called {PUT} #1"]
STORED = [*CALLED_PUT, f"effected {PUT} #1"]
CRASH_POINTS = {
    f"Worker: {GET} #1: crash-before": CALLED_GET,
    f"Worker: {HTTP} #1: crash-before": CALLED_HTTP,
    f"Worker: {HTTP} #1: crash-after": NOTIFIED,
    f"Worker: {PUT} #1: crash-before": CALLED_PUT,
    f"Worker: {PUT} #1: crash-after": STORED,
    "Worker: invocation #1: crash": STORED,  # between the last effect and the return
    "Orders: delivery #1: ack-lost": STORED,  # between the return and the mapping's delete
}


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    from tests.unit.explore.conftest import Workshop

    workshop = Workshop(tmp_path_factory.mktemp("crashes"))
    return workshop.judge(workshop.working(WORK.strip(), toml=TOML))


@pytest.fixture(scope="module")
def swept(judge):
    counts = judge.play(Schedule(MESSAGE)).counts
    return {str(fault): fault for fault in single_faults(judge.deployed, counts)}


@pytest.mark.parametrize("text", CRASH_POINTS)
def test_the_sweep_tries_it_and_it_fires_there(judge, swept, text):
    observed = judge.play(Schedule(MESSAGE, plan=(swept[text],))).observation

    history = list(observed.history)
    kinds = [event.kind for event in history]
    assert observed.faults_fired == (text,)
    delivered = kinds.index("delivered")
    ended = next(at for at in range(delivered, len(kinds)) if kinds[at] in ("succeeded", "failed"))
    way = [f"{e.kind} {e.detail}" for e in history[delivered:ended] if e.kind != "faulted"][1:]
    assert way == CRASH_POINTS[text]
    returns = "ack-lost" in text
    assert kinds[ended] == ("succeeded" if returns else "failed")
    assert history[ended].detail == ("" if returns else "crash")
    assert kinds.count("delivered") == 2  # nothing was deleted: it comes again
    assert kinds.count("deleted") == 1


def test_no_other_place_to_die_is_left_out(swept):
    """After a read the world is as it was: to die there is to die before what follows it."""
    crashes = {text for text in swept if " for " not in text and "crash" in text}

    assert crashes | {"Orders: delivery #1: ack-lost"} == set(CRASH_POINTS)
