"""Whether what a message leaves several times is the same."""

from __future__ import annotations

import json

import pytest

from pytest_storagefirst.target.alike import alike

ORDER = {"kind": {"S": "order"}, "amount": {"N": "12"}}


def left(*effects):
    """Those of three messages; each effect is a function of (message, number)."""
    return [(f"r1-0-{n}", effect(f"r1-0-{n}", n)) for n in range(3) for effect in effects]


def order(message, number):
    return ORDER | {"id": {"S": message}}


def stamped(second):
    return lambda message, number: ORDER | {"at": {"S": f"10:0{number}:0{second}"}}


@pytest.mark.parametrize(
    ("effects", "expected"),
    [
        ((order,), 1),
        ((order, order), 2),
        ((order, order, order), 3),
        ((stamped(1), stamped(2)), 2),  # a time that no other message has is no difference
        ((order, lambda m, n: {"kind": {"S": "audit"}, "of": {"S": m}}), 1),
        ((order, lambda m, n: order(m, n) | {"kind": {"S": "copy"}}), 1),
        ((lambda m, n: ORDER | {"line": {"N": "1"}}, lambda m, n: ORDER | {"line": {"N": "2"}}), 1),
        ((lambda m, n: f"order {m}", lambda m, n: f"order {m}"), 2),
        ((lambda m, n: f"order {m}", lambda m, n: f"receipt of {m}"), 1),
        (
            (lambda m, n: json.dumps({"id": m, "at": n}), lambda m, n: f'{{"at":9{n},"id":"{m}"}}'),
            2,
        ),
    ],
)
def test_what_is_alike(effects, expected):
    assert alike(left(*effects)) == expected


def test_one_message_alone_is_compared_as_it_is():
    """Nothing says then what varies."""
    assert alike(left(stamped(1), stamped(2))[:2]) == 1
    assert alike(left(order, order)[:2]) == 2


def test_what_few_messages_have_twice_is_not_what_all_have():
    assert alike([*left(order), ("r1-0-0", order("r1-0-0", 0))]) == 1
    assert alike([]) == 1
