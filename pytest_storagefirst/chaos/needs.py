"""What a drill needs a stack to have, as its file says."""

from __future__ import annotations

from collections.abc import Callable

from pytest_storagefirst.chaos.breaking.circuits import breaker_of
from pytest_storagefirst.chaos.breaking.functions import CARRIED, carrying
from pytest_storagefirst.chaos.breaking.kind import Aim, mappings_of
from pytest_storagefirst.chaos.breaking.outside import third_parties_of
from pytest_storagefirst.chaos.drill import Drill
from pytest_storagefirst.errors import DrillError
from pytest_storagefirst.explore.flags import flags_of
from pytest_storagefirst.target.queues import queues_of
from pytest_storagefirst.target.stores import stores_of_record

NEEDS: dict[str, tuple[Callable[[Aim], object], str]] = {
    "mapping": (lambda aim: mappings_of(aim.topology), "an AWS::Lambda::EventSourceMapping"),
    "function": (lambda aim: aim.topology.functions, "an AWS::Lambda::Function"),
    "queue": (lambda aim: queues_of(aim.topology).work, "an AWS::SQS::Queue"),
    "dead-letter queue": (
        lambda aim: [one for one in aim.topology.queues if one.dead_letter_arn],
        "a queue with a RedrivePolicy",
    ),
    "failure destination": (
        lambda aim: (
            queues_of(aim.topology).dead
            or stores_of_record(aim.topology, aim.target.settings).aside
        ),
        "a dead-letter queue or failure destination, in the stack, of a queue, a function, a "
        "mapping, a subscription or a rule: else a bad message is given again and again",
    ),
    "table": (lambda aim: aim.topology.tables, "an AWS::DynamoDB::Table"),
    "downstream": (
        third_parties_of,
        "a third party's URL in a variable of a function, and [[downstream]] in storagefirst.toml",
    ),
    "circuit": (breaker_of, "a circuit breaker: name it by [circuit] in storagefirst.toml"),
    "flag": (
        lambda aim: flags_of(aim.target.settings, aim.topology),
        "a feature flag: name it by [[flag]] in storagefirst.toml",
    ),
    "agent": (
        lambda aim: carrying(aim.topology),
        CARRIED,
    ),
}


def check_needs(drill: Drill, aim: Aim) -> None:
    """Raises DrillError for the first thing that the drill needs and the stack lacks."""
    for need in drill.needs:
        has, expected = NEEDS[need]
        if not has(aim):
            article = "an" if need[0] in "aeiou" else "a"
            raise DrillError(
                f"{drill.name} does not fit this stack: it needs {article} {need}",
                expected=expected,
            )
