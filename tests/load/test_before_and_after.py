"""A run is not judged under what the one before it left, and leaves nothing out of order."""

from __future__ import annotations

import pytest

from pytest_storagefirst.load.preparing import FoundBefore, found_before
from pytest_storagefirst.load.profiles import Action, Phase, Profile
from pytest_storagefirst.target.observe import Sample

from .conftest import wait_until


def test_the_third_party_is_healed_before_and_after(door, load):
    server = door(held=3)
    ended = load(server, "out-of-order").ended()

    assert ended.exit == 4, ended.text  # nobody called the third party
    assert server.state()["scripts"] == [None, ["outage 150 s", "healthy"], None]
    told = "when it began, the queues were not empty: 3 messages"
    assert ended.text.count(told) == 2  # at its beginning, and in the verdict
    assert ended.report["why"][-1] == told


def test_the_last_second_has_all_readings(door, load):
    ended = load(door(count_s=0.8), "short").ended()

    assert ended.exit == 0, ended.text
    last = ended.report["timeline"][-1]
    assert last["processed"] == ended.report["ledger"]["processed"]


def test_a_run_without_its_report_shows_nothing(door, load):
    running = load(door(), "short")
    report = running.folder / "report"
    wait_until(report.is_dir, "the report's folder")
    (report / "junit.xml").mkdir()  # as full as a disk
    ended = running.ended()

    assert ended.exit == 4, ended.text
    assert "why: the report can't be written" in ended.text
    assert "\nreport: " not in ended.text
    assert ended.report["verdict"] == "unknown"


@pytest.mark.parametrize(
    ("sample", "actions", "told", "in_the_way"),
    [
        (Sample(0), (), "", ""),
        (Sample(0, visible=0, in_flight=0, dead=0, circuit="CLOSED"), (), "", ""),
        (Sample(0, visible=1, in_flight=0), (), *["the queues were not empty: 1 message"] * 2),
        (Sample(0, visible=1, in_flight=2), (), *["the queues were not empty: 3 messages"] * 2),
        (
            Sample(0, dead=4, circuit="OPEN"),
            (),
            "the circuit was OPEN, dead-letter queues held 4",
            "the circuit was OPEN",
        ),
        (Sample(0, dead=4), (), "dead-letter queues held 4", ""),
        (Sample(0, dead=4), (Action(3, "redrive"),), *["dead-letter queues held 4"] * 2),
    ],
)
def test_what_was_there_already_is_told(sample, actions, told, in_the_way):
    profile = Profile("p", "", (Phase("act", 10, 1, 1),), (), actions=actions)
    before = "when it began, "

    assert found_before(sample, profile) == FoundBefore(
        told and before + told, in_the_way and before + in_the_way
    )
