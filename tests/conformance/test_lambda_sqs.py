"""AWS's rules 11 to 20 for Lambda's event source mapping on SQS, played end to end.

Pages are of the Lambda developer guide unless named.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.errors import StorageFirstError
from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.faults.plan import parse_fault
from pytest_storagefirst.settings import Entry, Settings
from pytest_storagefirst.simulation.deployed import Deployed
from pytest_storagefirst.simulation.environment import Code
from pytest_storagefirst.simulation.playing import Played, play
from pytest_storagefirst.simulation.schedule import Schedule, Send
from pytest_storagefirst.simulation.scheduler import EPOCH_MS

Records = list[dict[str, Any]]
StandUp = Callable[..., Deployed]

MEBIBYTE = 1_048_576
PARTIAL = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}


def template(
    *,
    queue: dict[str, Any] | None = None,
    mapping: dict[str, Any] | None = None,
    function: dict[str, Any] | None = None,
    fifo: bool = False,
) -> dict[str, Any]:
    """A queue with a DLQ, a function and the mapping between them."""
    kind = {"FifoQueue": True} if fifo else {}
    redrive = {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 3}
    return {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {
            "Dead": {"Type": "AWS::SQS::Queue", "Properties": kind},
            "Queue": {
                "Type": "AWS::SQS::Queue",
                "Properties": {
                    **kind,
                    **({"ContentBasedDeduplication": True} if fifo else {}),
                    "RedrivePolicy": redrive,
                    **(queue or {}),
                },
            },
            "Worker": {
                "Type": "AWS::Serverless::Function",
                "Properties": {
                    "Runtime": "python3.12",
                    "Handler": "index.handler",
                    "InlineCode": "def handler(event, context): pass",
                    "Timeout": 5,
                    **(function or {}),
                    "Events": {
                        "Work": {
                            "Type": "SQS",
                            "Properties": {
                                "Queue": {"Fn::GetAtt": ["Queue", "Arn"]},
                                **(mapping or {}),
                            },
                        }
                    },
                },
            },
        },
    }


@pytest.fixture(scope="module")
def stand_up(tmp_path_factory: pytest.TempPathFactory) -> StandUp:
    """A deployed stack of `template`'s; the same template is deployed once."""
    stacks: dict[str, Deployed] = {}

    def made(**parts: Any) -> Deployed:
        text = json.dumps(template(**parts))
        if text not in stacks:
            path = tmp_path_factory.mktemp("stack") / "template.yaml"
            path.write_text(text)
            stacks[text] = prepare(path, Settings(entries=(Entry("queue", "Queue"),))).deployed
        return stacks[text]

    return made


@dataclass
class Batch:
    """What one invocation got, and when."""

    at_seconds: float
    records: Records

    @property
    def bodies(self) -> list[str]:
        return [record["body"] for record in self.records]

    @property
    def counts(self) -> list[int]:
        return [int(r["attributes"]["ApproximateReceiveCount"]) for r in self.records]


def untroubled(records: Records, number: int) -> None:
    """Succeeds."""


@dataclass
class Worker:
    """A handler that notes its batches; `respond` gets the records and the number of the batch."""

    respond: Callable[[Records, int], Any] = untroubled
    batches: list[Batch] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    def __call__(self, event: dict[str, Any], context: Any) -> Any:
        self.batches.append(Batch(time.time() - EPOCH_MS / 1000, event["Records"]))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return self.respond(event["Records"], len(self.batches))
        finally:
            self.at_once -= 1

    @property
    def sizes(self) -> list[int]:
        return [len(batch.records) for batch in self.batches]

    @property
    def bodies(self) -> list[list[str]]:
        return [batch.bodies for batch in self.batches]

    @property
    def counts(self) -> list[list[int]]:
        return [batch.counts for batch in self.batches]

    @property
    def times(self) -> list[float]:
        return [batch.at_seconds for batch in self.batches]


