"""A guessed body that leaves no effect shows nothing, in a test as in an exploration."""

from __future__ import annotations

import pytest

from pytest_storagefirst.explore.guessed import SHOWS_NOTHING
from pytest_storagefirst.explore.result import NotShown
from pytest_storagefirst.explore.stack import open_stack
from pytest_storagefirst.explore.verifying import judge
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.settings_file import load_settings
from pytest_storagefirst.simulation.schedule import Schedule, Send

LOOKS = "def handler(event, context):\n    print(event)\n"


@pytest.mark.parametrize("verify", ["verify", "verify_what_struck"])
def test_a_guess_without_effect_does_not_pass(workshop, verify):
    with open_stack(workshop.write(LOOKS), Settings()) as stack:
        stack.send()
        stack.run()
        with pytest.raises(NotShown) as raised:
            getattr(stack, verify)("no-message-loss")

    assert str(raised.value).startswith(f"no-message-loss: {SHOWS_NOTHING}\n")


def test_a_guess_with_an_effect_passes(workshop):
    with open_stack(workshop.write(), Settings()) as stack:
        stack.send()
        stack.run()
        stack.verify("no-message-loss")


def test_a_body_of_the_tests_own_is_judged_by_acknowledgement(workshop):
    with open_stack(workshop.write(LOOKS), Settings()) as stack:
        stack.send(body={"id": "{unique}"})
        stack.run()
        stack.verify("no-message-loss")


def test_a_body_of_the_settings_is_judged_by_acknowledgement(workshop):
    template = workshop.write(
        LOOKS, toml='[[entry]]\nqueue = "Orders"\nbody = { id = "{unique}" }\n'
    )
    with open_stack(template, load_settings(template)) as stack:
        stack.send()
        stack.run()
        stack.verify("no-message-loss")


def test_of_a_drawn_schedule_too(workshop):
    template = workshop.write(LOOKS)
    schedule = Schedule((Send("m1", "Orders", {"id": "m1"}),), template=str(template))

    (result,) = judge(schedule, ("no-message-loss",), Settings())

    assert (result.verdict, result.why) == ("unknown", SHOWS_NOTHING)
