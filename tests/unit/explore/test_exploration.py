"""What all runs of a stack come to: the worst that was shown, and no evidence is never ok."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from pytest_storagefirst.errors import SimulationError
from pytest_storagefirst.explore import exploration as exploring
from pytest_storagefirst.explore import stages
from pytest_storagefirst.explore.concluding import Conclusion
from pytest_storagefirst.explore.exploration import Course, Exploration, explore
from pytest_storagefirst.explore.judge import Judged
from pytest_storagefirst.explore.merging import combine, merge_results
from pytest_storagefirst.explore.pairs import AFTER
from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.explore.redrives import MOST_AT_REDRIVES
from pytest_storagefirst.explore.search import Draws, search
from pytest_storagefirst.faults.plan import parse_fault
from pytest_storagefirst.ledger.accounting import Account
from pytest_storagefirst.ledger.effects import Observation
from pytest_storagefirst.ledger.verdict import NOT_APPLICABLE, OK, UNKNOWN, VIOLATED, Verdict
from pytest_storagefirst.settings import Entry, Settings
from pytest_storagefirst.simulation.schedule import Schedule, Send

SENDS = tuple(Send(f"m{number}", "Orders", {"id": "{unique}"}) for number in (1, 2, 3))
CRASH = parse_fault("Worker: invocation #1: crash")
LONG_CRASH = parse_fault("Worker: invocation #1: crash for 90 s")
NEVER_STRUCK = "the fault “Worker: invocation #1: crash” never struck"
NONE_ACKNOWLEDGED = "no message was acknowledged, so none could be lost"


def run(
    verdict,
    why="",
    name="no-message-loss",
    *,
    plan=(),
    fired=True,
    sends=3,
    quiet=True,
    acknowledged=3,
    doubts=(),
    crashed=False,
):
    """A judged run that nobody played."""
    texts = tuple(str(fault) for fault in plan)
    observation = Observation(
        messages=tuple(send.message for send in SENDS[:sends]),
        history=(),
        effects=(),
        held=(),
        quiet=quiet,
        faults_required=texts,
        faults_fired=texts if fired else (),
    )
    account = Account(
        acknowledged=frozenset(send.message for send in SENDS[:acknowledged]), doubts=tuple(doubts)
    )
    return Judged(
        Schedule(SENDS[:sends], plan=tuple(plan)),
        SimpleNamespace(observation=observation, errors=()),
        None if crashed else account,
        {name: Verdict(verdict, why)},
    )


@pytest.fixture
def exploration(sound):
    prepared = SimpleNamespace(
        deployed=sound.deployed, notes=(), template=SimpleNamespace(path="template.yaml", inert=())
    )
    return Exploration(prepared, Settings())


def result(exploration, *runs, name="no-message-loss"):
    """What these runs come to. None was played, so no smaller one is found."""
    for one in runs:
        exploration.take(one)
    conclusion = Conclusion(exploration.judge, exploration.prepared, exploration.settings)
    found = conclusion.of(combine([exploration.part()]))
    return next(one for one in found.properties if one.name == name)


def test_ok_when_some_run_says_so_and_none_says_more(exploration):
    found = result(exploration, run(OK), run(OK, plan=[CRASH]), run(NOT_APPLICABLE))

    assert (found.verdict, found.runs, found.faults_tried) == (OK, 2, 1)


def test_no_run_at_all_shows_nothing(exploration):
    found = result(exploration)

    assert (found.verdict, found.why) == (UNKNOWN, "no run shows anything: there was none")


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (
            run(UNKNOWN, NEVER_STRUCK, plan=[CRASH], fired=False, doubts=[NEVER_STRUCK]),
            NEVER_STRUCK,
        ),
        (
            run(
                UNKNOWN, NONE_ACKNOWLEDGED, plan=[CRASH], acknowledged=0, doubts=[NONE_ACKNOWLEDGED]
            ),
            NONE_ACKNOWLEDGED,
        ),
    ],
)
def test_runs_that_show_nothing_are_neither_evidence_nor_ok(exploration, one, why):
    alone = result(exploration, one)
    assert (alone.verdict, alone.why) == (UNKNOWN, f"no run shows anything: {why}")
    assert alone.runs == 0

    with_evidence = result(exploration, run(OK), one)
    assert (with_evidence.verdict, with_evidence.runs) == (OK, 1)


@pytest.mark.parametrize(
    "one",
    [
        run(UNKNOWN, NONE_ACKNOWLEDGED, acknowledged=0, doubts=[NONE_ACKNOWLEDGED]),
        run(UNKNOWN, "at work", quiet=False, doubts=["at work"]),
        run(
            *(UNKNOWN, f"{NEVER_STRUCK}; at work"),
            plan=[CRASH],
            fired=False,
            quiet=False,
            doubts=[NEVER_STRUCK, "at work"],
        ),
        run(UNKNOWN, "the account crashed", crashed=True, plan=[CRASH], fired=False),
        run(UNKNOWN, "judging crashed", plan=[CRASH], fired=False, doubts=[NEVER_STRUCK]),
    ],
    ids=["baseline", "no rest", "no rest and no strike", "account crashed", "judge crashed"],
)
def test_what_is_unknown_in_earnest_outweighs_what_is_ok(exploration, one):
    found = result(exploration, run(OK), one, run(OK))

    assert found.verdict == UNKNOWN
    assert found.why == one.verdicts["no-message-loss"].why
    assert found.story


def test_what_was_shown_outweighs_what_was_not(exploration):
    found = result(
        exploration, run(VIOLATED, "m1 is lost"), run(UNKNOWN, "at work", quiet=False), run(OK)
    )

    assert (found.verdict, found.why) == (VIOLATED, "m1 is lost")
    assert found.witness is not None


def test_the_smallest_violation_is_told(exploration):
    found = result(
        exploration,
        run(VIOLATED, "three", plan=[CRASH]),
        run(VIOLATED, "long", plan=[LONG_CRASH], sends=1),
        run(VIOLATED, "one", plan=[CRASH], sends=1),
        run(VIOLATED, "two", plan=[CRASH], sends=2),
    )

    assert found.why == "one"


def test_nothing_to_judge_is_told(exploration):
    idle = run(NOT_APPLICABLE, "nothing was redriven in this run", name="redrive-completes")

    found = result(exploration, idle, idle, name="redrive-completes")

    assert found.verdict == NOT_APPLICABLE
    assert found.why == "nothing was redriven in any run"


def test_what_a_stack_cannot_have_is_not_applicable_whatever_its_runs_show(exploration):
    found = result(exploration, run(UNKNOWN, "odd", name="order-preserved"), name="order-preserved")

    assert (found.verdict, found.why) == (
        NOT_APPLICABLE,
        "nothing in the stack promises an order",
    )


def test_a_bad_message_speaks_to_poison_isolated_alone(exploration):
    exploration.take(run(VIOLATED, "m1 is lost"), bad=frozenset({"m1"}))

    assert exploration.tallies["no-message-loss"].runs == 0


def explored(template, **settings):
    return explore(template, Settings(budget_seconds=0, **settings))


def verdicts(found):
    return {one.name: one.verdict for one in found.properties}


def test_a_sound_stack_passes(workshop):
    found = explored(workshop.write())

    assert verdicts(found) == {
        "no-message-loss": OK,
        "no-duplicate-effects": OK,
        "poison-isolated": OK,
        "redrive-completes": OK,
        "order-preserved": NOT_APPLICABLE,
        "drains": OK,
        "circuit": NOT_APPLICABLE,
        "load-levelled": NOT_APPLICABLE,
    }
    assert found.properties[0].faults_tried > 40
    assert len(found.notes) == 1


def test_only_the_chosen_properties_are_judged(workshop):
    assert verdicts(explored(workshop.write(), properties=("drains",))) == {"drains": OK}


def test_faults_that_never_struck_are_counted_once(workshop):
    app = workshop.app.replace("return {", "return None if not failures else {")
    found = explored(workshop.write(app.replace("except Exception", "except ZeroDivisionError")))

    assert len([note for note in found.notes if "never struck" in note]) <= 1


def test_a_handler_without_effects_has_a_bad_message_when_it_fails(workshop):
    found = explored(
        workshop.write(
            "import json\ndef handler(event, context):\n"
            "    for record in event['Records']:\n        json.loads(record['body'])['id']\n"
        ),
        properties=("poison-isolated",),
    )

    assert verdicts(found) == {"poison-isolated": VIOLATED}  # one bad message drags its batch along
    assert "dragged along by m2" in found.properties[0].why


def test_a_handler_that_takes_everything_and_writes_nothing_has_no_bad_message(workshop):
    (found,) = explored(
        workshop.write("def handler(event, context):\n    print(event)\n"),
        properties=("poison-isolated",),
    ).properties

    assert found.verdict == NOT_APPLICABLE
    assert found.why.endswith("makes no write that could be refused: there is no bad message")


def test_pairs_come_after_single_faults_and_drawn_schedules_last(workshop, monkeypatch):
    """Each for a share of the time that is left; a clock that stands still has enough of it."""
    monkeypatch.setattr(exploring.time, "time", lambda: 0.0)
    searched = []
    monkeypatch.setattr(exploring, "search", lambda *one: searched.append(one[-1]()))
    monkeypatch.setattr(stages, "MESSAGES", 1)
    settings = Settings(budget_seconds=1000, properties=("drains",))
    exploration = Exploration(prepare(workshop.write(), settings), settings)
    schedules = []
    judge = exploration.judge.judge
    monkeypatch.setattr(
        exploration.judge, "judge", lambda one, bad=frozenset(): schedules.append(one) or judge(one)
    )

    found = Course(exploration).run()

    assert verdicts(found) == {"drains": OK}
    in_time = [one for one in schedules if one.redrives == AFTER or len(one.plan) < 2]
    sizes = [len(schedule.plan) for schedule in in_time]
    assert sizes[0] == 0
    assert sizes == sorted(sizes)
    sizes = [len(schedule.plan) for schedule in schedules]
    assert sizes.count(2) == found.coverage.pairs_tried > 500
    assert found.coverage.pairs_left == 0
    assert searched == [False]  # it is not over at once


def test_when_the_time_is_over_the_rest_of_the_pairs_is_left(workshop, monkeypatch):
    ticks = itertools.count(0, 10)
    monkeypatch.setattr(exploring.time, "time", lambda: float(next(ticks)))
    monkeypatch.setattr(stages, "MESSAGES", 1)
    settings = Settings(budget_seconds=500, properties=("drains",))

    found = explore(workshop.write(), settings, draws=False)

    assert verdicts(found) == {"drains": OK}
    assert found.coverage.pairs_tried > 0
    assert found.coverage.pairs_left > 0


def test_what_decides_about_a_redrive_is_tried_though_the_time_is_over(workshop, monkeypatch):
    """A swallowed error loses what is redriven amid an outage: that needs two faults."""
    ticks = itertools.count(0, 10_000)
    monkeypatch.setattr(exploring.time, "time", lambda: float(next(ticks)))
    app = workshop.app.replace('failures.append({"itemIdentifier": record["messageId"]})', "pass")
    settings = Settings(budget_seconds=1, properties=("redrive-completes",))

    found = explore(workshop.write(app), settings)

    assert verdicts(found) == {"redrive-completes": VIOLATED}
    assert 0 < found.coverage.pairs_tried <= MOST_AT_REDRIVES
    assert not found.coverage.orders_tried
    assert not found.coverage.drawn
    alone = explore(workshop.write(app), replace(settings, budget_seconds=0))
    assert verdicts(alone) == {"redrive-completes": OK}


def test_without_a_budget_there_are_single_faults_alone(workshop, monkeypatch):
    monkeypatch.setattr(exploring, "search", lambda *_: pytest.fail("it searches"))

    found = explored(workshop.write(), properties=("drains",))

    assert len(found.coverage.cells) > 40
    assert not any(
        (found.coverage.pairs_tried, found.coverage.pairs_left, found.coverage.orders_tried)
    )


def test_no_pair_where_one_fault_is_the_most(workshop, monkeypatch):
    monkeypatch.setattr(exploring, "search", lambda *_: None)
    settings = Settings(budget_seconds=1000, max_faults=1, properties=("drains",))

    found = explore(workshop.write(), settings)

    assert found.coverage.pairs_tried == found.coverage.pairs_left == 0
    assert found.coverage.orders_tried


def test_coverage_says_of_each_single_fault_what_came_of_it(workshop):
    found = explored(workshop.write(app=workshop.marks_first), properties=("no-message-loss",))

    outcomes = {(cell.site, cell.fault): cell.outcome for cell in found.coverage.cells}
    put = "Worker: dynamodb.PutItem #1"
    assert outcomes[put, "crash-after"] == "violated"
    assert outcomes[put, "crash-before"] == "held"
    assert found.properties[0].faults_tried == found.coverage.count("held") + found.coverage.count(
        "violated"
    )
    assert found.coverage.sometimes["redelivery"] > 20
    assert found.coverage.sometimes["dead letter"] > 0
    assert found.coverage.sometimes["duplicate delivery"] > 0
    assert found.coverage.sometimes["two at work at once"] > 0


def test_what_the_user_interrupts_is_kept(workshop):
    def interrupt(done, total, what):
        if done == 62:
            raise KeyboardInterrupt

    template = workshop.write(app=workshop.marks_first)
    names = ("no-message-loss", "drains")
    found = explore(template, Settings(budget_seconds=0, properties=names), interrupt)

    assert found.interrupted
    assert verdicts(found) == {"no-message-loss": VIOLATED, "drains": UNKNOWN}
    assert found.properties[0].witness is not None
    assert "interrupted after" in found.properties[1].why
    assert found.coverage.count("not tried") > 10


def test_a_drawn_run_that_cannot_be_followed_is_told_as_it_is(exploration, monkeypatch):
    def refuse(schedule, bad=frozenset()):
        raise SimulationError("a call that no one answers", where="Worker")

    monkeypatch.setattr(exploration.judge, "judge", refuse)
    deployed = exploration.judge.deployed
    draws = Draws(deployed, SENDS, {("Worker", "invocation"): 1}, max_faults=2, seed=0)

    with pytest.raises(SimulationError, match="a call that no one answers") as raised:
        search(exploration, draws, lambda: False)
    assert raised.value.where == "Worker"


def test_the_story_says_what_the_bad_message_is(workshop):
    template = workshop.write(
        "import json\ndef handler(event, context):\n"
        "    for record in event['Records']:\n        json.loads(record['body'])['id']\n"
    )
    (found,) = explored(template, properties=("poison-isolated",)).properties

    assert found.story[0] == "m2 is the bad message: its body is 'this is no JSON: {unique}'"


def test_the_story_says_what_stands_for_a_bad_message(workshop):
    app = """
