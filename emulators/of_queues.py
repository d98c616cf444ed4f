"""Rules 1 to 10: SQS by itself."""

from __future__ import annotations

import json
from functools import partial

from emulators.probe import World, code_of, probe


@probe(
    1,
    "a message is received and not deleted",
    "hidden for its visibility timeout, then back with a receive count of 2",
    simulated=True,
)
def visibility(world: World) -> str:
    queue = world.queue("visibility", VisibilityTimeout=1)
    queue.send("m")
    queue.receive()
    hidden = "not hidden" if queue.receive() else "hidden"
    world.let_pass(1.2)
    [*again] = queue.receive()
    if not again:
        return f"{hidden}, and not back"
    count = again[0]["Attributes"]["ApproximateReceiveCount"]
    return f"{hidden} for its visibility timeout, then back with a receive count of {count}"


@probe(
    2,
    "a message is received once more than maxReceiveCount",
    "it is in the dead-letter queue",
    simulated=True,
)
def dead_letters(world: World) -> str:
    dead = world.queue("dead-letters-dead")
    queue = world.queue("dead-letters", VisibilityTimeout=1, RedrivePolicy=dead.redrive(1))
    queue.send("m")
    queue.receive()
    world.let_pass(1.2)
    back = queue.bodies()
    in_dead = dead.bodies()
    return "it is in the dead-letter queue" if in_dead and not back else "it is not there"


@probe(
    3,
    "a message spends 40 s in its queue and 30 s in a DLQ that keeps messages for 60 s",
    "it is gone: its age counts from the first enqueueing",
    simulated=True,
    minutes=2,
)
def age_in_the_dead_letter_queue(world: World) -> str:
    dead = world.queue("age-dead", MessageRetentionPeriod=60)
    queue = world.queue("age", VisibilityTimeout=1, RedrivePolicy=dead.redrive(1))
    queue.send("m")
    world.let_pass(40)
    queue.receive()
    world.let_pass(1.2)
    queue.receive()
    if not dead.holds():
        return "it never gets there"
    world.let_pass(30)
    return (
        "it is still there"
        if dead.bodies()
        else "it is gone: its age counts from the first enqueueing"
    )


@probe(4, "a message outlives a retention of 60 s", "it is gone", simulated=True, minutes=1)
def retention(world: World) -> str:
    queue = world.queue("retention", MessageRetentionPeriod=60)
    queue.send("m")
    world.let_pass(61)
    return "it is still there" if queue.bodies() else "it is gone"


@probe(5, "forty messages are sent and received", "each at least once, in any order")
def any_order(world: World) -> str:
    queue = world.queue("any-order")
    sent = [f"{number:02}" for number in range(40)]
    queue.send(*sent)
    received = [body for _ in range(8) for body in queue.bodies()]
    if received == sent:
        return "only ever once, in the order they were sent in"
    return "each at least once, in any order" if set(received) == set(sent) else "some are missing"


@probe(
    6,
    "two messages of one FIFO group, the first in flight",
    "the second waits",
    simulated=True,
)
def group_waits(world: World) -> str:
    queue = world.queue("group.fifo", ContentBasedDeduplication="true")
    queue.send("a", "b", MessageGroupId="g")
    queue.receive(MaxNumberOfMessages=1)
    return "the second is delivered" if queue.bodies() else "the second waits"


@probe(
    6,
    "a FIFO message is sent twice, and again after 5 minutes",
    "taken twice in all",
    page="AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html",
    simulated=True,
    minutes=5,
)
def deduplication(world: World) -> str:
    queue = world.queue("deduplication.fifo", ContentBasedDeduplication="true")
    queue.send("a", "a", MessageGroupId="g")
    world.let_pass(301)
    queue.send("a", MessageGroupId="g")
    return {1: "taken once", 2: "taken twice in all"}.get(queue.holds(), "taken each time")


@probe(
    6,
    "a FIFO message is sent, received, deleted, and sent again within 5 minutes",
    "accepted and dropped",
    page="AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html",
    simulated=True,
)
def deduplication_after_delete(world: World) -> str:
    queue = world.queue("deleted.fifo", ContentBasedDeduplication="true")
    queue.send("a", MessageGroupId="g")
    [message] = queue.receive()
    queue.sqs.delete_message(QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"])
    queue.send("a", MessageGroupId="g")
    return "delivered a second time" if queue.bodies() else "accepted and dropped"


@probe(
    7,
    "a batch of one good message and one with a delay of 901 s",
    "200: one is taken, one failed",
    simulated=True,
)
def batch_in_part(world: World) -> str:
    queue = world.queue("batch")
    entries = [
        {"Id": "good", "MessageBody": "m"},
        {"Id": "late", "MessageBody": "m", "DelaySeconds": 901},
    ]
    answers = []
    code = code_of(
        lambda: answers.append(queue.sqs.send_message_batch(QueueUrl=queue.url, Entries=entries))
    )
    if code:
        return f"the whole batch is refused: {code}"
    failed = [entry["Id"] for entry in answers[0].get("Failed", [])]
    return "200: one is taken, one failed" if failed == ["late"] else "200: both are taken"


@probe(
    8,
    "messages of 300 KB and of more than 1 MiB",
    "the first is taken, the second refused",
    page="AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html",
    simulated=True,
)
def sizes(world: World) -> str:
    queue = world.queue("sizes")
    words = {True: "taken", False: "refused"}
    first, second = (
        words[not code_of(partial(queue.send, "x" * size))] for size in (300_000, 1_048_577)
    )
    return f"the first is {first}, the second {second}"


@probe(
    9,
    "StartMessageMoveTask on a dead-letter queue",
    "its messages move back to their source, under new ids",
    simulated=True,
)
def redrive(world: World) -> str:
    dead = world.queue("redrive-dead")
    queue = world.queue("redrive", VisibilityTimeout=1, RedrivePolicy=dead.redrive(1))
    queue.send("m")
    [before] = queue.receive()
    world.let_pass(1.2)
    queue.receive()
    queue.sqs.start_message_move_task(SourceArn=dead.arn)
    after = world.until(queue.receive)
    if not after:
        return "its messages do not move"
    ids = "new" if after[0]["MessageId"] != before["MessageId"] else "their old"
    return f"its messages move back to their source, under {ids} ids"


@probe(10, "a queue's policy denies everyone SendMessage", "the sender is refused")
def policy(world: World) -> str:
    queue = world.queue("policy")
    statement = {"Effect": "Deny", "Principal": "*", "Action": "sqs:SendMessage"}
    text = json.dumps(
        {"Version": "2012-10-17", "Statement": [{**statement, "Resource": queue.arn}]}
    )
    queue.sqs.set_queue_attributes(QueueUrl=queue.url, Attributes={"Policy": text})
    return "the sender is refused" if code_of(lambda: queue.send("m")) else "the message is taken"
