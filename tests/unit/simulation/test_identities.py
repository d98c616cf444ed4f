"""Whose a call or a message is, by the ids that stand in it."""

from __future__ import annotations

import random

import pytest

from pytest_storagefirst.simulation.identities import Identities


@pytest.fixture
def identities() -> Identities:
    return Identities(random.Random(0))


def request(text: str) -> dict[str, bytes]:
    return {"body": text.encode()}


def test_a_call_concerns_whom_it_names(identities: Identities) -> None:
    first, _ = identities.token("m1"), identities.token("m2")
    assert identities.concerned(("m1", "m2"), request(f"put {first}")) == ("m1",)


def test_a_call_that_names_nobody_concerns_all(identities: Identities) -> None:
    identities.token("m1"), identities.token("m2")
    assert identities.concerned(("m1", "m2"), request("a counter")) == ("m1", "m2")


def test_a_call_that_names_nobody_is_whose_body_holds_no_id(identities: Identities) -> None:
    """A bad message that lacks its id, sent on by the handler, is not the good one's beside it."""
    first, _ = identities.token("m1"), identities.token("m2")
    identities.nameless.add("m2")
    assert identities.concerned(("m1", "m2"), request("amount 12")) == ("m2",)
    assert identities.concerned(("m1", "m2"), request(f"put {first}")) == ("m1",)
    assert identities.concerned(("m1", "m3"), request("amount 12")) == ("m1", "m3")


def test_what_the_test_made_keeps_its_name(identities: Identities) -> None:
    """A handler may name an execution by the message's id, so that it is started once."""
    token = identities.token("m1")

    identities.name("m1", token, "<m1.execution>")

    assert identities.names[token] == "<m1>"
    assert identities.messages_in(f"started {token}") == ("m1",)