import os, boto3
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])

def handler(event, context):
    for record in event["Records"]:
        table.put_item(Item={"id": record["messageId"], "text": record["body"][:99]})
"""
    letters = "      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 2}\n"
    template = workshop.write(app, template=workshop.template.replace(letters, ""))
    (found,) = explored(template, properties=("poison-isolated",)).properties

    assert found.verdict == VIOLATED
    assert found.story[0] == "m1 stands for a bad message: what it writes is refused"
    assert "it was retried until it expired" in found.why


def test_what_stands_for_a_bad_message_stays_bad_where_nothing_tells_that_it_was_processed(
    workshop,
):
    app = """
import os, boto3
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])

def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            table.delete_item(Key={"id": record["messageId"]})
        except Exception:
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
"""
    entry = Entry("queue", "Orders", {"id": "{unique}"})
    found = explored(workshop.write(app), properties=("poison-isolated",), entries=(entry,))

    assert [(one.verdict, one.why) for one in found.properties] == [("ok", "")]
    assert any("stands for a bad one" in note for note in found.notes)


TAKES_ANYTHING = """
import os, boto3
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])

def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            table.put_item(Item={"id": record["body"][:99]})
        except Exception:
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
"""


def test_one_that_stands_for_a_bad_message_drags_its_batch_along(workshop):
    """Refused are only the bad message's own writes: what goes wrong with others is the stack's."""
    only = {"properties": ("poison-isolated",)}
    (sound,) = explored(workshop.write(TAKES_ANYTHING), **only).properties
    raises = TAKES_ANYTHING.replace(
        'failures.append({"itemIdentifier": record["messageId"]})', "raise"
    )

    (found,) = explored(workshop.write(raises), **only).properties

    assert sound.verdict == OK
    assert found.verdict == VIOLATED
    assert "m1 is good and was dead-lettered to Dead" in found.why
    assert "dragged along by m2" in found.why


def test_whom_a_refused_call_concerns_itself_was_not_dragged_along(workshop):
    """One call with all messages of the batch is refused for all of them."""
    app = """
