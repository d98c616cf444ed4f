"""What a large workload should leave, learnt from a few messages of each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pytest_storagefirst.explore.kinds import Kind, kinds
from pytest_storagefirst.ledger.crowd import Crowd, Like, met
from pytest_storagefirst.ledger.likeness import Example, UnlikeError, patterns
from pytest_storagefirst.ledger.oracle import Oracle, Sequential
from pytest_storagefirst.simulation.schedule import Send

# Each message of so small a workload is seen alone.
FEW_MESSAGES = 24
EXAMPLES_A_KIND = 4
# Of messages that are unlike each other, each of so many is seen alone.
MOST_UNLIKE = 500

OracleOf = Callable[[Sequence[Send]], Oracle]


def crowd(sends: Mapping[str, Send], oracle_of: OracleOf, sequential: Sequential) -> Oracle | Crowd:
    """What these messages should leave. `oracle_of` sees each message of a few alone.

    Raises LookupError for more unlike messages than can each be seen alone.
    """
    found = kinds(sends.values())
    examples = [message for kind in found for message in _some(kind.messages)]
    few = oracle_of([sends[message] for message in examples])
    learnt = [(kind, _learn(kind, few)) for kind in found]
    unlike = [message for kind, like in learnt if like is None for message in kind.messages]
    if len(unlike) > MOST_UNLIKE:
        raise LookupError(
            f"{len(unlike)} messages that are sent alike leave effects that are not, and so many "
            f"can't be seen one by one; write a test with at most {MOST_UNLIKE} of them"
        )
    likes = [like for _, like in learnt if like is not None]
    if few.separable and next(met(likes), None) is None:
        likes += _each_alone(unlike, sends, oracle_of)
        return Crowd(likes, sequential)
    return _meeting(likes, unlike, sends, oracle_of, sequential)


def _some(messages: Sequence[str]) -> list[str]:
    """The first, the last, and some from between."""
    last = len(messages) - 1
    steps = EXAMPLES_A_KIND - 1
    return [messages[at] for at in sorted({last * step // steps for step in range(steps + 1)})]


def _learn(kind: Kind, few: Oracle) -> Like | None:
    """What a kind leaves; None where its messages are unlike each other."""
    values = dict(zip(kind.messages, kind.values, strict=True))
    examples = [Example(m, values[m], few.alone[m]) for m in _some(kind.messages)]
    try:
        found, unexplained = patterns(examples)
    except UnlikeError:
        return None
    steps = few.steps[examples[0].message]
    return Like(kind.messages, kind.values, found, steps, unexplained)


def _each_alone(
    unlike: Sequence[str], sends: Mapping[str, Send], oracle_of: OracleOf
) -> list[Like]:
    if not unlike:
        return []
    seen = oracle_of([sends[message] for message in unlike])
    likes = []
    for message in unlike:
        found, _ = patterns([Example(message, (), seen.alone[message])])
        likes.append(Like((message,), ((),), found, seen.steps[message]))
    return likes


def _meeting(
    likes: Sequence[Like],
    unlike: Sequence[str],
    sends: Mapping[str, Send],
    oracle_of: OracleOf,
    sequential: Sequential,
) -> Oracle:
    """Where messages meet, all of them together are the measure, not a few."""
    together = Crowd([*likes, *_each_alone(unlike, sends, oracle_of)], sequential)
    slots = {message: together.slots(message) for message in sends}
    return Oracle.of_slots(slots, together.steps, sequential, meeting=True)
