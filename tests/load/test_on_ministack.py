"""The whole of it, as a user starts it: up, load, down, with a stack that has one fault."""

from __future__ import annotations

import shutil

import pytest

from pytest_storagefirst.stack.locating import BLUEPRINTS
from tests.target.conftest import storagefirst

STORED = "            store(parse(record["
ONE_IN_A_THOUSAND = """\
            if parse(record["body"])["id"].endswith("-999"):
                continue
"""
TWICE = """\
            message = parse(record["body"])
            table.put_item(Item={**message, "id": f"{message['id']}#{record['messageId']}"})
"""
PROFILES = """
[profiles.thousand]
phases = [{ name = "act", seconds = 7.4, rate = 150 }]
settle_seconds = 3
objectives = ["lost==0", "dlq==expected"]

[profiles.few]
phases = [{ name = "act", seconds = 2, rate = 10 }]
settle_seconds = 2
objectives = ["lost==0", "duplicates==0"]
"""


@pytest.fixture
def deployed_with(tmp_path):
    """A factory: the first blueprint on ministack, with some lines before it stores a message."""

    def up(lines):
        shutil.copytree(BLUEPRINTS / "api-queue-table", tmp_path / "stack")
        handler = tmp_path / "stack" / "src" / "app.py"
        code = handler.read_text("utf-8")
        assert STORED in code
        handler.write_text(code.replace(STORED, lines + STORED), "utf-8")
        (tmp_path / "storagefirst.toml").write_text(PROFILES, "utf-8")
        told = storagefirst(tmp_path, "up", "stack/template.yaml")
        assert told.returncode == 0, told.stderr
        return tmp_path

    yield up
    assert storagefirst(tmp_path, "down").returncode == 0


def test_one_lost_message_in_a_thousand_is_named(deployed_with):
    ended = storagefirst(deployed_with(ONE_IN_A_THOUSAND), "load", "thousand")

    assert ended.returncode == 3, ended.stderr
    assert "1 of 1,111 accepted messages is lost" in ended.stderr
    [why] = [line for line in ended.stderr.splitlines() if "why: 1 lost: " in line]
    assert why.endswith("-0-999")


def test_a_stack_that_does_every_message_twice_does_not_pass(deployed_with):
    ended = storagefirst(deployed_with(TWICE), "load", "few")

    assert ended.returncode == 4, ended.stderr
    told = "duplicates==0 can't be told: each message leaves 2 effects in Table that are alike"
    assert told in ended.stderr
