"""The mapping on SQS under faults, with several mappings, and at its edges.

What AWS's documentation says of it outright is in tests/conformance/test_lambda_sqs.py.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import boto3
import pytest

from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.faults.plan import parse_fault
from pytest_storagefirst.ledger.events import to_bytes
from pytest_storagefirst.settings import Entry, Settings
from pytest_storagefirst.simulation.deployed import Deployed
from pytest_storagefirst.simulation.environment import Code
from pytest_storagefirst.simulation.playing import Played, play
from pytest_storagefirst.simulation.run import Simulation
from pytest_storagefirst.simulation.schedule import Schedule, Send
from pytest_storagefirst.simulation.sources import sqs as sqs_source
from pytest_storagefirst.simulation.sources.batch_responses import reported_failures

TEMPLATE = """
Resources:
  Dead: {Type: AWS::SQS::Queue}
  FifoDead: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true}}
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 2}
  Fifo:
    Type: AWS::SQS::Queue
    Properties:
      FifoQueue: true
      ContentBasedDeduplication: true
      RedrivePolicy: {deadLetterTargetArn: !GetAtt FifoDead.Arn, maxReceiveCount: 2}
  Worker:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      Role: arn:aws:iam::123456789012:role/worker
      Timeout: 20
      Code: {ZipFile: "def handler(event, context): pass"}
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {FunctionName: !Ref Worker, EventSourceArn: !GetAtt Queue.Arn}
  FifoMapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {FunctionName: !Ref Worker, EventSourceArn: !GetAtt Fifo.Arn}
