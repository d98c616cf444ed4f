"""Messages come by the clock: a target that stalls is seen to."""

from __future__ import annotations


def test_a_stall_of_the_target_shows_in_the_latency_from_the_due_moment(door, load):
    server = door(stall_from_s=1, stall_s=3)
    ended = load(server, "stalled", "--slo", "ingest.p99<1s").ended()
    [objective] = [one for one in ended.report["objectives"] if one["unit"] == "ms"]

    assert ended.exit == 3, ended.text
    assert objective["value"] >= 2500
    assert ended.report["ledger"]["attempted"] == 501
    assert ended.report["ledger"]["lost"] == []


def test_dropped_arrivals_are_never_a_pass(door, load):
    server = door(stall_from_s=1, stall_s=2)
    ended = load(server, "few-senders").ended()

    assert ended.exit == 4, ended.text
    assert "dropped by the generator (no sender was free)" in ended.text
    assert ended.report["ledger"]["attempted"] == len(server.state()["requests"]) < 151