def run(deployed: Deployed, worker: Worker, *bodies: Any, faults: str = "", **more: Any) -> Played:
    """Send the bodies, 10 ms apart; a body "group:text" goes to that group of a FIFO queue."""
    [entry] = deployed.entries
    sends, entries = [], {}
    for number, body in enumerate(bodies, start=1):
        group = body.partition(":")[0] if isinstance(body, str) and ":" in body[:20] else ""
        entries[f"to {group}"] = replace(entry, name=f"to {group}", group=group)
        sends.append(Send(f"m{number}", f"to {group}", body))
    stack = replace(
        deployed,
        code={"Worker": Code("Worker", "index.handler", override=worker)},
        entries=tuple(entries.values()),
    )
    plan = (parse_fault(faults),) if faults else ()
    return play(stack, Schedule(tuple(sends), plan, **{"redrives": (), **more}))


def happened(played: Played, kind: str) -> list[tuple[str, ...]]:
    return [event.messages for event in played.observation.history if event.kind == kind]


def held(played: Played) -> set[tuple[str, str, str]]:
    return {(one.message, one.where, one.state) for one in played.observation.held}


def refusal(tmp_path: Path, **parts: Any) -> str:
    path = tmp_path / "template.yaml"
    path.write_text(json.dumps(template(**parts)))
    with pytest.raises(StorageFirstError) as caught:
        prepare(path, Settings(entries=(Entry("queue", "Queue"),)))
    return str(caught.value)


def failing_once(records: Records, number: int) -> None:
    if number == 1:
        raise ValueError("not today")


class TestRule11:
    """Batch size and batching window: services-sqs-configure, services-sqs-parameters;
    API_CreateEventSourceMapping (API reference)."""

    def test_ten_by_default(self, stand_up: StandUp) -> None:
        worker = Worker()
        run(stand_up(), worker, *(f"b{n}" for n in range(12)))
        assert worker.sizes == [10, 2]

    def test_at_once_without_a_window(self, stand_up: StandUp) -> None:
        worker = Worker()
        run(stand_up(mapping={"BatchSize": 2}), worker, "b1", "b2", "b3")
        assert worker.sizes == [2, 1]
        assert max(worker.times) < 1

    def test_a_window_gathers_until_it_ends(self, stand_up: StandUp) -> None:
        worker = Worker()
        mapping = {"BatchSize": 25, "MaximumBatchingWindowInSeconds": 5}
        run(stand_up(mapping=mapping), worker, *(f"b{n}" for n in range(20)))
        assert worker.sizes == [20], "more than ten, from several receives"
        assert 5 <= worker.times[0] < 5.5

    def test_a_full_batch_does_not_wait(self, stand_up: StandUp) -> None:
        worker = Worker()
        mapping = {"BatchSize": 25, "MaximumBatchingWindowInSeconds": 5}
        run(stand_up(mapping=mapping), worker, *(f"b{n}" for n in range(30)))
        assert worker.sizes == [25, 5]
        assert worker.times[0] < 1
        assert worker.times[1] > 5

    def test_the_window_is_on_the_account_of_the_visibility_timeout(
        self, stand_up: StandUp
    ) -> None:
        worker = Worker(failing_once)
        mapping = {"BatchSize": 10, "MaximumBatchingWindowInSeconds": 5}
        run(stand_up(mapping=mapping, queue={"VisibilityTimeout": 8}), worker, "b1", "b2")
        assert worker.counts == [[1, 1], [2, 2]]
        first, second = worker.times
        assert 5 <= first < 5.5
        # Received again 8 s after the first receive, then gathered for another 5 s.
        assert second - first == pytest.approx(8, abs=0.5)

    def test_a_message_that_comes_back_within_the_window_is_gathered_twice(
        self, stand_up: StandUp
    ) -> None:
        """The page asks for a visibility timeout beyond the window: here it ends before."""
        worker = Worker()
        mapping = {"BatchSize": 10, "MaximumBatchingWindowInSeconds": 60}
        played = run(stand_up(mapping=mapping), worker, "b1")
        assert worker.counts[0] == [1, 2]
        assert happened(played, "deleted") == [("m1",)]

    def test_six_megabytes_are_the_most(self, stand_up: StandUp) -> None:
        worker = Worker()
        body = "x" * (MEBIBYTE - 100)
        played = run(stand_up(), worker, *(f"{n}{body}" for n in range(8)))
        assert worker.sizes == [5, 3], "with what stands around a body, the sixth is too much"
        assert worker.counts == [[1] * 5, [1] * 3]
        assert len(happened(played, "deleted")) == 8

    def test_what_does_not_fit_keeps_its_place_in_its_group(self, stand_up: StandUp) -> None:
        worker = Worker(failing_once)
        body = "x" * (MEBIBYTE - 100)
        run(stand_up(fifo=True), worker, *(f"g:{n}{body}" for n in range(7)))
        assert worker.counts == [[1] * 5, [2] * 5, [1] * 2]
        assert [text[:3] for text in worker.bodies[1] + worker.bodies[2]] == [
            f"g:{n}" for n in range(7)
        ]

    @pytest.mark.parametrize(
        ("mapping", "fifo", "says"),
        [
            ({"BatchSize": 11, "MaximumBatchingWindowInSeconds": 1}, True, "1 to 10"),
            ({"BatchSize": 0}, False, "1 to 10,000"),
            (
                {"BatchSize": 10_001, "MaximumBatchingWindowInSeconds": 1},
                False,
                "1 to 10,000",
            ),
            ({"BatchSize": 11}, False, "a window of at least 1 second"),
            ({"MaximumBatchingWindowInSeconds": 1}, True, "MaximumBatchingWindow"),
            ({"MaximumBatchingWindowInSeconds": 301}, False, "0 to 300"),
        ],
    )
    def test_refused(self, mapping: dict[str, Any], fifo: bool, says: str, tmp_path: Path) -> None:
        assert says in refusal(tmp_path, mapping=mapping, fifo=fifo)