import os, boto3
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])

def handler(event, context):
    with table.batch_writer() as batch:
        for record in event["Records"]:
            batch.put_item(Item={"id": record["body"][:99]})
"""
    (found,) = explored(workshop.write(app), properties=("poison-isolated",)).properties

    assert found.verdict == OK


def test_shards_divide_all_faults_and_pairs_and_make_one_whole(workshop, monkeypatch):
    """Two machines with a half each come together to what one comes to alone."""
    monkeypatch.setattr(stages, "MESSAGES", 1)
    template = workshop.write(app=workshop.marks_first)

    def tried(shard):
        settings = Settings(budget_seconds=math.inf, shard=shard)
        return explore(template, settings, draws=False)

    whole, first, second = tried((1, 1)), tried((1, 2)), tried((2, 2))

    together = merge_results([first, second])
    assert replace(together, seconds=0, notes=()) == replace(whole, seconds=0, notes=())
    assert together.notes == whole.notes
    for part in (first, second):
        assert 0.4 < part.coverage.pairs_tried / whole.coverage.pairs_tried < 0.6
        assert part.coverage.count("not tried") > 10
    alone = {one.name: (one.verdict, one.why) for one in merge_results([first]).properties}
    assert alone["drains"] == (UNKNOWN, "shard 2 of 2 is missing")
    assert alone["no-message-loss"][0] == VIOLATED


DROPS = """
import json, boto3, os
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])

def handler(event, context):
    for record in event["Records"]:
        body = json.loads(record["body"])
        if body.get("kind") == "order":
            table.put_item(Item={"id": body["id"]})
"""


def test_a_guessed_body_that_leaves_no_effect_shows_nothing(workshop):
    found = explored(workshop.write(DROPS), properties=("no-message-loss",))

    assert verdicts(found) == {"no-message-loss": UNKNOWN}
    assert "storagefirst.toml" in found.properties[0].why