"""

Respond = Callable[[list[dict[str, Any]], int], Any]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    path = tmp_path_factory.mktemp("stack") / "template.yaml"
    path.write_text(TEMPLATE)
    return prepare(
        path, Settings(entries=(Entry("queue", "Queue"), Entry("queue", "Fifo")))
    ).deployed


def changed(
    deployed: Deployed, *, queue: Any = None, function: Any = None, **mapping: Any
) -> Deployed:
    """The stack with other attributes of its standard queue, its mapping or its function."""
    topology = deployed.topology
    mappings = [
        replace(one, **mapping) if one.logical_id == "Mapping" else one for one in topology.mappings
    ]
    queues = [
        replace(one, **(queue or {})) if one.logical_id == "Queue" else one
        for one in topology.queues
    ]
    functions = [replace(one, **(function or {})) for one in topology.functions]
    return replace(
        deployed,
        lookups={},
        topology=replace(
            topology,
            mappings=tuple(mappings),
            queues=tuple(queues),
            functions=tuple(functions),
        ),
    )


@dataclass
class Worker:
    """A handler that notes of each batch: when, its bodies, its receive counts."""

    respond: Respond = lambda records, number: None
    batches: list[tuple[float, list[str], list[int]]] = field(default_factory=list)

    def __call__(self, event: dict[str, Any], context: Any) -> Any:
        records = event["Records"]
        counts = [int(record["attributes"]["ApproximateReceiveCount"]) for record in records]
        self.batches.append((time.time(), [record["body"] for record in records], counts))
        return self.respond(records, len(self.batches))

    @property
    def bodies(self) -> list[list[str]]:
        return [bodies for _, bodies, _ in self.batches]

    @property
    def counts(self) -> list[list[int]]:
        return [counts for _, _, counts in self.batches]

    @property
    def gaps_seconds(self) -> list[float]:
        times = [at for at, _, _ in self.batches]
        return [later - earlier for earlier, later in pairwise(times)]


def schedule(*bodies: str, fault: str = "", entry: str = "Queue", **more: Any) -> Schedule:
    sends = tuple(Send(f"m{n}", entry, body) for n, body in enumerate(bodies, start=1))
    return Schedule(sends, (parse_fault(fault),) if fault else (), **{"redrives": (), **more})


def with_handler(deployed: Deployed, handler: Callable[..., Any]) -> Deployed:
    return replace(deployed, code={"Worker": Code("Worker", "index.handler", override=handler)})


def run(deployed: Deployed, worker: Worker, *bodies: str, **more: Any) -> Played:
    return play(with_handler(deployed, worker), schedule(*bodies, **more))


def happened(played: Played, kind: str) -> list[tuple[str, ...]]:
    return [event.messages for event in played.observation.history if event.kind == kind]


def noted(played: Played) -> list[str]:
    return [event.detail for event in played.observation.history if event.kind == "noted"]


def wait(records: Any, number: int) -> None:
    time.sleep(5)


class TestFaultsOfADelivery:
    def test_duplicate(self, deployed: Deployed) -> None:
        worker = Worker()
        played = run(deployed, worker, "b1", "b2", fault="Queue: delivery #1: duplicate")
        assert worker.bodies == [["b1", "b2"], ["b1", "b2"]]
        assert worker.counts == [[1, 1], [2, 2]]
        assert len(happened(played, "deleted")) == 2

    def test_duplicate_of_what_failed_is_none(self, deployed: Deployed) -> None:
        def respond(records: Any, number: int) -> None:
            if number == 1:
                raise ValueError

        worker = Worker(respond)
        run(deployed, worker, "b1", fault="Queue: delivery #1: duplicate")
        assert worker.counts == [[1], [2]]
        assert worker.gaps_seconds == [pytest.approx(30, abs=0.2)]

    def test_duplicate_of_a_part(self, deployed: Deployed) -> None:
        """What the handler gave back is still there: it is truly received again."""

        def respond(records: Any, number: int) -> Any:
            if number > 1:
                return None
            return {"batchItemFailures": [{"itemIdentifier": records[0]["messageId"]}]}

        worker = Worker(respond)
        stack = changed(deployed, reports_batch_item_failures=True)
        played = run(stack, worker, "b1", "b2", fault="Queue: delivery #1: duplicate")
        assert sorted(worker.bodies[1]) == ["b1", "b2"]
        assert worker.counts == [[1, 1], [2, 2]]
        assert happened(played, "deleted") == [("m2",), ("m1",)]

    def test_acknowledgement_lost(self, deployed: Deployed) -> None:
        worker = Worker()
        played = run(deployed, worker, "b1", fault="Queue: delivery #1: ack-lost")
        assert worker.counts == [[1], [2]]
        assert worker.gaps_seconds == [pytest.approx(30, abs=0.2)]
        assert noted(played) == ["the delete did not take"]
        assert len(happened(played, "deleted")) == 1

    def test_acknowledgement_lost_of_nothing(self, deployed: Deployed) -> None:
        """A batch that is given back has nothing to acknowledge."""

        def respond(records: Any, number: int) -> Any:
            return {"batchItemFailures": [{}]} if number == 1 else None

        stack = changed(deployed, reports_batch_item_failures=True)
        played = run(stack, Worker(respond), "b1", fault="Queue: delivery #1: ack-lost")
        assert noted(played) == []
        details = [e.detail for e in played.observation.history if e.kind == "failed"]
        assert details == ["its response fails the whole batch"]

    @pytest.mark.parametrize(("kind", "seconds"), [("delayed", 900), ("reordered", 1)])
    def test_one_comes_later(self, kind: str, seconds: float, deployed: Deployed) -> None:
        worker = Worker()
        run(deployed, worker, "b1", "b2", "b3", fault=f"Queue: delivery #1 under m2: {kind}")
        assert worker.bodies == [["b1", "b3"], ["b2"]]
        assert worker.counts[1] == [1], "the first receive is taken back"
        assert worker.gaps_seconds == [pytest.approx(seconds, abs=0.2)]

    def test_the_only_one_comes_later(self, deployed: Deployed) -> None:
        worker = Worker()
        played = run(deployed, worker, "b1", fault="Queue: delivery #1: delayed")
        assert worker.bodies == [["b1"]]
        assert played.observation.history[-1].at_ms > 900_000


class TestVisibilityExpired:
    """Delivered again while the first delivery is still at work."""

    FAULT = "Queue: delivery #1: visibility-expired"

    def test_again_amid_the_first(self, deployed: Deployed) -> None:
        worker = Worker(wait)
        played = run(deployed, worker, "b1", "b2", fault=self.FAULT)
        assert worker.bodies == [["b1", "b2"], ["b1", "b2"]]
        assert worker.counts == [[1, 1], [2, 2]]
        assert worker.gaps_seconds[0] < 1
        assert len(happened(played, "deleted")) == 2, "by the newer receipt alone"

    def test_what_else_waits_is_left_alone(self, deployed: Deployed) -> None:
        worker = Worker(wait)
        stack = changed(deployed, batch_size=1)
        played = run(stack, worker, "b1", "b2", "b3", fault=self.FAULT)
        assert worker.bodies[:2] == [["b1"], ["b1"]]
        assert sorted(zip(map(str, worker.bodies[2:]), worker.counts[2:], strict=True)) == [
            ("['b2']", [1]),
            ("['b3']", [1]),
        ]
        assert len(happened(played, "deleted")) == 3

    def test_of_a_fifo_queue_the_whole_batch_and_in_order(self, deployed: Deployed) -> None:
        worker = Worker(wait)
        fault = "Fifo: delivery #1: visibility-expired"
        run(deployed, worker, "b1", "b2", "b3", fault=fault, entry="Fifo")
        assert worker.bodies == [["b1", "b2", "b3"], ["b1", "b2", "b3"]]
        assert worker.counts[1] == [2, 2, 2]

    def test_of_a_fifo_queue_nothing_that_is_gone(self, deployed: Deployed) -> None:
        worker = Worker()
        played = run(
            deployed, worker, "b1", fault="Fifo: delivery #1: visibility-expired", entry="Fifo"
        )
        assert happened(played, "faulted") == [("m1",)]
        assert worker.bodies == [["b1"]], "the first was done before"

    def test_of_a_standard_queue_also_what_is_gone(self, deployed: Deployed) -> None:
        worker = Worker()
        run(deployed, worker, "b1", fault=self.FAULT)
        assert worker.counts == [[1], [2]]

    def test_with_its_receives_used_up_it_is_dead_lettered(self, deployed: Deployed) -> None:
        def respond(records: Any, number: int) -> None:
            if number == 1:
                raise ValueError
            time.sleep(5)

        worker = Worker(respond)
        played = run(deployed, worker, "b1", fault="Queue: delivery #2: visibility-expired")
        assert worker.counts == [[1], [2]]
        assert happened(played, "dead-lettered") == [("m1",)]
        assert happened(played, "succeeded") == [("m1",)]
        assert happened(played, "deleted") == []

    def test_what_another_receive_has_is_left_to_it(
        self, deployed: Deployed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sqs_source, "EXPIRED_AFTER_MS", 1000)
        [name] = [queue.name for queue in deployed.topology.queues if queue.logical_id == "Queue"]

        def respond(records: Any, number: int) -> None:
            sqs = boto3.client("sqs", region_name="us-east-1")
            url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
            receipt = records[0]["receiptHandle"]
            sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=0)
            assert len(sqs.receive_message(QueueUrl=url)["Messages"]) == 1
            time.sleep(5)

        worker = Worker(respond)
        played = run(deployed, worker, "b1", fault=self.FAULT)
        assert worker.counts == [[1]]
        assert happened(played, "succeeded") == [("m1",)]


class TestThrottles:
    def test_no_concurrency_at_all(self, deployed: Deployed) -> None:
        worker = Worker()
        stack = changed(deployed, function={"reserved_concurrency": 0})
        played = run(stack, worker, "b1")
        assert worker.batches == []
        assert happened(played, "dead-lettered") == [("m1",)]
        tried = [e.at_ms for e in played.observation.history if e.kind == "throttled"]
        assert [round(at / 1000) for at in tried] == [0, 1, 3, 7, 15, 30, 31, 33, 37, 45]

    def test_two_queues_share_a_function(self, deployed: Deployed) -> None:
        worker = Worker(wait)
        stack = changed(deployed, function={"reserved_concurrency": 1})
        sends = (Send("m1", "Queue", "b1"), Send("m2", "Fifo", "b2"))
        played = play(with_handler(stack, worker), Schedule(sends))
        assert worker.bodies == [["b1"], ["b2"]]
        assert worker.counts == [[1], [1]]
        assert happened(played, "throttled") == [("m2",)] * 3
        assert worker.gaps_seconds == [pytest.approx(7, abs=0.2)]


class TestBatches:
    def test_the_schedule_may_ask_for_less(self, deployed: Deployed) -> None:
        worker = Worker()
        run(deployed, worker, "b1", "b2", "b3", batch_limit=2)
        assert worker.bodies == [["b1", "b2"], ["b3"]]

    def test_a_window_ends_while_a_delivery_is_at_work(self, deployed: Deployed) -> None:
        """What was gathered goes out once there is a place again."""
        worker = Worker(wait)
        stack = changed(deployed, batch_size=2, batching_window_seconds=2)
        run(stack, worker, "b1", "b2", "b3")
        assert worker.bodies == [["b1", "b2"], ["b3"]]
        assert worker.gaps_seconds == [pytest.approx(7.1, abs=0.1)]

    def test_a_window_ends_with_every_place_taken(self, deployed: Deployed) -> None:
        worker = Worker(wait)
        stack = changed(deployed, batch_size=2, batching_window_seconds=2)
        fault = "Queue: delivery #1: visibility-expired"
        run(stack, worker, "b1", "b2", "b3", fault=fault, concurrency=2)
        assert worker.bodies == [["b1", "b2"], ["b1", "b2"], ["b3"]]
        assert worker.counts == [[1, 1], [2, 2], [1]]
        assert worker.gaps_seconds[1] == pytest.approx(5, abs=0.1)

    def test_what_comes_within_the_window_is_added(self, deployed: Deployed) -> None:
        worker = Worker()
        stack = changed(deployed, batching_window_seconds=10)
        simulation = Simulation(with_handler(stack, worker), schedule())
        with simulation.running():
            simulation.begin()
            for number in (1, 2):
                simulation.send(Send(f"m{number}", "Queue", f"b{number}"))
                simulation.settle(6000)
            simulation.settle(60_000)
        assert worker.bodies == [["b1", "b2"]]

    def test_a_gathered_message_may_expire_with_its_receives_used_up(
        self, deployed: Deployed
    ) -> None:
        """A window longer than the visibility timeout burns receives before the function runs."""
        worker = Worker()
        stack = changed(deployed, batching_window_seconds=100)
        played = run(stack, worker, "b1")
        assert worker.counts == [[1, 2]]
        assert happened(played, "dead-lettered") == [("m1",)]

    def test_message_attributes_count_towards_the_payload(self, deployed: Deployed) -> None:
        worker = Worker()
        large = "x" * 920_000

        def sender(event: Any, context: Any) -> Any:
            worker(event, context)
            if len(worker.batches) > 1:
                return
            sqs = boto3.client("sqs", region_name="us-east-1")
            url = sqs.get_queue_url(QueueName=queue_name)["QueueUrl"]
            for number in range(8):
                attributes = {"a": {"DataType": "String", "StringValue": large}}
                sqs.send_message(
                    QueueUrl=url, MessageBody=str(number), MessageAttributes=attributes
                )

        [queue_name] = [q.name for q in deployed.topology.queues if q.logical_id == "Queue"]
        play(with_handler(deployed, sender), schedule("b1"))
        assert [len(bodies) for bodies in worker.bodies] == [1, 6, 2]
        assert worker.counts == [[1], [1] * 6, [1] * 2]

    def test_the_payload_is_json(self, deployed: Deployed) -> None:
        worker = Worker()
        escaped = "\\" * 700_000  # twice as long in JSON
        run(deployed, worker, *(f"{number}{escaped}" for number in range(5)))
        assert [len(bodies) for bodies in worker.bodies] == [4, 1]

    def test_a_delayed_message_is_polled_when_its_delay_ends(self, deployed: Deployed) -> None:
        worker = Worker()

        def sender(event: Any, context: Any) -> Any:
            worker(event, context)
            if len(worker.batches) == 1:
                sqs = boto3.client("sqs", region_name="us-east-1")
                url = sqs.get_queue_url(QueueName=queue_name)["QueueUrl"]
                sqs.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=100)

        [queue_name] = [q.name for q in deployed.topology.queues if q.logical_id == "Queue"]
        played = play(with_handler(deployed, sender), schedule("b1"))
        assert worker.bodies == [["b1"], ["later"]]
        assert worker.gaps_seconds == [pytest.approx(100.1, abs=0.1)]
        assert played.observation.quiet


def test_a_disabled_mapping_leaves_the_other_at_work(deployed: Deployed) -> None:
    worker = Worker()
    stack = changed(deployed, enabled=False)
    sends = (Send("m1", "Queue", "b1"), Send("m2", "Fifo", "b2"))
    played = play(with_handler(stack, worker), Schedule(sends))
    assert worker.bodies == [["b2"]]
    [held] = played.observation.held
    assert (held.message, held.where, held.state) == ("m1", "Queue", "visible")


def test_a_mapping_that_is_disabled_under_way_stops(deployed: Deployed) -> None:
    worker = Worker()
    simulation = Simulation(with_handler(deployed, worker), schedule())
    with simulation.running():
        simulation.begin()
        simulation.send(Send("m1", "Queue", "b1"))
        for mapping in simulation.mappings:
            mapping.enabled = False
        simulation.settle(60_000)
        assert worker.batches == []
        for mapping in simulation.mappings:
            mapping.enabled = True
            mapping.wake()
        simulation.settle(60_000)
    assert worker.bodies == [["b1"]]


@pytest.mark.parametrize(
    "fault", ["", "Queue: delivery #2: duplicate", "Worker: invocation #1: throttled for 40 s"]
)
def test_the_same_schedule_gives_the_same_history(fault: str, deployed: Deployed) -> None:
    stack = changed(
        deployed, batch_size=2, batching_window_seconds=1, function={"reserved_concurrency": 1}
    )
    histories = set()
    for _ in range(2):
        played = run(stack, Worker(wait), *"abcde", fault=fault, concurrency=3)
        histories.add(to_bytes(played.observation.history))
    assert len(histories) == 1


@pytest.mark.parametrize(
    ("response", "failed"),
    [
        (None, set()),
        ({"batchItemFailures": [{"itemIdentifier": "a"}]}, {"a"}),
        ({"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "a"}]}, {"a"}),
        ({"batchItemFailures": [{"itemIdentifier": "b", "more": 1}], "more": 1}, {"b"}),
        ({"batchItemFailures": [{"itemIdentifier": "c"}]}, None),
        ({"batchItemFailures": [{"itemIdentifier": 1}]}, None),
        ({"batchItemFailures": [None]}, None),
        ({"batchItemFailures": {}}, None),
        (0, None),
        (False, None),
        ([], None),
    ],
)
def test_reported_failures(response: Any, failed: set[str] | None) -> None:
    found = reported_failures({"a", "b"}, json.loads(json.dumps(response)))
    assert found == failed
