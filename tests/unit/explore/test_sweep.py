"""The sweep lists every fault that can strike a crossing, and none that can't."""

from __future__ import annotations

import pytest

from pytest_storagefirst.explore.sweep import MOST_NUMBERS, outage_ms, single_faults
from pytest_storagefirst.faults.plan import check_fault, parse_fault
from pytest_storagefirst.simulation.deployed import Deployed, Entry
from pytest_storagefirst.stack.topology import Route


def texts(deployed, *points, times=1):
    return [str(fault) for fault in single_faults(deployed, dict.fromkeys(points, times))]


def test_a_write(sound):
    assert texts(sound.deployed, ("Worker", "dynamodb.PutItem")) == [
        "Worker: dynamodb.PutItem #1: refused(access-denied)",
        "Worker: dynamodb.PutItem #1: response-lost",
        "Worker: dynamodb.PutItem #1: slow",
        "Worker: dynamodb.PutItem #1: crash-before",
        "Worker: dynamodb.PutItem #1: crash-after",
        "Worker: dynamodb.PutItem #1: refused(throttle) for 150 s",
        "Worker: dynamodb.PutItem #1: response-lost for 150 s",
        "Worker: dynamodb.PutItem #1: crash-before for 150 s",
        "Worker: dynamodb.PutItem #1: crash-after for 150 s",
    ]


def test_a_read_leaves_nothing_behind_whose_answer_could_be_lost(sound):
    found = texts(sound.deployed, ("Worker", "dynamodb.GetItem"))

    assert "Worker: dynamodb.GetItem #1: stale" in found
    assert not [text for text in found if "response-lost" in text or "crash-after" in text]


def test_only_a_batch_succeeds_in_part_and_only_an_eventual_read_is_stale(sound):
    found = texts(sound.deployed, ("Worker", "sqs.SendMessageBatch"), ("Worker", "s3.GetObject"))

    assert "Worker: sqs.SendMessageBatch #1: partial" in found
    assert "Worker: s3.GetObject #1: partial" not in found
    assert not [text for text in found if "stale" in text]


def test_only_a_transaction_is_cancelled_for_another_one(sound):
    found = texts(
        sound.deployed, ("Worker", "dynamodb.TransactWriteItems"), ("Worker", "dynamodb.PutItem")
    )

    assert [text for text in found if "conflict" in text] == [
        "Worker: dynamodb.TransactWriteItems #1: conflict",
        "Worker: dynamodb.TransactWriteItems #1: conflict 40 times",
    ]


def test_a_third_party(sound):
    found = texts(sound.deployed, ("Worker", "http POST https://a.b/c"))

    kinds = {text.partition("#1: ")[2].partition(" ")[0] for text in found}
    assert kinds == {
        *("refused(connect-timeout)", "response-lost", "slow", "http-500", "http-429"),
        *("crash-before", "crash-after", "brownout", "flapping", "slow-start"),
    }


def test_deliveries_and_invocations_are_each_tried(sound):
    found = texts(sound.deployed, ("Orders", "delivery"), ("Worker", "invocation"), times=2)

    assert "Orders: delivery #2: duplicate" in found
    assert "Worker: invocation #2: recycled" in found
    assert len(found) == 2 * 5 + 2 * 5 + 3


def test_a_fifo_queue_delivers_nothing_twice_or_out_of_order(workshop):
    template = workshop.write(
        template="""
Resources:
  Orders: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true}}
  Worker:
    Type: AWS::Lambda::Function
    Properties:
      Code: {ZipFile: "def handler(event, context): pass"}
      Handler: index.handler
      Role: arn:aws:iam::123456789012:role/worker
      Runtime: python3.12
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {EventSourceArn: !GetAtt Orders.Arn, FunctionName: !Ref Worker}
"""
    )
    deployed = workshop.judge(template).deployed

    found = texts(deployed, ("Orders", "delivery"))

    assert [text for text in found if "visibility-expired" in text]
    assert not [text for text in found if "duplicate" in text or "reordered" in text]


@pytest.mark.parametrize("with_door", [True, False])
def test_only_a_front_door_throttles(sound, with_door):
    route = Route.__new__(Route) if with_door else None
    entry = Entry("POST /orders", {}, "route" if with_door else "queue", route)
    deployed = Deployed(sound.deployed.world, sound.deployed.topology, {}, (entry,))

    found = texts(deployed, ("POST /orders", "request"))

    assert ("POST /orders: request #1: gateway-throttled" in found) == with_door
    assert "POST /orders: request #1: sender-resends" in found


def test_crossings_beyond_a_dozen_are_not_each_tried(sound):
    found = texts(sound.deployed, ("Worker", "invocation"), times=100)

    assert f"Worker: invocation #{MOST_NUMBERS}: crash" in found
    assert f"Worker: invocation #{MOST_NUMBERS + 1}: crash" not in found


def test_an_outage_outlasts_every_receive_that_the_queue_allows(sound):
    (queue,) = [queue for queue in sound.deployed.topology.queues if queue.max_receive_count]

    assert outage_ms(sound.deployed, "crash") > (
        queue.max_receive_count * queue.visibility_timeout_seconds * 1000
    )


def test_every_fault_of_a_sweep_can_be_written_down(sound):
    counts = {
        ("Worker", "dynamodb.BatchWriteItem"): 1,
        ("Worker", "http POST https://a.b/c"): 1,
        ("Worker", "invocation"): 1,
        ("Orders", "delivery"): 1,
        ("Orders", "request"): 1,
    }
    for fault in single_faults(sound.deployed, counts):
        check_fault(fault)
        assert parse_fault(str(fault)) == fault
