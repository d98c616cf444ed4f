"""Rules about queues and the mappings that read them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_storagefirst.audit.consumers import (
    LONGEST_RETENTION,
    QUEUE,
    RETENTION,
    arn_of,
    consumers,
    dead_letter_queues,
    new_queue,
    read_queues,
    redrive,
)
from pytest_storagefirst.audit.view import Looked, View, joined, listed, whole

ADVISED_RECEIVES = 5
TIMES = 6  # the visibility timeout against the function's
_TIMEOUT, _VISIBILITY = 3, 30  # seconds, of a function and of a queue that say nothing


def no_batch_item_failures(view: View) -> Iterator[Looked]:
    for one in consumers(view, "queue"):
        problem = ""
        if one.batch_size > 1 and not one.reports_failures:
            function = one.function or "the function"
            problem = (
                f"up to {one.batch_size} messages at once, without ReportBatchItemFailures: one "
                f"that fails brings back all that {function} got with it, and a list of failures "
                "that it returns is not heard: they are deleted"
            )
        flag = ((one.logical_id, ("FunctionResponseTypes",), ["ReportBatchItemFailures"]),)
        alone = ((one.logical_id, ("BatchSize",), 1),)
        yield Looked(
            "no-batch-item-failures",
            one.logical_id,
            problem,
            ("BatchSize",),
            {"Function": one.function or "the function"},
            tuple(filter(None, (one.function, one.source))),
            (flag, alone),
            one.function or "",
        )


def no_dlq(view: View) -> Iterator[Looked]:
    for queue, readers in read_queues(view).items():
        properties = view.properties(queue)
        problem = ""
        if not redrive(properties):
            problem = (
                f"{queue} has no dead-letter queue: what {readers[0]} can't process comes back "
                "until it expires, and is gone"
            )
        fifo = properties.get("FifoQueue") in (True, "true")
        letters = f"{queue}DeadLetters"
        policy = {"deadLetterTargetArn": arn_of(letters), "maxReceiveCount": ADVISED_RECEIVES}
        yield Looked(
            "no-dlq",
            queue,
            problem,
            (),
            {"Queue": queue},
            tuple(readers),
            ((new_queue(letters, fifo=fifo), (queue, ("RedrivePolicy",), policy)),),
        )


def dlq_retention(view: View) -> Iterator[Looked]:
    for queue, properties in view.of_type(QUEUE):
        letters = view.pointed_at(redrive(properties).get("deadLetterTargetArn"), QUEUE)
        if letters is None or properties.get("FifoQueue") in (True, "true"):
            continue  # a FIFO queue's letters begin a new life there
        keeps = whole(properties.get("MessageRetentionPeriod"), RETENTION)
        found = whole(view.properties(letters).get("MessageRetentionPeriod"), RETENTION)
        problem = ""
        if found <= keeps:
            problem = (
                f"{letters} keeps messages for {_days(found)}, {queue} for {_days(keeps)}: their "
                "time goes on from when they were sent, so a letter may expire as soon as it comes"
            )
        changes: list[tuple[str, tuple[str, ...], Any]] = [
            (letters, ("MessageRetentionPeriod",), LONGEST_RETENTION)
        ]
        if keeps >= LONGEST_RETENTION:
            changes.append((queue, ("MessageRetentionPeriod",), RETENTION))
        yield Looked(
            "dlq-retention",
            letters,
            problem,
            ("MessageRetentionPeriod",),
            {"Queue": queue, "Letters": letters},
            tuple(read_queues(view).get(queue, ())),
            (tuple(changes),),
        )


def _days(seconds: int) -> str:
    return f"{seconds / 86_400:g} days" if seconds % 43_200 == 0 else f"{seconds:,} s"


def visibility_timeout(view: View) -> Iterator[Looked]:
    for one in consumers(view, "queue"):
        if one.source is None or one.function is None:
            continue
        timeout = whole(view.properties(one.function).get("Timeout"), _TIMEOUT)
        window = whole(one.properties.get("MaximumBatchingWindowInSeconds"), 0)
        found = whole(view.properties(one.source).get("VisibilityTimeout"), _VISIBILITY)
        wanted = TIMES * timeout + window
        problem = ""
        if found < wanted:
            problem = (
                f"{one.source} hides a message for {found} s; {one.function} may take {timeout} s, "
                f"so that AWS asks for {wanted} s ({TIMES} times that"
                + (f" and the batching window of {window} s" if window else "")
                + "): it comes again while attempts are still made"
            )
        yield Looked(
            "visibility-timeout",
            one.source,
            problem,
            ("VisibilityTimeout",),
            {"Queue": one.source, "Seconds": str(wanted)},
            (one.function, one.source),
            (((one.source, ("VisibilityTimeout",), wanted),),),
        )


def max_receive_count(view: View) -> Iterator[Looked]:
    read = {one.source for one in consumers(view, "queue")}
    for queue, properties in view.of_type(QUEUE):
        policy = redrive(properties)
        if queue not in read or not policy:
            continue
        found = whole(policy.get("maxReceiveCount"), 10)
        problem = ""
        if found < ADVISED_RECEIVES:
            problem = (
                f"{queue} sets a message aside after {found} "
                + ("receive" if found == 1 else "receives")
                + ": throttles of the function count, too, and can use them up before it ever ran"
            )
        count = (queue, ("RedrivePolicy", "maxReceiveCount"), ADVISED_RECEIVES)
        yield Looked(
            "max-receive-count",
            queue,
            problem,
            ("RedrivePolicy", "maxReceiveCount"),
            {"Queue": queue},
            tuple(read_queues(view).get(queue, ())),
            ((count,),) if isinstance(properties.get("RedrivePolicy"), dict) else (),
        )


def filter_deletes(view: View) -> Iterator[Looked]:
    for one in consumers(view, "queue"):
        criteria = one.properties.get("FilterCriteria")
        filters = listed(criteria.get("Filters")) if isinstance(criteria, dict) else []
        problem = ""
        if filters:
            problem = (
                f"the filter of {one.function or 'the function'}'s mapping deletes every message "
                f"of {one.source or 'the queue'} that does not match: nobody else gets it"
            )
        yield Looked(
            "filter-deletes",
            one.logical_id,
            problem,
            ("FilterCriteria",),
            {"Queue": one.source or "the queue"},
        )


_DEPTH = ("ApproximateNumberOfMessagesVisible", "NumberOfMessagesReceived", "NumberOfMessagesSent")
_AGE = "ApproximateAgeOfOldestMessage"
_TOO_OLD = "300  # seconds: choose what is too long here; 0 would tell of every message"


def no_alarm(view: View) -> Iterator[Looked]:
    alarmed: dict[str, set[str]] = {}
    for _, properties in view.of_type("AWS::CloudWatch::Alarm"):
        metrics = _metrics(properties)
        for name in view.mentioned(properties.get("Dimensions")) | view.mentioned(
            properties.get("Metrics")
        ):
            alarmed.setdefault(name, set()).update(metrics)
    letters = dead_letter_queues(view)
    for queue, by in letters.items():
        problem = ""
        if not alarmed.get(queue):
            problem = (
                f"no alarm tells that something lies in {queue}, where {by} puts what failed: it "
                "expires unseen"
            )
        names = {"Queue": queue, "Metric": _DEPTH[0], "Threshold": "0"}
        yield Looked("no-alarm", queue, problem, (), names)
    for queue, readers in read_queues(view).items():
        if queue in letters:
            continue
        problem = ""
        if not alarmed.get(queue, set()) & {_AGE, *_DEPTH}:
            problem = (
                f"no alarm tells that messages wait in {queue}: when {readers[0]} stands still, "
                "they expire unseen"
            )
        names = {"Queue": queue, "Metric": _AGE, "Threshold": _TOO_OLD}
        yield Looked("no-alarm", queue, problem, (), names)


def _metrics(alarm: Any) -> set[str]:
    found = {joined(alarm.get("MetricName"))}
    for one in listed(alarm.get("Metrics")):
        stat = one.get("MetricStat") if isinstance(one, dict) else None
        metric = stat.get("Metric") if isinstance(stat, dict) else None
        if isinstance(metric, dict):
            found.add(joined(metric.get("MetricName")))
    return found - {""}
