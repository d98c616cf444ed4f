"""Every fault there is, where it can strike, and the AWS or HTTP behaviour that it stands for."""

from __future__ import annotations

from dataclasses import dataclass

# Where a fault strikes. A place has points of one sort each:
CALL = "call"  # function: an AWS call, "dynamodb.PutItem"
HTTP = "http"  # function: a call that leaves AWS, "http POST https://payments.example/charge"
INVOCATION = "invocation"  # function: "invocation"
DELIVERY = "delivery"  # queue, stream, table, topic, bus, bucket or rule: "delivery"
REQUEST = "request"  # entry: "request"


@dataclass(frozen=True)
class FaultKind:
    """One kind of fault. `variants` are the ways it shows (`refused(throttle)`), first the default.

    `lasts` says whether an outage of it makes sense: then the sweep also tries it for longer than
    the retries in its way.
    """

    name: str
    strikes: tuple[str, ...]
    stands_for: str
    variants: tuple[str, ...] = ()
    lasts: bool = False


_KINDS = (
    FaultKind(
        "refused",
        (CALL, HTTP),
        "the call has no effect: a throttle, a 5xx, a permission taken away, or no connection",
        ("throttle", "server-error", "access-denied", "connect-timeout"),
        lasts=True,
    ),
    FaultKind(
        "response-lost",
        (CALL, HTTP),
        "the call has its effect and the answer never arrives: a read timeout or a reset",
        ("timeout", "reset"),
        lasts=True,
    ),
    FaultKind("slow", (CALL, HTTP), "the answer comes after the function's timeout has ended it"),
    FaultKind(
        "partial",
        (CALL,),
        "a batch API answers HTTP 200 and lists an entry that it did not take",
        lasts=True,
    ),
    FaultKind(
        "stale", (CALL,), "an eventually consistent read shows the state before the last write"
    ),
    FaultKind(
        "conflict",
        (CALL,),
        "a DynamoDB transaction is cancelled: another one is under way on an item of it",
        lasts=True,
    ),
    FaultKind(
        "crash-before",
        (CALL, HTTP),
        "the execution environment dies just before the call",
        lasts=True,
    ),
    FaultKind(
        "crash-after",
        (CALL, HTTP),
        "the execution environment dies just after the call had its effect",
        lasts=True,
    ),
    FaultKind(
        "http-500", (HTTP,), "the third party answers 500 without doing the work", lasts=True
    ),
    FaultKind(
        "http-429",
        (HTTP,),
        "the third party answers 429 and a Retry-After, without doing the work",
        lasts=True,
    ),
    FaultKind(
        "brownout", (HTTP,), "the third party answers every second call with 503", lasts=True
    ),
    FaultKind(
        "flapping",
        (HTTP,),
        "the third party is down for ten seconds, up for ten seconds, and so on",
        lasts=True,
    ),
    FaultKind(
        "slow-start",
        (HTTP,),
        "the third party takes 8 s to answer, and for each further answer half as long",
        lasts=True,
    ),
    FaultKind(
        "crash",
        (INVOCATION,),
        "the environment dies after the handler's last effect and before its result is taken",
        lasts=True,
    ),
    FaultKind(
        "timeout",
        (INVOCATION,),
        "the function is ended at its timeout, after its last effect",
        lasts=True,
    ),
    FaultKind(
        "throttled", (INVOCATION,), "no concurrency is left: Lambda does not invoke", lasts=True
    ),
    FaultKind("init-failed", (INVOCATION,), "the environment does not come up", lasts=True),
    FaultKind("recycled", (INVOCATION,), "a new environment serves: module state is gone"),
    FaultKind(
        "flag-flipped",
        (CALL, HTTP, INVOCATION),
        "just before it a feature flag takes its other value, for good or for a while; the variant "
        "names the flag",
        lasts=True,
    ),
    FaultKind(
        "mapping-disabled",
        (CALL, HTTP, INVOCATION),
        "an operator disables the event source mappings of the function, and enables them later",
        lasts=True,
    ),
    FaultKind(
        "circuit-lost",
        (CALL, HTTP, INVOCATION),
        "just before it the item in which a circuit breaker keeps its state is gone",
    ),
    FaultKind(
        "redeployed",
        (CALL, HTTP, INVOCATION),
        "new environments serve what is invoked from now on; those at work go on to their end",
    ),
    FaultKind(
        "duplicate",
        (DELIVERY,),
        "a queue, topic, bus or bucket delivers a second time, or a stream's checkpoint is lost",
    ),
    FaultKind(
        "reordered",
        (DELIVERY,),
        "a queue, topic, bus or bucket delivers after later ones",
    ),
    FaultKind("delayed", (DELIVERY,), "a message becomes visible, or a batch is read, much later"),
    FaultKind(
        "visibility-expired",
        (DELIVERY,),
        "a message is delivered again while the first is still at work",
    ),
    FaultKind(
        "target-refused",
        (DELIVERY,),
        "the target of a topic, bus, bucket or rule does not take what it is given",
        ("throttle", "access-denied"),
        lasts=True,
    ),
    FaultKind("ack-lost", (DELIVERY,), "the delete after a success does not take", lasts=True),
    FaultKind(
        "storage-refused",
        (REQUEST,),
        "the storage behind the front door refuses: throttle, 5xx or no permission",
        ("throttle", "server-error", "access-denied"),
        lasts=True,
    ),
    FaultKind("gateway-throttled", (REQUEST,), "the front door itself answers 429"),
    FaultKind("sender-resends", (REQUEST,), "the sender sees no answer and sends the same again"),
)

