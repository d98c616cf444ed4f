"""All single faults: every site that a fault-free run crosses, with all that can strike it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_storagefirst.faults import catalogue
from pytest_storagefirst.faults.catalogue import CALL, DELIVERY, HTTP, INVOCATION, REQUEST
from pytest_storagefirst.faults.plan import Fault
from pytest_storagefirst.simulation.deployed import Deployed
from pytest_storagefirst.stack.states_language import patience_seconds
from pytest_storagefirst.stack.topology import EventSourceMapping, Stream

MOST_NUMBERS = 12  # crossings of one point that are each tried
# A target that is down for longer than EventBridge tries (24 hours, eb-rule-retry-policy).
DELIVERY_OUTAGE_MS = 90_000_000
# Where a redrive policy allows more, a call fails so often that it shows all that it will, and only
# whole invocations fail until the messages are set aside.
MOST_RECEIVES_PLAYED = 20
_OF_INVOCATIONS = frozenset({"crash", "timeout", "throttled", "init-failed"})
MOST_IN_A_ROW = 40  # answers that leave an entry out, or cancel a transaction

# Tried once at every crossing. Throttles and 5xx that last one attempt only are what the AWS SDK's
# retries are for, so a refusal is tried as the one kind that it does not retry.
_ONCE: dict[str, tuple[tuple[str, str], ...]] = {
    CALL: (
        ("refused", "access-denied"),
        ("response-lost", ""),
        ("slow", ""),
        ("partial", ""),
        ("stale", ""),
        ("conflict", ""),
        ("crash-before", ""),
        ("crash-after", ""),
    ),
    HTTP: (
        ("refused", "connect-timeout"),
        ("response-lost", ""),
        ("slow", ""),
        ("http-500", ""),
        ("http-429", ""),
        ("crash-before", ""),
        ("crash-after", ""),
    ),
    INVOCATION: (
        ("crash", ""),
        ("timeout", ""),
        ("throttled", ""),
        ("init-failed", ""),
        ("recycled", ""),
    ),
    DELIVERY: (
        ("duplicate", ""),
        ("reordered", ""),
        ("delayed", ""),
        ("visibility-expired", ""),
        ("ack-lost", ""),
        ("target-refused", "access-denied"),
    ),
    REQUEST: (
        ("storage-refused", "throttle"),
        ("storage-refused", "server-error"),
        ("storage-refused", "access-denied"),
        ("gateway-throttled", ""),
        ("sender-resends", ""),
    ),
}

# Tried as outages that outlast the retries in their way, from the first crossing on.
_LASTING: dict[str, tuple[tuple[str, str], ...]] = {
    CALL: (
        ("refused", "throttle"),
        ("response-lost", ""),
        ("partial", ""),
        ("conflict", ""),
        ("crash-before", ""),
        ("crash-after", ""),
    ),
    HTTP: (
        ("refused", "connect-timeout"),
        ("response-lost", ""),
        ("http-500", ""),
        ("brownout", ""),
        ("flapping", ""),
        ("slow-start", ""),
    ),
    INVOCATION: (("crash", ""), ("throttled", "")),
    DELIVERY: (("ack-lost", ""), ("target-refused", "throttle")),
    REQUEST: (),
}


def single_faults(deployed: Deployed, counts: Mapping[tuple[str, str], int]) -> Iterator[Fault]:
    """Every fault that can strike the crossings that a fault-free run made, once and lasting."""
    for (place, point), count in sorted(counts.items()):
        for number in range(1, min(count, MOST_NUMBERS) + 1):
            yield from faults_once(deployed, place, point, number)
    for (place, point), _ in sorted(counts.items()):
        yield from faults_lasting(deployed, place, point, 1)


def faults_once(deployed: Deployed, place: str, point: str, number: int) -> Iterator[Fault]:
    """All that can strike one crossing, once."""
    for kind, variant in _ONCE[catalogue.sort_of_point(point)]:
        if _applies(kind, variant, point, place, deployed):
            yield Fault(place, point, number, kind, variant)


def faults_lasting(deployed: Deployed, place: str, point: str, number: int) -> Iterator[Fault]:
    """All outages of a point that can begin at one crossing, each longer than the retries there."""
    for kind, variant in _LASTING[catalogue.sort_of_point(point)]:
        if not _applies(kind, variant, point, place, deployed):
            continue
        if kind in ("partial", "conflict"):
            # Callers send the rest again at once, boto3's batch_writer without any pause: by time,
            # that is thousands of calls. By count it outlasts those who try a few times.
            yield Fault(place, point, number, kind, variant, times=MOST_IN_A_ROW)
        else:
            for_ms = outage_ms(deployed, kind, place)
            if kind == "target-refused":
                for_ms = _delivery_outage_ms(deployed, place)
            yield Fault(place, point, number, kind, variant, for_ms=for_ms)


def _applies(kind: str, variant: str, point: str, place: str, deployed: Deployed) -> bool:
    operation = point.rpartition(".")[2]
    if deployed.machine_at(place) is not None and not catalogue.strikes_machines(kind):
        return False
    if point == DELIVERY and any(stream.logical_id == place for stream in deployed.streams):
        return kind in ("duplicate", "delayed")  # a stream has neither visibility nor deletes
    if kind in catalogue.NEVER_A_QUEUES | catalogue.QUEUES_ONLY:
        is_queue = any(queue.logical_id == place for queue in deployed.topology.queues)
        if is_queue or kind in catalogue.QUEUES_ONLY:
            return is_queue and kind in catalogue.QUEUES_ONLY
        # Nothing can be configured to keep what S3 may not deliver.
        is_bucket = any(bucket.logical_id == place for bucket in deployed.topology.buckets)
        return not (is_bucket and variant == "access-denied")
    if kind == "partial":
        return point in catalogue.BATCH_WRITES
    if kind == "stale":
        return point in catalogue.EVENTUALLY_CONSISTENT_READS
    if kind == "conflict":
        return point in catalogue.TRANSACTIONS
    if kind in ("response-lost", "crash-after") and "." in point and not point.startswith("http"):
        # A lost answer to a read is a refused one; a crash after it, a crash before what follows.
        return not catalogue.is_read_only(operation)
    if kind == "gateway-throttled":
        return any(e.name == place and e.route is not None for e in deployed.entries)
    if point == DELIVERY and any(place == pipe.logical_id for pipe in deployed.topology.pipes):
        return False  # its source's delivery is where these strike
    if point == DELIVERY and any(
        place == one.logical_id and one.fifo for one in deployed.topology.topics
    ):
        return False  # a FIFO topic neither doubles nor overtakes
    if kind in ("duplicate", "reordered"):
        return place not in {one.logical_id for one in deployed.topology.queues if one.fifo}
    return True


def _delivery_outage_ms(deployed: Deployed, place: str) -> int:
    """Buses give up after a day; topics and buckets try for weeks: no outage lasts longer."""
    gives_up = any(place == bus.logical_id for bus in deployed.topology.buses)
    return DELIVERY_OUTAGE_MS if gives_up else 300_000


def outage_ms(deployed: Deployed, kind: str, place: str = "") -> int:
    """An outage that outlasts the retries in its way.

    Those of a state machine, where it strikes one or what no queue feeds.
    Where a DLQ ends them: every receive that it allows, a visibility timeout each. Where none does,
    a message is retried for as long as it is kept, and a refusal is tried for longer than that;
    what else may go wrong, for three visibility timeouts.
    """
    longest_ms = 0
    patience_ms = 0
    for machine in deployed.topology.state_machines:
        patience_ms = max(patience_ms, patience_seconds(machine) * 1000 + 60_000)
    fed = {mapping.function_arn for mapping in deployed.topology.mappings}
    functions = {one.logical_id for one in deployed.topology.functions if one.arn in fed}
    if patience_ms and place and place not in functions:
        return patience_ms
    for mapping in deployed.topology.mappings:
        function = deployed.function_by_arn(mapping.function_arn)
        stream = deployed.stream_by_arn(mapping.source_arn)
        if stream is not None and function is not None:
            longest_ms = max(longest_ms, _stream_outage_ms(deployed, mapping, stream, kind))
        queue = deployed.queue_by_arn(mapping.source_arn)
        if queue is None or function is None:
            continue
        receives = (queue.max_receive_count or 2) + 1
        if kind not in _OF_INVOCATIONS:
            receives = min(receives, MOST_RECEIVES_PLAYED)
        each = max(queue.visibility_timeout_seconds, 1) + mapping.batching_window_seconds
        seconds = receives * each + 60
        if queue.dead_letter_arn is None and kind == "refused":
            seconds = queue.retention_seconds + 86_400
        longest_ms = max(longest_ms, seconds * 1000)
    return longest_ms or 300_000


def _stream_outage_ms(
    deployed: Deployed, mapping: EventSourceMapping, stream: Stream, kind: str
) -> int:
    """Longer than a mapping's limits allow; where it has none, than records are kept."""
    ages_ms = [deployed.stream_budget_ms(mapping) + 60_000]
    if mapping.maximum_record_age_seconds is not None:
        ages_ms.append(mapping.maximum_record_age_seconds * 1000 + 60_000)
        return min(ages_ms)
    if mapping.maximum_retry_attempts is None and kind == "refused":
        return (stream.retention_hours + 24) * 3_600_000
    return ages_ms[0]