def sleeping(records: Records, number: int) -> None:
    if number == 1:
        time.sleep(3600)


def exiting(records: Records, number: int) -> None:
    if number == 1:
        sys.exit(1)


def answering_no_json(records: Records, number: int) -> Any:
    return {1, 2} if number == 1 else None


@pytest.mark.parametrize(
    ("respond", "fault"),
    [
        (failing_once, ""),
        (sleeping, ""),
        (exiting, ""),
        (answering_no_json, ""),
        (untroubled, "Worker: invocation #1: crash"),
        (untroubled, "Worker: invocation #1: init-failed"),
    ],
    ids=["raises", "times out", "exits", "answers no JSON", "dies", "does not start"],
)
def test_rule_12_the_whole_batch_comes_back(
    respond: Callable[[Records, int], Any], fault: str, stand_up: StandUp
) -> None:
    """services-sqs-configure ("all messages in that batch return to the queue"),
    services-sqs-errorhandling."""
    worker = Worker(respond)
    played = run(stand_up(mapping=PARTIAL), worker, "b1", "b2", "b3", faults=fault)
    assert sorted(worker.bodies[-1]) == ["b1", "b2", "b3"]
    assert worker.counts[-1] == [2, 2, 2]
    assert worker.times[-1] == pytest.approx(30.2, abs=0.2), "when the visibility timeout ends"
    assert happened(played, "failed") == [("m1", "m2", "m3")]
    assert len(happened(played, "deleted")) == 3


def test_rule_12_until_the_dead_letter_queue(stand_up: StandUp) -> None:
    """services-sqs-errorhandling; `sqs-dead-letter-queues` (SQS developer guide)."""

    def respond(records: Records, number: int) -> None:
        raise ValueError

    worker = Worker(respond)
    played = run(stand_up(), worker, "b1", "b2")
    assert worker.counts == [[1, 1], [2, 2], [3, 3]]
    assert happened(played, "dead-lettered") == [("m1",), ("m2",)]
    assert held(played) == {(m, "Dead", "dead-lettered") for m in ("m1", "m2")}


def listing(*numbers: int) -> Callable[[Records, int], Any]:
    """A handler that lists those records of its first batch as failed."""

    def respond(records: Records, number: int) -> Any:
        failed = [records[index]["messageId"] for index in numbers if number == 1]
        return {"batchItemFailures": [{"itemIdentifier": one} for one in failed]}

    return respond


