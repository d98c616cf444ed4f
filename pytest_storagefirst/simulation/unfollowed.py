"""A front door's call of a service that is not simulated, and that nothing answers."""

from __future__ import annotations

from pytest_storagefirst.errors import EntryError
from pytest_storagefirst.simulation.frontdoor import BackendCall, HttpReply

NOT_SIMULATED = "which is not simulated"
# What a front door writes to is followed for these; of any other service only what moto answers.
FOLLOWED = frozenset(
    {"dynamodb", "events", "http", "kinesis", "lambda", "s3", "sns", "sqs", "states", "execute-api"}
)


def unfollowed(call: BackendCall, reply: HttpReply, place: str) -> EntryError | None:
    """The refusal of a run whose front door calls what nobody stands for; None where it is taken.

    What goes out of the stack into a service that answers (an e-mail) is an effect like any other.
    """
    if call.service in FOLLOWED or reply.status < 400:
        return None
    return EntryError(
        f"the integration of {place} calls {call.service}:{call.operation or call.method}, "
        f"{NOT_SIMULATED}",
        where=place,
        found=f"an answer of {reply.status}",
        expected="an integration into SQS, SNS, EventBridge, Kinesis, DynamoDB, S3, Step Functions "
        "or Lambda",
        remedy="name another way in, for instance what this service writes to:\n"
        '            [[entry]]\n            bucket = "LogicalId"',
    )
