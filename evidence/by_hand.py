"""What people counted by hand in 79 public templates, and why the rules count otherwise in 60."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Counted:
    """What was looked for, the rules that look for it, the count by hand, and the difference."""

    what: str
    rules: tuple[str, ...]
    by_hand: str
    difference: str


BY_HAND = (
    Counted(
        "a REST write whose refusals are told as 200",
        ("default-response-200",),
        "23 of 28",
        "the 19 other templates: 3 of 7. Deletes are writes, too; one answers 500 by default",
    ),
    Counted(
        "a form body that is not URL-encoded",
        ("body-not-encoded",),
        "3",
        "one more: a `Message` to SNS, where by hand a queue's `MessageBody` was counted",
    ),
    Counted(
        "an SQS mapping with batches, without `ReportBatchItemFailures`",
        ("no-batch-item-failures",),
        "27 of 37",
        "the others: 8 of 12",
    ),
    Counted(
        "a queue that is read without dead letters",
        ("no-dlq",),
        "20",
        "the others. Here are also a queue that a pipe reads, and two that are dead-letter queues "
        "and read themselves",
    ),
    Counted(
        "a visibility timeout under six times the function's",
        ("visibility-timeout",),
        "15 of 37",
        "the others: 3 of 12",
    ),
    Counted(
        "dead letters kept no longer than the source",
        ("dlq-retention",),
        "20 of 23",
        "three more are FIFO, and there the rule is silent: a letter's time begins anew (16 of 18 "
        "with them); the others: 4 of 5",
    ),
    Counted(
        "an EventBridge target without dead letters",
        ("event-target-no-dlq",),
        "20 of 22",
        "the others: 7 of 7. Rules by the clock are not looked at",
    ),
    Counted(
        "a stream's mapping without failure destination, cap or bisect",
        ("stream-no-destination", "stream-no-cap", "stream-no-bisect"),
        "7 of 9",
        "of the 9 here, 6 read Kinesis (5 without each) and 3 DynamoDB, which was not counted by "
        "hand",
    ),
    Counted(
        "a subscription without redrive policy",
        ("subscription-no-dlq",),
        "12 of 12",
        "the others: 8 of 8. E-mail and SMS are not looked at",
    ),
    Counted(
        "a handler without any permission for what it calls",
        ("missing-permission",),
        "1",
        "the same handler. The others are deliveries that no policy allows, which nobody counted",
    ),
)