def test_rule_13_only_the_listed_come_back(stand_up: StandUp) -> None:
    """services-sqs-errorhandling, "implementing partial batch responses"."""
    worker = Worker(listing(0, 2))
    played = run(stand_up(mapping=PARTIAL), worker, "b1", "b2", "b3")
    assert worker.bodies == [["b1", "b2", "b3"], ["b1", "b3"]]
    assert worker.counts[1] == [2, 2]
    assert worker.times[1] == pytest.approx(30.2, abs=0.2)
    assert happened(played, "failed") == [("m1", "m3")]
    assert happened(played, "deleted") == [("m2",), ("m1",), ("m3",)]


def test_rule_13_nothing_is_listed_without_the_mapping(stand_up: StandUp) -> None:
    """services-sqs-errorhandling: FunctionResponseTypes must ask for it."""
    worker = Worker(listing(0, 1, 2))
    played = run(stand_up(), worker, "b1", "b2", "b3")
    assert worker.sizes == [3]
    assert happened(played, "failed") == []
    assert len(happened(played, "deleted")) == 3


SUCCESSES = {
    "empty list": {"batchItemFailures": []},
    "null list": {"batchItemFailures": None},
    "empty response": {},
    "empty text": "",
    "null response": None,
    "no list in it": {"statusCode": 200},
    "a misspelt list": {"BatchItemFailures": [{"itemIdentifier": "{id}"}]},
}
FAILURES = {
    "empty identifier": {"batchItemFailures": [{"itemIdentifier": ""}]},
    "null identifier": {"batchItemFailures": [{"itemIdentifier": None}]},
    "wrong key": {"batchItemFailures": [{"ItemIdentifier": "{id}"}]},
    "no such message": {"batchItemFailures": [{"itemIdentifier": "{id}x"}]},
    "one of two is wrong": {
        "batchItemFailures": [{"itemIdentifier": "{id}"}, {"itemIdentifier": "x"}]
    },
    "an identifier that is no text": {"batchItemFailures": [{"itemIdentifier": ["{id}"]}]},
    "identifiers alone": {"batchItemFailures": ["{id}"]},
    "no list": {"batchItemFailures": "{id}"},
    "no object": "done",
    "a list": [{"itemIdentifier": "{id}"}],
}


@pytest.mark.parametrize(
    ("response", "failed"),
    [(response, False) for response in SUCCESSES.values()]
    + [(response, True) for response in FAILURES.values()],
    ids=[*SUCCESSES, *FAILURES],
)
def test_rule_14_complete_success_and_complete_failure(
    response: Any, failed: bool, stand_up: StandUp
) -> None:
    """services-sqs-errorhandling, "success and failure conditions"."""

    def respond(records: Records, number: int) -> Any:
        if number > 1:
            return None
        return json.loads(json.dumps(response).replace("{id}", records[0]["messageId"]))

    worker = Worker(respond)
    played = run(stand_up(mapping=PARTIAL), worker, "b1", "b2")
    assert worker.counts == ([[1, 1], [2, 2]] if failed else [[1, 1]])
    assert happened(played, "failed") == ([("m1", "m2")] if failed else [])
    assert len(happened(played, "deleted")) == 2


def test_rule_15_fifo_keeps_its_order_when_all_after_the_failure_is_listed(
    stand_up: StandUp,
) -> None:
    """services-sqs-errorhandling: stop at the first failure, list it and all unprocessed ones."""
    worker = Worker(listing(1, 2, 3))
    played = run(stand_up(mapping=PARTIAL, fifo=True), worker, "g:1", "g:2", "g:3", "g:4")
    assert worker.bodies == [["g:1", "g:2", "g:3", "g:4"], ["g:2", "g:3", "g:4"]]
    assert [one for (one,) in happened(played, "deleted")] == ["m1", "m2", "m3", "m4"]


