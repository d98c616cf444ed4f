"""Two messages of a guess are two to the stack: {unique} stands in what it keeps them by."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_storagefirst.errors import EntryError
from pytest_storagefirst.explore.bodies import notes_on
from pytest_storagefirst.explore.exploration import explore
from pytest_storagefirst.settings import Settings

KEPT_BY_ORDER = """
import json, os, boto3
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])

def handler(event, context):
    for record in event["Records"]:
        body = json.loads(record["body"])
        {work}
"""
SWALLOWS = 'if "Item" in table.get_item(Key={"id": body["order"]}): continue\n        '
STORES = 'table.put_item(Item={"id": body["order"], "name": body["name"]})'
COUNTS = (
    'table.update_item(Key={"id": body["order"]}, UpdateExpression="ADD n :one", '
    'ExpressionAttributeValues={":one": 1})'
)


def guess(workshop, work, **files):
    """The judge of a stack whose handler does this, and the body that was guessed for it."""
    template = workshop.write(KEPT_BY_ORDER.replace("{work}", work), **files)
    judge = workshop.judge(template)
    return judge, judge.deployed.entries[0].body


@pytest.mark.parametrize("work", [SWALLOWS + STORES, STORES], ids=["swallowed", "overwritten"])
def test_the_field_that_messages_are_kept_by_is_each_ones_own(workshop, work):
    judge, body = guess(workshop, work)

    assert body == {"id": "{unique}", "order": "{unique}", "name": "text"}
    described = judge.deployed.entries
    given = tuple(replace(entry, body=None) for entry in described)
    (note,) = notes_on(judge, given, described)
    assert note == (
        'Orders: no body is given in storagefirst.toml, so {"id": "{unique}", "order": "{unique}", '
        '"name": "text"} was sent; two messages with the same order are one to this stack'
    )


def test_in_a_field_of_a_field(workshop):
    work = STORES.replace('body["order"]', '"order-" + body["of"]["order"]')

    assert guess(workshop, work)[1] == {
        "id": "{unique}",
        "of": {"order": "{unique}"},
        "name": "text",
    }


@pytest.mark.parametrize(
    "work",
    [
        COUNTS,
        STORES.replace('body["order"]', '"the latest" if body["order"] else ""'),
        STORES.replace('body["order"]', 'body["order"] + body["id"]'),
        STORES.replace('body["order"]', 'record["messageId"] + body["order"]'),
    ],
    ids=["a count", "a key of the handler's own", "a key with the id", "a key with SQS's id"],
)
def test_where_messages_are_told_apart_or_meet_on_purpose_the_guess_stays(workshop, work):
    judge, body = guess(workshop, work)

    assert body["order"] == "text"
    assert judge.parted_by == {}


@pytest.mark.parametrize("own", ["", ', "name": body["name"]'], ids=["state", "of the message"])
def test_beside_what_each_message_leaves_only_what_is_of_the_message_counts(workshop, own):
    """What a breaker keeps of the service that a message names is no message's effect."""
    work = (
        'urlopen("https://out.example", json.dumps(body["id"] + body["name"]).encode())\n        '
        'table.put_item(Item={"id": body["order"], "state": "CLOSED"' + own + "})"
    )

    _, body = guess(workshop, f"from urllib.request import urlopen\n        {work}")

    assert body["order"] == ("{unique}" if own else "text")


def test_a_number_is_refused_by_its_name(workshop):
    work = STORES.replace('body["order"]', 'str(body["amount"] + 0)')

    with pytest.raises(EntryError) as raised:
        guess(workshop, work)

    assert raised.value.where == "Orders"
    assert "two messages of it are one to this stack" in raised.value.problem
    assert "kept under amount, which is 12 in both" in raised.value.found
    assert "with {unique} in amount if it differs" in raised.value.remedy
    assert 'body = { id = "{unique}", amount = 12, name = "text" }' in raised.value.remedy


def test_a_body_of_the_users_is_left_as_it_is(workshop):
    toml = '[[entry]]\nqueue = "Orders"\nbody = { id = "{unique}", order = "o", name = "n" }\n'

    judge, body = guess(workshop, STORES, toml=toml)

    assert body == {"id": "{unique}", "order": "o", "name": "n"}
    assert judge.parted_by == {}


def test_no_stack_is_accused_because_of_the_guess(workshop):
    """With one order in all, a second message looks to the handler as the first delivered again."""
    work = f"{SWALLOWS}{STORES}\n        urlopen('https://out.example', str(body).encode())"
    template = workshop.write(
        KEPT_BY_ORDER.replace("{work}", f"from urllib.request import urlopen\n        {work}")
    )

    result = explore(template, Settings(budget_seconds=0))

    (loss,) = [one for one in result.properties if one.name == "no-message-loss"]
    assert "no way of processing" not in loss.why
    assert "m1 was acknowledged" in loss.why  # stored, and a crash before it was told on
