"""Whether two messages of a guessed body are one to the stack, and the field that parts them.

A guess gives each message an id. A handler that keeps what a message leaves under another field
would find the second message done, or write over the first: a likeness that the guess made, and no
fault of the stack. So {unique} goes into that field, too.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pytest_storagefirst.errors import EntryError
from pytest_storagefirst.explore import workload
from pytest_storagefirst.explore.fields import Path, leaves, value_at, with_value
from pytest_storagefirst.explore.refused_bodies import toml
from pytest_storagefirst.ledger.effects import Canonical, Observation, canonical
from pytest_storagefirst.ledger.masks import differences, dumped
from pytest_storagefirst.simulation.deployed import Entry
from pytest_storagefirst.simulation.producers import is_event
from pytest_storagefirst.simulation.schedule import UNIQUE

# Plays so many messages with this body one after the other, at another time of another year if
# asked; None where the stack refuses the body.
Play = Callable[[Any, int, bool], Observation | None]

ONE_TO_THE_STACK = "the body was guessed, and two messages of it are one to this stack"
_TOKEN = "<m1"  # so begin all names of what is the first message's own
_KEPT = ("item", "object")
_DATES = ("2026-01-01T00:00:00Z", "2031-07-04T05:06:07Z")


def told_apart(entry: Entry, body: Any, play: Play) -> tuple[Any, str]:
    """The body, and the field that {unique} was put in so that two messages leave two effects.

    "" where they do so anyway, or are meant to meet: in a total, or under a key of the handler's
    own. Raises EntryError where they meet in a guessed field that {unique} can't stand in.
    """
    if not isinstance(body, dict) or not _are_one(body, play):
        return body, ""
    for path in _texts(body):
        changed = with_value(body, path, UNIQUE)
        if _is_parted(changed, play):
            return changed, ".".join(map(str, path))
    keys = _keys(play(body, 1, False))
    for path, other in _otherwise(body):
        keys_then = _keys(play(with_value(body, path, other), 1, False))
        if keys_then and keys_then != keys:
            raise _refusal(entry, body, path)
    return body, ""


def _is_parted(body: Any, play: Play) -> bool:
    """Whether the stack takes the body, and keeps what two messages leave under two keys."""
    alone = play(body, 1, False)
    keys = _keys(alone)
    return any(_TOKEN in key for key in keys) if keys else bool(alone) and not _are_one(body, play)


def _are_one(body: Any, play: Play) -> bool:
    """Whether the second of two messages leaves nothing beside what the first one left.

    What is otherwise after both than after one is a total or a list, in which they meet on purpose.
    """
    alone = play(body, 1, False)
    if alone is None or not alone.effects or any(_TOKEN in key for key in _keys(alone)):
        return False
    later, both = play(body, 1, True), play(body, 2, False)
    if later is None or both is None:
        return False
    first, second, together = map(_by_place, (alone, later, both))
    grows = any(len(together[place]) > len(trees) for place, trees in first.items())
    return any(
        len(trees) == len(together[place]) == len(second[place])
        and all(
            differences(tree, then).keys() <= differences(tree, at_another_time).keys()
            for tree, then, at_another_time in zip(
                trees, together[place], second[place], strict=True
            )
        )
        and (not grows or any(_holds_more_than_its_key(tree, body) for tree in trees))
        for place, trees in first.items()
    )


def _holds_more_than_its_key(tree: Any, body: Any) -> bool:
    """Whether what stands there is of the message, and no state that the handler keeps by itself:
    a breaker's, say, of the service that the message names."""
    key, value, _ = tree
    own = {name: it for name, it in value.items() if name not in key} if _are_items(tree) else value
    told = [str(value).replace(UNIQUE, "<m>") for _, value in leaves(body)]
    return any(one in dumped(own) for one in told)


def _are_items(tree: Any) -> bool:
    return isinstance(tree[0], dict) and isinstance(tree[1], dict)


def _by_place(observed: Observation) -> dict[tuple[str, str], list[Any]]:
    """What stands at each place, with one name for all messages."""
    found: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for effect in canonical(observed):
        text = dumped(effect.tree).replace(_TOKEN, "<m").replace("<m2", "<m")
        found[effect.kind, effect.place].append(json.loads(text))
    return found


def _keys(observed: Observation | None) -> list[str]:
    """What items and objects are kept under."""
    effects: Iterable[Canonical] = canonical(observed) if observed is not None else ()
    return [dumped(effect.tree[0]) for effect in effects if effect.kind in _KEPT]


# --- the fields of a body --------------------------------------------------------------------


def _texts(body: dict[str, Any]) -> Iterator[Path]:
    """The fields that {unique} can be put in: of an event, none that a rule may match."""
    for path, value in leaves(body):
        around = is_event(body) and path[0] != "detail"
        if isinstance(value, str) and UNIQUE not in value and not around:
            yield path


def _otherwise(body: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    """The fields that another value of their kind can be put in, with such a value."""
    for path, value in leaves(body):
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield path, value + 1
    for path in _texts(body):
        yield path, _DATES[1] if value_at(body, path) == _DATES[0] else "another text"


def _refusal(entry: Entry, body: dict[str, Any], path: Path) -> EntryError:
    field = ".".join(map(str, path))
    return EntryError(
        ONE_TO_THE_STACK,
        where=entry.name,
        found=f"what they leave is kept under {field}, which is {value_at(body, path)!r} in both; "
        f"sent {workload.as_sent(body)}",
        expected=f"a body whose {field} is known to be each message's own, or the same in several",
        remedy=f"write in storagefirst.toml what your senders send, with {UNIQUE} in {field} if it "
        "differs from message to message:\n"
        f'            [[entry]]\n            {entry.kind} = "{entry.name}"\n'
        f"            body = {toml(body)}",
    )