def test_rule_15_fifo_loses_its_order_when_the_failure_alone_is_listed(stand_up: StandUp) -> None:
    """services-sqs-errorhandling; `FIFO-queues-understanding-logic` (SQS developer guide)."""
    worker = Worker(listing(0))
    mapping = {**PARTIAL, "BatchSize": 2}
    played = run(stand_up(mapping=mapping, fifo=True), worker, "g:1", "g:2", "g:3")
    assert worker.bodies == [["g:1", "g:2"], ["g:1", "g:3"]], "the group waits for its failure"
    assert [one for (one,) in happened(played, "deleted")] == ["m2", "m1", "m3"]


def test_rule_16_throttled_for_longer_than_the_visibility_timeout(stand_up: StandUp) -> None:
    """services-sqs-errorhandling, "backoff strategy": the messages come back, their count up."""
    worker = Worker()
    played = run(stand_up(), worker, "b1", "b2", faults="Worker: invocation #1: throttled")
    assert worker.counts == [[2, 2]]
    assert worker.times == [pytest.approx(30.2, abs=0.2)]
    assert happened(played, "throttled") == [("m1", "m2")]


def test_rule_16_throttled_to_the_dead_letter_queue(stand_up: StandUp) -> None:
    """services-sqs-errorhandling; `sqs-dead-letter-queues` (SQS developer guide)."""
    worker = Worker()
    played = run(stand_up(), worker, "b1", faults="Worker: invocation #1: throttled for 600 s")
    assert worker.batches == []
    assert held(played) == {("m1", "Dead", "dead-lettered")}


def test_rule_16_tried_again_while_in_flight(stand_up: StandUp) -> None:
    """services-sqs-errorhandling: "Lambda continues to retry the message until …" """

    def respond(records: Records, number: int) -> None:
        if number == 1:
            time.sleep(4)

    worker = Worker(respond)
    stack = stand_up(mapping={"BatchSize": 1}, function={"ReservedConcurrentExecutions": 1})
    played = run(stack, worker, "b1", "b2", concurrency=2)
    assert worker.counts == [[1], [1]], "the same receive"
    assert worker.most_at_once == 1
    assert len(happened(played, "throttled")) == 3
    assert worker.times[1] == pytest.approx(7.1, abs=0.2), "1, 2 and 4 s apart"


def test_rule_16_comes_back_when_it_was_throttled_all_the_while(stand_up: StandUp) -> None:
    """services-sqs-errorhandling: "… until the message's timestamp exceeds your queue's
    visibility timeout"; services-sqs-scaling: pollers do not heed reserved concurrency."""

    def respond(records: Records, number: int) -> None:
        if number == 1:
            time.sleep(9)

    worker = Worker(respond)
    stack = stand_up(
        mapping={"BatchSize": 1},
        function={"ReservedConcurrentExecutions": 1, "Timeout": 10},
        queue={"VisibilityTimeout": 10},
    )
    run(stack, worker, "b1", "b2", concurrency=2)
    assert worker.counts == [[1], [2]]
    assert worker.times[1] == pytest.approx(10.2, abs=0.2)


class TestRule17:
    """The function's timeout against the queue's visibility timeout: services-sqs-configure."""

    def test_refused(self, tmp_path: Path) -> None:
        said = refusal(tmp_path, queue={"VisibilityTimeout": 10}, function={"Timeout": 11})
        assert "Queue" in said
        assert "at least 11 s (AWS advises 66 s)" in said

    def test_refused_against_the_default(self, tmp_path: Path) -> None:
        assert "30 s" in refusal(tmp_path, function={"Timeout": 31})

    def test_equal_is_enough(self, stand_up: StandUp) -> None:
        worker = Worker()
        run(stand_up(queue={"VisibilityTimeout": 5}), worker, "b1")
        assert worker.sizes == [1]


def busy(records: Records, number: int) -> None:
    time.sleep(4)


