"""Parts make a whole: the worst verdict, everything counted once, nothing missing unnoticed."""

from __future__ import annotations

import itertools
import json

import pytest

from pytest_storagefirst.explore.coverage import BROKE, HELD, NEVER_FIRED, NOT_TRIED, Cell, Coverage
from pytest_storagefirst.explore.graph import Graph, Node
from pytest_storagefirst.explore.merging import combine, merge_results, shard_note
from pytest_storagefirst.explore.result import PropertyResult, StackResult

NAME = "no-message-loss"


def witness(*plan, messages=1):
    sends = [{"message": f"m{n}", "entry": "Orders", "body": {}} for n in range(1, messages + 1)]
    schedule = {
        "workload": sends,
        "plan": list(plan),
        "choices": [],
        "seed": 0,
        "concurrency": 1,
        "batch_limit": 0,
        "one_by_one": False,
        "redrives": ["after"],
    }
    return {"schedule": schedule, "bad": [], "kept": {}}


def part(verdict, why="", runs=1, faults=0, shard=(1, 1), witness=None, **fields):
    one = PropertyResult(NAME, verdict, why, runs, faults, witness=witness)
    return StackResult("template.yaml", (one,), shard=shard, **fields)


def merged(*parts, merge=combine):
    (one,) = merge(parts).properties
    return one


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (("ok", "violated", "unknown"), "violated"),
        (("ok", "unknown", "ok"), "unknown"),
        (("ok", "ok"), "ok"),
    ],
)
def test_the_worst_verdict_is_that_of_the_whole(verdicts, expected):
    for order in itertools.permutations(verdicts):
        assert merged(*(part(verdict, verdict) for verdict in order)).verdict == expected


def test_a_part_without_runs_says_nothing_where_another_has_some():
    idle = part("not-applicable", "nothing was redriven in any run", runs=0)
    silent = part("unknown", "no run shows anything: x", runs=0)
    without = part("not-applicable", "", runs=0)

    assert merged(idle, part("ok", runs=3), silent).verdict == "ok"
    assert merged(without, idle).why == "nothing was redriven in any run"
    assert merged(idle, silent, without).verdict == "unknown"


def test_runs_and_faults_add_up():
    one = merged(part("ok", runs=3, faults=2), part("ok", runs=4, faults=1))

    assert (one.runs, one.faults_tried) == (7, 3)


def test_the_smallest_witness_is_chosen_whatever_the_order():
    crash = "Worker: invocation #1: crash"
    parts = [
        part("violated", "two", witness=witness(crash, "Worker: invocation #2: crash")),
        part("violated", "long", witness=witness(f"{crash} for 90 s")),
        part("violated", "one", witness=witness(crash)),
        part("violated", "more", witness=witness(crash, messages=2)),
        part("violated", "lost", witness=None),
        part("ok"),
    ]
    for order in itertools.permutations(parts):
        assert merged(*order).why == "one"


def test_the_busiest_run_is_told_of_what_holds():
    few, many = (("https://a/", 0, 3),), (("https://a/", 0, 1), ("https://a/", 7, 4))
    parts = [
        StackResult("template.yaml", (PropertyResult(NAME, verdict, runs=1, calls=calls),))
        for verdict, calls in (("ok", few), ("ok", many), ("ok", ()))
    ]
    for order in itertools.permutations(parts):
        assert merged(*order).calls == many
    broken = StackResult("template.yaml", (PropertyResult(NAME, "violated", runs=1, calls=few),))
    assert merged(*parts, broken).calls == few
    assert StackResult.from_json(json.loads(json.dumps(broken.to_json()))) == broken


def test_the_ground_covered_is_that_of_all():
    def covered(*outcomes, **counts):
        cells = tuple(Cell("Worker: x #1", f"f{n}", one) for n, one in enumerate(outcomes))
        return part("ok", coverage=Coverage(cells, **counts))

    found = combine(
        [
            covered(HELD, NOT_TRIED, NOT_TRIED, NOT_TRIED, pairs_tried=2, sometimes={"redrive": 1}),
            covered(NOT_TRIED, BROKE, NEVER_FIRED, NOT_TRIED, pairs_tried=3, pairs_left=1, drawn=4),
        ]
    ).coverage

    assert [cell.outcome for cell in found.cells] == [HELD, BROKE, NEVER_FIRED, NOT_TRIED]
    assert (found.pairs_tried, found.pairs_left, found.drawn) == (5, 1, 4)
    assert found.sometimes == {"redrive": 1}


def test_what_was_interrupted_did_not_hold():
    found = merged(part("ok", runs=2), part("ok", runs=1, interrupted=True))
    assert (found.verdict, found.why) == ("unknown", "interrupted after 3 runs, all of them ok")
    assert merged(part("violated", interrupted=True)).verdict == "violated"


def shard(number, of, verdict="ok"):
    return part(verdict, shard=(number, of), notes=(shard_note((number, of)), "a note"))


def test_shards_make_a_whole():
    whole = merge_results([shard(3, 3), shard(1, 3), shard(2, 3)])

    assert (whole.properties[0].verdict, whole.shard) == ("ok", (1, 1))
    assert whole.notes == ("a note",)


@pytest.mark.parametrize(
    ("present", "why"),
    [
        ([1, 3], "shard 2 of 3 is missing"),
        ([2, 2], "shard 1, 3 of 3 are missing"),
        ([1], "shard 2, 3 of 3 are missing"),
    ],
)
def test_a_missing_shard_leaves_what_held_unknown(present, why):
    one = merged(*(shard(number, 3) for number in present), merge=merge_results)
    assert (one.verdict, one.why) == ("unknown", why)

    broken = merged(*(shard(number, 3, "violated") for number in present), merge=merge_results)
    assert broken.verdict == "violated"


@pytest.mark.parametrize("shards", [[], [shard(1, 2), shard(1, 3)]])
def test_what_makes_no_whole_is_refused(shards):
    with pytest.raises(ValueError, match=r"merge|no whole"):
        merge_results(shards)


def test_one_whole_is_what_it_is():
    whole = part("ok", runs=5, coverage=Coverage(pairs_tried=3))
    assert merge_results([whole]) == whole


def test_the_graph_is_that_of_a_part_that_has_one():
    graph = Graph((Node("Worker", "function"),), (), ())

    for parts in itertools.permutations([part("ok"), part("ok", graph=graph)]):
        assert combine(parts).graph == graph
    assert combine([part("ok")]).graph is None
