"""Code that works with no message at all is told as that: no body would help."""

from __future__ import annotations

import pytest

from pytest_storagefirst.errors import EntryError
from pytest_storagefirst.explore.broken_code import NO_BODY_HELPS

BODY = '[[entry]]\nqueue = "Orders"\nbody = { id = "{unique}" }\n'
RAISING = """
import json, os, boto3
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])

def handler(event, context):
    for record in event["Records"]:
        body = json.loads(record["body"])
        LINE
"""


@pytest.fixture
def refused(workshop):
    def of(line, toml=""):
        with pytest.raises(EntryError) as raised:
            workshop.judge(workshop.write(RAISING.replace("LINE", line), toml))
        return raised.value

    return of


@pytest.mark.parametrize("toml", ["", BODY], ids=["guessed", "given"])
@pytest.mark.parametrize(
    ("line", "found", "remedy"),
    [
        ("table.put_item(Item=itm)", "NameError: name 'itm' is not defined", "mend that line"),
        ("import no_such_one", "No module named 'no_such_one'", "pip install no-such-one"),
        ("from json import no_such_one", "cannot import name 'no_such_one'", "mend that line"),
        ("json.no_such_one(body)", "has no attribute 'no_such_one'", "mend that line"),
        ("table.putitem(Item=body)", "has no attribute 'putitem'", "mend that line"),
        ("os.environ['NOT_SET']", "KeyError: 'NOT_SET'", "set NOT_SET under Environment"),
    ],
)
def test_the_line_is_to_blame(refused, toml, line, found, remedy):
    error = refused(line, toml)

    assert error.problem == NO_BODY_HELPS
    assert error.where.endswith("app.py:8 (Worker)")
    assert found in error.found
    assert error.remedy.startswith(remedy)
    assert "body" not in str(error)


@pytest.mark.parametrize(
    "line",
    [
        "raise ValueError(body)",
        "body['id'].no_such_method()",
        "import importlib; importlib.import_module(body['id'])",
        "eval('some_name')",
        "total += 1",
    ],
)
def test_the_message_may_be_to_blame(refused, line):
    assert "the stack refuses this message even without faults" in refused(line, BODY).problem


def test_what_a_batch_gathered_counts(refused):
    error = refused(
        "try: table.put_item(Item=itm)\n"
        "        except NameError as error:\n"
        "            gathered = Exception('all failed')\n"
        "            gathered.child_exceptions = [(NameError, error, None)]\n"
        "            raise gathered from None"
    )

    assert (error.problem, error.where.rpartition("/")[2]) == (NO_BODY_HELPS, "app.py:8 (Worker)")