class TestRule18:
    """How many batches are at work at once: services-sqs-scaling."""

    @pytest.mark.parametrize("concurrency", [1, 1001])
    def test_from_2_to_1000(self, concurrency: int, tmp_path: Path) -> None:
        scaling = {"ScalingConfig": {"MaximumConcurrency": concurrency}}
        assert "2 to 1,000" in refusal(tmp_path, mapping=scaling)

    def test_maximum_concurrency(self, stand_up: StandUp) -> None:
        worker = Worker(busy)
        mapping = {"BatchSize": 1, "ScalingConfig": {"MaximumConcurrency": 2}}
        played = run(stand_up(mapping=mapping), worker, *(f"b{n}" for n in range(6)), concurrency=6)
        assert worker.most_at_once == 2
        assert worker.counts == [[1]] * 6, "what waits is not received"
        assert happened(played, "throttled") == []

    @pytest.mark.parametrize("concurrency", [1, 6])
    def test_a_redelivery_stays_within_the_maximum(
        self, concurrency: int, stand_up: StandUp
    ) -> None:
        worker = Worker(busy)
        mapping = {"BatchSize": 1, "ScalingConfig": {"MaximumConcurrency": 2}}
        run(
            stand_up(mapping=mapping),
            worker,
            *(f"b{n}" for n in range(4)),
            concurrency=concurrency,
            faults="Queue: delivery #1: visibility-expired",
        )
        assert worker.most_at_once == 2
        # With both places taken, the first delivery ends before the second could begin.
        again = [[2]] if concurrency == 1 else []
        assert sorted(worker.counts) == [[1]] * 4 + again

    def test_a_standard_queue_starts_with_five(self, stand_up: StandUp) -> None:
        worker = Worker(busy)
        stack = stand_up(mapping={"BatchSize": 1})
        run(stack, worker, *(f"b{n}" for n in range(12)), concurrency=12)
        assert worker.most_at_once == 5

    def test_a_standard_queue_grows_with_its_backlog(self, stand_up: StandUp) -> None:
        def respond(records: Records, number: int) -> None:
            time.sleep(100)

        worker = Worker(respond)
        stack = stand_up(
            mapping={"BatchSize": 1}, function={"Timeout": 120}, queue={"VisibilityTimeout": 720}
        )
        run(stack, worker, *(f"b{n}" for n in range(12)), concurrency=12)
        early = [at for at in worker.times if at < 50]
        assert len(early) == 5
        assert worker.times[5:] == pytest.approx([60.1] * 7, abs=0.2), "more after a minute"

    def test_a_fifo_queue_has_one_for_each_group(self, stand_up: StandUp) -> None:
        worker = Worker(busy)
        groups = [f"{group}:{n}" for n in range(2) for group in "abcdef"]
        run(stand_up(mapping={"BatchSize": 1}, fifo=True), worker, *groups, concurrency=12)
        assert worker.most_at_once == 6, "more than a standard queue's five"
        for group in "abcdef":
            mine = [b for batch in worker.bodies for b in batch if b[0] == group]
            assert mine == [f"{group}:0", f"{group}:1"]

    def test_a_fifo_batch_may_hold_several_groups(self, stand_up: StandUp) -> None:
        worker = Worker()
        run(stand_up(fifo=True), worker, "a:1", "b:1", "a:2", "b:2")
        assert worker.bodies == [["a:1", "a:2", "b:1", "b:2"]]

    def test_a_fifo_group_waits_for_its_failure(self, stand_up: StandUp) -> None:
        """The function attempts all retries before more of the same group is received."""
        worker = Worker(failing_once)
        stack = stand_up(mapping={"BatchSize": 1}, fifo=True)
        run(stack, worker, "a:1", "a:2", "b:1", concurrency=2)
        assert worker.bodies == [["a:1"], ["b:1"], ["a:1"], ["a:2"]]

    @pytest.mark.parametrize(
        ("fault", "bodies"),
        [
            ("delayed", [["a:1", "b:1", "b:2"], ["a:2", "a:3"]]),
            ("duplicate", [["a:1", "a:2", "a:3", "b:1", "b:2"]]),
            ("reordered", [["a:1", "a:2", "a:3", "b:1", "b:2"]]),
        ],
    )
    def test_no_delivery_fault_breaks_the_order_of_a_group(
        self, fault: str, bodies: list[list[str]], stand_up: StandUp
    ) -> None:
        """`FIFO-queues-understanding-logic` (SQS developer guide)."""
        worker = Worker()
        sent = ("a:1", "a:2", "a:3", "b:1", "b:2")
        run(stand_up(fifo=True), worker, *sent, faults=f"Queue: delivery #1 under m2: {fault}")
        assert worker.bodies == bodies


