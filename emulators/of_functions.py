"""Rules 11 to 27: what invokes functions, and what comes of it when they fail."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from emulators.probe import Queue, World, code_of, probe

PARTIAL = ["ReportBatchItemFailures"]


def _worked(world: World, name: str, *bodies: str, **mapping: Any) -> Queue:
    """A queue of which a function has been given these messages."""
    queue = world.queue(name, VisibilityTimeout=2)
    world.mapped(name, queue.arn, **mapping)
    for body in bodies:
        code_of(partial(queue.send, body))
    return queue


def _comes_back(world: World, name: str, *bodies: str, **mapping: Any) -> str:
    queue = _worked(world, name, *bodies, **mapping)
    twice = world.until(lambda: len(world.bodies(name)) > len(bodies))
    if twice:
        counts = [count for batch in world.invocations(name) for _, count in batch]
        return (
            "the message comes back"
            if counts[-1] == "2"
            else f"the message comes back as if new (count {counts[-1]})"
        )
    if not world.bodies(name):
        return "the function is not invoked"
    return (
        "the message stays in the queue and is not tried again"
        if queue.holds()
        else "the message is deleted"
    )


@probe(
    11, "three messages lie in a queue when its mapping is turned on", "several come in one batch"
)
def batches(world: World) -> str:
    queue = world.queue("batches", VisibilityTimeout=30)
    queue.send("a", "b", "c")
    world.mapped("batches", queue.arn, BatchSize=10, MaximumBatchingWindowInSeconds=1)
    world.until(lambda: len(world.bodies("batches")) == 3)
    sizes = [len(batch) for batch in world.invocations("batches")]
    if not sizes:
        return "the function is never invoked"
    return "several come in one batch" if max(sizes) > 1 else "each comes alone"


@probe(11, "a batch is sent to a queue with a function", "several come in one batch")
def batches_of_a_batch(world: World) -> str:
    queue = world.queue("sent-batch", VisibilityTimeout=30)
    world.mapped("sent-batch", queue.arn, BatchSize=10, MaximumBatchingWindowInSeconds=1)
    entries = [{"Id": name, "MessageBody": name} for name in "abc"]
    queue.sqs.send_message_batch(QueueUrl=queue.url, Entries=entries)
    world.until(lambda: len(world.bodies("sent-batch")) == 3)
    sizes = [len(batch) for batch in world.invocations("sent-batch")]
    if not sizes:
        return "the function is never invoked"
    return "several come in one batch" if max(sizes) > 1 else "each comes alone"


@probe(12, "the function raises", "the message comes back")
def raises(world: World) -> str:
    return _comes_back(world, "raises", "fail")


@probe(
    13, "the function lists the message, and the mapping asks for reports", "the message comes back"
)
def listed(world: World) -> str:
    return _comes_back(world, "listed", "list", FunctionResponseTypes=PARTIAL)


@probe(
    13,
    "the function lists the message, and the mapping asks for no report",
    "the message is deleted",
)
def listed_for_nobody(world: World) -> str:
    return _comes_back(world, "for-nobody", "list")


@probe(14, "the function lists a message that is not in the batch", "the message comes back")
def wrong_identifier(world: World) -> str:
    return _comes_back(world, "wrong", "wrong", FunctionResponseTypes=PARTIAL)


@probe(
    16,
    "the function's reserved concurrency is 0",
    "the function is not invoked, the message stays",
    page="lambda/latest/dg/configuration-concurrency.html",
)
def throttled(world: World) -> str:
    queue = world.queue("throttled", VisibilityTimeout=2)
    function = world.function("throttled")
    world.connect("lambda").put_function_concurrency(
        FunctionName="throttled", ReservedConcurrentExecutions=0
    )
    world.connect("lambda").create_event_source_mapping(
        FunctionName=function, EventSourceArn=queue.arn
    )
    queue.send("m")
    world.let_pass(3)
    invoked = (
        "the function is invoked" if world.bodies("throttled") else "the function is not invoked"
    )
    return f"{invoked}, the message {'stays' if queue.holds() else 'is deleted'}"


@probe(
    17, "a mapping of a queue whose visibility timeout is shorter than the function's", "refused"
)
def short_visibility(world: World) -> str:
    queue = world.queue("short", VisibilityTimeout=1)
    return "refused" if code_of(lambda: world.mapped("short", queue.arn)) else "made"


@probe(18, "a mapping with a MaximumConcurrency of 1,001", "refused")
def concurrency(world: World) -> str:
    queue = world.queue("concurrency")
    scaling = {"MaximumConcurrency": 1001}
    made = code_of(lambda: world.mapped("concurrency", queue.arn, ScalingConfig=scaling))
    return "refused" if made else "made"


@probe(19, "a message that the mapping's filter does not match", "not invoked, and deleted")
def filtered(world: World) -> str:
    filters = {"Filters": [{"Pattern": json.dumps({"body": {"kind": ["wanted"]}})}]}
    queue = _worked(world, "filtered", json.dumps({"kind": "other"}), FilterCriteria=filters)
    world.until(lambda: not queue.holds())
    invoked = "invoked" if world.bodies("filtered") else "not invoked"
    return f"{invoked}, and {'kept' if queue.holds() else 'deleted'}"


@probe(20, "a message for a disabled mapping", "it waits in the queue")
def disabled(world: World) -> str:
    queue = _worked(world, "disabled", "m", Enabled=False)
    world.let_pass(2)
    if world.bodies("disabled"):
        return "the function is invoked"
    return "it waits in the queue" if queue.holds() else "it is gone"


def _read(world: World, name: str, *bodies: str, **mapping: Any) -> list[str]:
    """What a function is given of a data stream with one shard, each record in turn."""
    kinesis = world.connect("kinesis")
    kinesis.create_stream(StreamName=name, ShardCount=1)
    arn = world.arn("kinesis", f"stream/{name}")
    world.until(
        lambda: (
            kinesis.describe_stream(StreamName=name)["StreamDescription"]["StreamStatus"]
            == "ACTIVE"
        )
    )
    world.mapped(name, arn, StartingPosition="TRIM_HORIZON", **mapping)
    for body in bodies:
        code_of(partial(kinesis.put_record, StreamName=name, Data=body.encode(), PartitionKey="k"))
    world.until(lambda: len(world.bodies(name)) > len(bodies))
    return world.bodies(name)


@probe(
    21,
    "the function raises at the first of two records of a shard",
    "the first is tried again, and the second waits",
)
def blocked_shard(world: World) -> str:
    seen = _read(world, "blocked", "fail", "next", BatchSize=1)
    if not seen:
        return "the function is never invoked"
    first = "tried again" if seen.count("fail") > 1 else "not tried again"
    return f"the first is {first}, and the second {'is read' if 'next' in seen else 'waits'}"


@probe(
    22,
    "the function raises at the first of two records of a shard, and one retry is allowed",
    "the first is tried twice, the second is read",
)
def capped(world: World) -> str:
    seen = _read(world, "capped", "fail", "next", BatchSize=1, MaximumRetryAttempts=1)
    if not seen:
        return "the function is never invoked"
    times = {1: "once", 2: "twice"}.get(seen.count("fail"), "again and again")
    return f"the first is tried {times}, the second {'is read' if 'next' in seen else 'waits'}"


@probe(
    23,
    "a record that is skipped, with a queue as OnFailure",
    "the queue gets metadata without the payload",
)
def on_failure(world: World) -> str:
    aside = world.queue("on-failure-aside")
    goes_to = {"OnFailure": {"Destination": aside.arn}}
    seen = _read(
        world,
        "on-failure",
        "fail",
        BatchSize=1,
        MaximumRetryAttempts=0,
        DestinationConfig=goes_to,
    )
    if not seen:
        return "the function is never invoked"
    said = world.until(aside.bodies)
    if not said:
        return "the queue gets nothing"
    with_payload = "requestPayload" in said[0] or "ZmFpbA" in said[0]
    return f"the queue gets metadata {'with' if with_payload else 'without'} the payload"


@probe(
    24,
    "the function lists the second of two records as failed",
    "the second is tried again, the first is not",
)
def checkpoint(world: World) -> str:
    seen = _read(world, "checkpoint", "first", "list", FunctionResponseTypes=PARTIAL)
    if not seen:
        return "the function is never invoked"
    again = [body for body in ("first", "list") if seen.count(body) > 1]
    if again == ["list"]:
        return "the second is tried again, the first is not"
    return "both are tried again" if again else "neither is tried again"


@probe(
    26,
    "an asynchronous invocation fails, with no retry and a queue as OnFailure",
    "the queue gets the record of the invocation",
    page="lambda/latest/dg/invocation-async-retain-records.html",
)
def asynchronous_destination(world: World) -> str:
    aside = world.queue("asynchronous-aside")
    world.function("asynchronous")
    functions = world.connect("lambda")
    functions.put_function_event_invoke_config(
        FunctionName="asynchronous",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": aside.arn}},
    )
    functions.invoke(FunctionName="asynchronous", InvocationType="Event", Payload=b"{}")
    if not world.until(lambda: world.invocations("asynchronous")):
        return "the function is never invoked"
    said = world.until(aside.bodies)
    return "the queue gets the record of the invocation" if said else "the queue gets nothing"


@probe(
    26,
    "an asynchronous invocation fails",
    "it is tried twice more, after 1 and 2 minutes",
    minutes=3,
)
def asynchronous_retries(world: World) -> str:
    world.function("retries")
    world.connect("lambda").invoke(FunctionName="retries", InvocationType="Event", Payload=b"{}")
    if not world.until(lambda: world.invocations("retries")):
        return "the function is never invoked"
    world.let_pass(70)
    world.let_pass(130)
    times = len(world.invocations("retries"))
    if times == 3:
        return "it is tried twice more, after 1 and 2 minutes"
    return "it is not tried again" if times == 1 else f"it is tried {times} times"