KINDS = {kind.name: kind for kind in _KINDS}

# DESIGN's words for two of them that other points use with the same name.
ALIASES = {("throttled", REQUEST): "gateway-throttled", ("outage", HTTP): "refused"}

# Of deliveries: what only a queue's mapping knows, and what none of them does.
QUEUES_ONLY = frozenset({"visibility-expired", "ack-lost"})
NEVER_A_QUEUES = frozenset({"target-refused"})

READ_ONLY_PREFIXES = (
    "Get",
    "List",
    "Describe",
    "Query",
    "Scan",
    "BatchGet",
    "Head",
    "Receive",
    "Select",
    "Simulate",
    "Lookup",
    "Search",
    "TransactGet",
    "Check",
    "Count",
    "Batch_Get",
    "Preview",
)

BATCH_WRITES = {
    "sqs.SendMessageBatch",
    "sqs.DeleteMessageBatch",
    "sqs.ChangeMessageVisibilityBatch",
    "dynamodb.BatchWriteItem",
    "events.PutEvents",
    "kinesis.PutRecords",
    "firehose.PutRecordBatch",
    "sns.PublishBatch",
    "s3.DeleteObjects",
}

# Each with the field of its request that lists what it is about.
TRANSACTIONS = {
    "dynamodb.ExecuteTransaction": "TransactStatements",
    "dynamodb.TransactGetItems": "TransactItems",
    "dynamodb.TransactWriteItems": "TransactItems",
}

EVENTUALLY_CONSISTENT_READS = {
    "dynamodb.GetItem",
    "dynamodb.Query",
    "dynamodb.Scan",
    "dynamodb.BatchGetItem",
}


# Of those that strike calls and deliveries: a state machine is no environment that could die, and
# an execution that could start twice is delivered in no other way.
_OF_MACHINES = frozenset(
    {"refused", "response-lost", "slow", "partial", "stale", "conflict", "duplicate"}
)


def strikes_machines(kind: str) -> bool:
    """Whether a fault of a kind can strike a state machine."""
    return kind in _OF_MACHINES


def is_read_only(operation: str) -> bool:
    """Whether an AWS operation leaves the world as it was, by AWS's naming of operations."""
    return operation.startswith(READ_ONLY_PREFIXES) and operation != "GetSessionToken"


def sort_of_point(point: str) -> str:
    """The sort of a point's text: "http POST https://…" is HTTP, "dynamodb.PutItem" is CALL, …"""
    if point in (INVOCATION, DELIVERY, REQUEST):
        return point
    return HTTP if point.startswith("http ") else CALL