def filters(*patterns: Any) -> dict[str, Any]:
    return {"FilterCriteria": {"Filters": [{"Pattern": json.dumps(one)} for one in patterns]}}


class TestRule19:
    """Filter criteria: invocation-eventfiltering, with-sqs-filtering."""

    def test_what_does_not_match_is_deleted(self, stand_up: StandUp) -> None:
        worker = Worker()
        mapping = filters(
            {"body": {"kind": ["order"]}}, {"body": {"total": [{"numeric": [">", 9]}]}}
        )
        bodies = [
            {"kind": "order"},
            {"kind": "note", "total": 9},
            {"total": 10},
            {"other": True},
        ]
        played = run(stand_up(mapping=mapping), worker, *bodies)
        assert [json.loads(body) for body in worker.bodies[0]] == [bodies[0], bodies[2]]
        assert len(worker.batches) == 1
        assert happened(played, "filtered") == [("m2",), ("m4",)]
        assert set(happened(played, "deleted")) == {("m1",), ("m2",), ("m3",), ("m4",)}
        assert held(played) == set()

    def test_what_is_deleted_takes_no_place_in_the_batch(self, stand_up: StandUp) -> None:
        worker = Worker()
        mapping = {**filters({"body": {"kind": ["order"]}}), "BatchSize": 2}
        kinds = [{"kind": kind, "n": n} for n, kind in enumerate(("order", "note", "order"))]
        run(stand_up(mapping=mapping), worker, *kinds)
        assert worker.sizes == [2]

    @pytest.mark.parametrize(
        ("body", "pattern", "passes"),
        [
            ("plain", {"body": ["plain", "other"]}, True),
            ("plain", {"body": [{"prefix": "q"}]}, False),
            ("plain", {"eventSource": ["aws:sqs"]}, True),
            ("plain", {"body": {"kind": [{"exists": False}]}}, False),
            ('{"kind": "order"}', {"body": ['{"kind": "order"}']}, False),
            ('{"kind": "order"}', {"body": [{"anything-but": "plain"}]}, False),
            ('{"kind": "order"}', {"eventSource": ["aws:sqs"]}, True),
            ('{"kind": "order"}', {"eventSource": ["aws:kinesis"]}, False),
            ('{"kind": "order"}', {"body": {"kind": ["order"]}}, True),
            ('{"kind": "order"}', {"body": {"kind": ["note"]}}, False),
            ("plain", {"$or": [{"body": {"a": [1]}}, {"body": ["plain"]}]}, True),
            ("plain", {"$or": [{"body": {"a": [1]}}, {"body": ["other"]}]}, False),
        ],
    )
    def test_the_formats_of_body_and_pattern_must_agree(
        self, body: str, pattern: Any, passes: bool, stand_up: StandUp
    ) -> None:
        """with-sqs-filtering, the table of "properly filtering Amazon SQS messages"."""
        worker = Worker()
        deployed = stand_up(mapping=filters({"body": ["plain"]}))
        [mapping] = deployed.topology.mappings
        mappings = (replace(mapping, filters=(json.dumps(pattern),)),)
        topology = replace(deployed.topology, mappings=mappings)
        played = run(replace(deployed, topology=topology), worker, body)
        assert worker.sizes == ([1] if passes else [])
        assert happened(played, "filtered") == ([] if passes else [("m1",)])
        assert happened(played, "deleted") == [("m1",)]


def test_rule_20_a_disabled_mapping_polls_nothing(stand_up: StandUp) -> None:
    """services-sqs-parameters; API_CreateEventSourceMapping, Enabled (API reference)."""
    worker = Worker()
    played = run(stand_up(mapping={"Enabled": False}), worker, "b1", "b2")
    assert worker.batches == []
    assert held(played) == {("m1", "Queue", "visible"), ("m2", "Queue", "visible")}
    assert played.observation.quiet
