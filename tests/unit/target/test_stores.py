"""Where messages end in a stack, and which of its queues are for what."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_storagefirst.settings import Entry, Settings
from pytest_storagefirst.stack.policies import Policies, Role
from pytest_storagefirst.stack.topology import (
    Bucket,
    Edge,
    EventSourceMapping,
    Function,
    Integration,
    Queue,
    Route,
    StateMachine,
    Table,
    TopicRule,
    Topology,
)
from pytest_storagefirst.target.queues import queues_of, redrive
from pytest_storagefirst.target.stores import stores_of_record


def table(name, stream=None):
    return Table(name, f"stack-{name}-1X", f"arn:aws:dynamodb:::table/{name}", ("id",), stream)


def queue(name, letters=None):
    return Queue(
        name, f"stack-{name}", f"http://sqs/{name}", f"arn:sqs:{name}", dead_letter_arn=letters
    )


def route(uri="", **parameters):
    return Route("Api", "a1", "REST", "POST", "/in", "prod", Integration("AWS", uri, **parameters))


def mapping(source):
    return EventSourceMapping("From", "uuid", "arn:function", source, 10)


def names(stores):
    return [one.logical_id for one in stores]


def ends(topology, settings=None, circuit=""):
    return names(stores_of_record(topology, settings or Settings(), circuit).ends)


STACK = Topology(
    "stack",
    "1",
    "r",
    tables=(table("Orders"), table("Circuit")),
    buckets=(Bucket("Files", "files-1"),),
)


def test_tables_and_buckets_but_the_circuits():
    assert ends(STACK) == ["Orders", "Circuit", "Files"]
    assert ends(STACK, circuit="Circuit") == ["Orders", "Files"]


def test_what_a_route_writes_to_is_no_end():
    bucket = route("arn:aws:apigateway:r:s3:path/files-1/{key}")
    to_table = route(request_templates={"application/json": '{"TableName": "stack-Orders-1X"}'})

    assert ends(replace(STACK, routes=(bucket,))) == ["Orders", "Circuit"]
    assert ends(replace(STACK, routes=(to_table,))) == ["Circuit", "Files"]


def test_a_longer_name_is_another_store():
    stack = replace(STACK, tables=(table("Orders"), replace(table("Old"), name="stack-Orders-1X2")))
    to_table = route(request_templates={"application/json": '{"TableName": "stack-Orders-1X"}'})

    assert ends(replace(stack, routes=(to_table,))) == ["Old", "Files"]


def test_an_entry_that_the_user_names_is_no_end():
    settings = Settings(entries=(Entry("bucket", "Files"), Entry("queue", "Orders")))

    assert ends(STACK, settings) == ["Orders", "Circuit"]


def test_what_configuration_writes_to_is_no_end_but_what_a_state_machine_does_is():
    machine = StateMachine("Flow", "flow", "arn:machine", "{}")
    orders = STACK.tables[0].arn
    fed = replace(STACK, state_machines=(machine,), edges=(Edge("arn:rule", orders),))

    assert ends(fed) == ["Circuit", "Files"]
    assert ends(replace(fed, edges=(Edge("arn:machine", orders),))) == [
        "Orders",
        "Circuit",
        "Files",
    ]
    rule = TopicRule("Rule", "r", "arn:r", "", ({"dynamoDBv2": {"putItem": "stack-Orders-1X"}},))
    assert ends(replace(STACK, topic_rules=(rule,))) == ["Circuit", "Files"]


def test_without_routes_and_entries_what_feeds_something_is_no_end_where_another_remains():
    inbox = table("Inbox", stream="arn:stream")
    stack = replace(STACK, tables=(inbox, table("Orders")), mappings=(mapping("arn:stream"),))

    assert ends(stack) == ["Orders", "Files"]
    assert ends(replace(stack, tables=(inbox,), buckets=())) == ["Inbox"]
    assert ends(replace(stack, routes=(route(),))) == ["Inbox", "Orders", "Files"]


def test_where_failures_are_put_aside():
    function = Function(
        "W", "w", "arn:w", "app.handler", "python3.13", on_failure_arn="arn:aws:s3:::files-1"
    )
    record = stores_of_record(replace(STACK, functions=(function,)), Settings())

    assert names(record.aside) == ["Files"]
    assert names(record.ends) == ["Orders", "Circuit"]


# --- queues ---------------------------------------------------------------------------------------


def kinds(topology, entries=()):
    found = queues_of(topology, entries)
    return names(found.work), names(found.dead), names(found.ends)


def test_queues_that_are_read_dead_and_ends():
    stack = replace(
        STACK,
        queues=(queue("Work", "arn:sqs:Letters"), queue("Letters"), queue("Out"), queue("Failed")),
        mappings=(mapping("arn:sqs:Work"),),
        edges=(Edge("arn:sqs:Work", "arn:sqs:Letters"), Edge("arn:topic", "arn:sqs:Failed")),
    )

    assert kinds(stack) == (["Work"], ["Letters", "Failed"], ["Out"])


def test_a_queue_that_messages_come_in_by_is_at_work_though_nothing_is_seen_to_read_it():
    stack = replace(STACK, queues=(queue("In"),))

    assert kinds(stack) == ([], [], ["In"])
    assert kinds(stack, ["In"]) == (["In"], [], [])
    written = route(request_parameters={"QueueUrl": "https://sqs/1/stack-In"})
    assert kinds(replace(stack, routes=(written,))) == (["In"], [], [])


def test_a_queue_that_a_role_may_receive_from_is_at_work():
    document = '{"Action": ["sqs:ReceiveMessage"], "Resource": "arn:sqs:In"}'
    policies = Policies(roles={"arn:role": Role("R", "r", "arn:role", (document,))})

    assert kinds(replace(STACK, queues=(queue("In"),), policies=policies)) == (["In"], [], [])


def test_successes_of_functions_are_nobodys_business():
    function = Function("W", "w", "arn:w", "", "", on_success_arn="arn:sqs:Done")
    stack = replace(
        STACK,
        queues=(queue("Done"),),
        functions=(function,),
        edges=(Edge("arn:w", "arn:sqs:Done"),),
    )

    assert kinds(stack) == ([], [], [])


def test_the_error_action_of_a_rule_is_dead():
    rule = TopicRule("Rule", "r", "arn:r", "", (), {"sqs": {"queueUrl": "https://sqs/1/stack-Bad"}})

    assert kinds(replace(STACK, queues=(queue("Bad"),), topic_rules=(rule,))) == ([], ["Bad"], [])


# --- redrive in AWS -------------------------------------------------------------------------------


class Sqs:
    """SQS with tasks, of which neither emulator has any."""

    def __init__(self, *statuses):
        self.statuses = list(statuses)
        self.started = []

    def get_queue_attributes(self, **_):
        waiting = {"ApproximateNumberOfMessages": "3", "ApproximateNumberOfMessagesNotVisible": "0"}
        return {"Attributes": waiting}

    def start_message_move_task(self, SourceArn):
        self.started.append(SourceArn)
        return {"TaskHandle": "h"}

    def list_message_move_tasks(self, **_):
        status = self.statuses.pop(0)
        told = {
            "Status": status,
            "ApproximateNumberOfMessagesMoved": 3,
            "FailureReason": "no leave",
        }
        return {"Results": [told]}


@pytest.fixture
def dead(monkeypatch):
    monkeypatch.setattr("pytest_storagefirst.target.queues.time.sleep", lambda seconds: None)
    queues = (queue("Work", "arn:sqs:Letters"), queue("Letters"), queue("Other"))
    return replace(STACK, queues=queues)


def test_a_redrive_is_over_when_its_task_is(dead):
    sqs = Sqs("RUNNING", "RUNNING", "COMPLETED")

    assert redrive(sqs, dead, has_tasks=True) == {"Letters": 3}
    assert sqs.started == ["arn:sqs:Letters"]
    assert sqs.statuses == []


def test_a_redrive_that_fails_says_why(dead):
    with pytest.raises(TimeoutError, match="Letters was not redriven: no leave"):
        redrive(Sqs("RUNNING", "FAILED"), dead, has_tasks=True)
