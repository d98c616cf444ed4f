"""The ledger of a load run equals what the target itself counted, however many sent."""

from __future__ import annotations

import pytest

from .conftest import free_port, wait_until


def equals(report, state):
    """Whether each message is accounted for as the server saw it."""
    ledger = report["ledger"]
    assert ledger["attempted"] == len(state["requests"])
    assert ledger["processed"] == len(state["effects"])
    assert ledger["accepted"] == len(state["accepted"])
    assert sum(row["offered"] for row in report["timeline"]) + 1 == ledger["attempted"]


@pytest.mark.parametrize("processes", ["0", "2"])
def test_one_process_and_several_count_what_the_server_counted(door, load, processes):
    server = door()
    ended = load(server, "short", "--processes", processes).ended()

    assert ended.exit == 0, ended.text
    assert ended.report["verdict"] == "ok"
    assert 200 < ended.report["ledger"]["accepted"] < 400
    equals(ended.report, server.state())


def test_a_master_and_two_workers_count_what_the_server_counted(door, locust):
    server, port = door(), str(free_port())
    master = locust(
        server,
        *("--master", "--headless", "--expect-workers", "2", "--master-bind-port", port),
        *("--storagefirst-load-profile", "short", "--storagefirst-report", "report"),
    )
    workers = [locust(server, "--worker", "--master-port", port) for _ in range(2)]
    ended = master.ended()

    assert ended.exit == 0, ended.text
    equals(ended.report, server.state())
    assert {message.split("-")[1] for message in server.state()["requests"]} == {"pilot", "0", "1"}
    assert [worker.ended().exit for worker in workers] == [0, 0]


def test_what_is_not_a_yes_is_told_apart(door, load):
    server = door(reset_every=19, reject_every=31, fail_every=47)
    ended = load(server, "short").ended()
    ledger, state = ended.report["ledger"], server.state()

    assert ended.exit == 0, ended.text
    assert ledger["accepted"] == len(state["accepted"])
    assert ledger["rejected"] > 0
    assert ledger["unknown"] > ledger["rejected"]
    assert ledger["recovered"] == ledger["unknown"]  # they had been taken all the same
    assert ledger["attempted"] == len(state["requests"])


def test_a_stack_that_does_a_message_twice_is_caught(door, load):
    server = door(double_every=100)
    ended = load(server, "short").ended()
    twice = {message for message, count in server.state()["effects"].items() if count > 1}

    assert ended.exit == 3, ended.text
    assert set(ended.report["ledger"]["duplicated"]) == twice


def test_messages_sent_twice_and_bad_ones_are_one_message_each(door, load):
    server = door()
    ended = load(server, "mixed").ended()
    requests = server.state()["requests"]

    assert ended.exit == 0, ended.text
    assert ended.report["ledger"]["attempted"] == len(requests)
    # every tenth is bad; of the others every fifth, counted over all, is sent twice
    assert sum(count == 2 for count in requests.values()) in range(20, 41)
    assert max(requests.values()) == 2


def test_a_worker_that_is_killed_leaves_no_wrong_verdict(door, load):
    server = door()
    running = load(server, "long", "--processes", "2")
    wait_until(lambda: len(server.state()["requests"]) > 100, "a hundred messages")
    running.descendants()[-1].kill()
    ended = running.ended()
    ledger, state = ended.report["ledger"], server.state()

    assert ended.exit == 4, ended.text
    assert "vanished" in ended.text
    # its journal tells what it could not report
    assert ledger["attempted"] == len(state["requests"])
    assert ledger["accepted"] + ledger["unknown"] == len(state["requests"])
    assert ledger["lost"] == []


def test_workers_end_with_a_leader_that_is_killed(door, load):
    server = door()
    running = load(server, "long", "--processes", "2")
    wait_until(lambda: len(server.state()["requests"]) > 100, "a hundred messages")
    leader, *workers = running.descendants()
    leader.kill()
    ended = running.ended()
    wait_until(lambda: not any(one.is_running() for one in workers), "the workers end")

    assert len(workers) == 2
    assert ended.exit == 4, ended.text
    assert "ended with -9 and without a verdict" in ended.text
    assert len(server.state()["requests"]) < 481  # they did not go on to the end


def test_a_loss_stands_though_a_worker_was_killed(door, load):
    server = door(lose_every=50)
    running = load(server, "long", "--processes", "2")
    wait_until(lambda: len(server.state()["requests"]) > 100, "a hundred messages")
    running.descendants()[-1].kill()
    ended = running.ended()

    assert ended.exit == 3, ended.text
    assert set(ended.report["ledger"]["lost"]) <= set(server.state()["lost"])
    assert len(ended.report["ledger"]["lost"]) >= len(server.state()["lost"]) - 1
