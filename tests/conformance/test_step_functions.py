"""AWS's rule 41 and the Amazon States Language, played end to end.

Pages are of the Step Functions developer guide unless named.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from pytest_storagefirst.simulation.deployed import Deployed
from pytest_storagefirst.simulation.machines.state_machines import FAILED, HISTORY_KEPT_MS, Refused
from pytest_storagefirst.simulation.playing import play
from pytest_storagefirst.simulation.run import Simulation
from pytest_storagefirst.simulation.schedule import Schedule, Send
from tests.machines import (
    MACHINE,
    OTHER,
    QUEUE_URL,
    WORKER,
    execute,
    put,
    stand_up,
    states,
    task,
    with_machine,
)

DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    return stand_up(tmp_path_factory.mktemp("stack"))


def retry(*errors: str, **more: Any) -> list[dict[str, Any]]:
    return [{"ErrorEquals": list(errors), **more}]


def catch(*errors: str, to: str = "Caught", **more: Any) -> list[dict[str, Any]]:
    return [{"ErrorEquals": list(errors), "Next": to, "ResultPath": "$.error", **more}]


def fails_with(error: type[Exception], times: int = 99) -> Callable[[Any, Any], Any]:
    calls = []

    def handler(event: Any, context: Any) -> Any:
        calls.append(event)
        if len(calls) <= times:
            raise error("on purpose")
        return {"calls": len(calls)}

    return handler


# -- workflow types ------------------------------------------------------------------------------


def test_41_a_standard_execution_that_failed_keeps_its_input_for_90_days(deployed):
    """https://docs.aws.amazon.com/step-functions/latest/dg/choosing-workflow-type.html"""
    ran = execute(
        with_machine(deployed, states(Put=put())), "Machine: dynamodb.PutItem #1: refused"
    )

    (held,) = ran.simulation.executions.held()
    assert (held.message, held.where, held.state) == ("m1", "Machine", FAILED)
    assert held.until_ms == ran.execution.ended_ms + 90 * DAY_MS == HISTORY_KEPT_MS + 6


def test_41_an_express_execution_that_failed_keeps_nothing(deployed):
    """https://docs.aws.amazon.com/step-functions/latest/dg/choosing-workflow-type.html"""
    express = with_machine(deployed, states(Put=put()), kind="EXPRESS")

    ran = execute(express, "Machine: dynamodb.PutItem #1: refused")

    assert ran.execution.status == "FAILED"
    assert ran.simulation.executions.held() == ()


@pytest.mark.parametrize(("kind", "times"), [("STANDARD", 1), ("EXPRESS", 2)])
def test_41_only_an_express_workflow_may_run_twice(deployed, kind, times):
    """https://docs.aws.amazon.com/step-functions/latest/dg/choosing-workflow-type.html"""
    twice = with_machine(deployed, states(Put=put()), kind=kind)

    ran = execute(twice, "Machine: delivery #1: duplicate")

    assert ran.at("stored") == [0]
    assert len(ran.at("delivered")) == times


def test_an_express_execution_ends_after_five_minutes(deployed):
    """https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""
    waits = states(Wait={"Type": "Wait", "Seconds": 400, "Next": "Put"}, Put=put())

    assert execute(with_machine(deployed, waits)).execution.status == "SUCCEEDED"
    ran = execute(with_machine(deployed, waits, kind="EXPRESS"))

    assert ran.execution.status == "TIMED_OUT"
    assert ran.at("failed") == [300_001]
    assert ran.items == []


# -- StartExecution ------------------------------------------------------------------------------


def answers_to(deployed: Deployed, machine: Any, *asked: dict[str, Any]) -> list[str]:
    """What a handler is told that starts the machine so: an ARN, or an error's code."""
    told = []

    def worker(event: Any, context: Any) -> None:
        client = boto3.client("stepfunctions", region_name="us-east-1")
        for one in asked:
            try:
                said = client.start_execution(stateMachineArn=MACHINE, **one)
                told.append(said["executionArn"])
            except ClientError as error:
                told.append(error.response["Error"]["Code"])

    play(with_machine(deployed, machine, Worker=worker), Schedule((Send("m1", "Queue", {}),)))
    return told


def test_a_name_starts_one_execution_while_it_runs_with_the_same_input(deployed):
    """https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html"""
    waits = states(Wait={"Type": "Wait", "Seconds": 60, "End": True})

    first, again, other_input, unnamed = answers_to(
        deployed,
        waits,
        {"name": "one", "input": "{}"},
        {"name": "one", "input": "{}"},
        {"name": "one", "input": "[]"},
        {"input": "{}"},
    )

    assert first == again == "arn:aws:states:us-east-1:123456789012:execution:machine:one"
    assert other_input == "ExecutionAlreadyExists"
    assert unnamed.startswith("arn:aws:states:us-east-1:123456789012:execution:machine:")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"input": "no json"}, "InvalidExecutionInput"),
        ({"input": json.dumps("x" * 262_144)}, "ValidationException"),
    ],
)
def test_an_input_that_is_none_is_refused(deployed, given, code):
    """https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html"""
    assert answers_to(deployed, states(Done={"Type": "Succeed"}), given) == [code]


def test_an_ended_execution_keeps_its_name(deployed):
    """https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html"""
    simulation = Simulation(deployed, Schedule(()))
    machine = deployed.machine_by_arn(MACHINE)
    with simulation.running():
        simulation.begin()
        simulation.executions.start(machine, "{}", (), "a test", "one")
        assert simulation.settle(1000)
        with pytest.raises(Refused, match="ExecutionAlreadyExists"):
            simulation.executions.start(machine, "{}", (), "a test", "one")


# -- errors: Retry and Catch ----------------------------------------------------------------------


def test_a_retrier_waits_longer_each_time_and_then_gives_up(deployed):
    """https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html"""
    again = retry("States.TaskFailed", IntervalSeconds=3, MaxAttempts=2, BackoffRate=1.5)

    ran = execute(
        with_machine(deployed, states(Put=put(Retry=again))),
        "Machine: dynamodb.PutItem #1: refused for 60 s",
    )

    assert [at for at, _ in ran.calls()] == [1, 1 + 3_005, 1 + 3_005 + 4_505]
    assert ran.execution.status == "FAILED"
    assert ran.execution.error == "DynamoDB.ProvisionedThroughputExceededException"


def test_a_retrier_has_three_attempts_by_default_and_a_longest_delay(deployed):
    """https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html"""
    again = retry("States.ALL", IntervalSeconds=10, BackoffRate=10, MaxDelaySeconds=20)

    ran = execute(
        with_machine(deployed, states(Call=task(WORKER, Retry=again)), Worker=fails_with(KeyError))
    )

    waits = [later - at for (at, _), (later, _) in zip(ran.calls(), ran.calls()[1:], strict=False)]
    assert [round(each, -3) for each in waits] == [10_000, 20_000, 20_000]


def test_each_retrier_counts_for_itself(deployed):
    """https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html"""
    raised = iter([KeyError, IndexError, KeyError])

    def handler(event: Any, context: Any) -> Any:
        error = next(raised, None)
        if error is not None:
            raise error("on purpose")
        return {}

    again = [
        *retry("KeyError", IntervalSeconds=1, MaxAttempts=1),
        *retry("IndexError", IntervalSeconds=1, MaxAttempts=2),
    ]
    call = task(WORKER, Retry=again, Catch=catch("States.ALL"))

    ran = execute(
        with_machine(deployed, states(Call=call, Caught={"Type": "Succeed"}), Worker=handler)
    )

    assert len(ran.calls()) == 3
    assert ran.execution.output["error"]["Error"] == "KeyError"


def test_a_catcher_puts_the_error_where_its_result_path_says(deployed):
    """https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html"""
    call = task(WORKER, Catch=catch("ValueError"))

    ran = execute(
        with_machine(
            deployed,
            states(Call=call, Caught={"Type": "Succeed"}),
            Worker=fails_with(ValueError),
        )
    )

    assert ran.execution.status == "SUCCEEDED"
    assert ran.execution.output["id"] == "m1"
    assert ran.execution.output["error"]["Error"] == "ValueError"
    assert json.loads(ran.execution.output["error"]["Cause"])["errorMessage"] == "on purpose"


def test_another_error_is_not_caught(deployed):
    """https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html"""
    call = task(WORKER, Catch=catch("ValueError"))
    caught = states(Call=call, Caught={"Type": "Succeed"})

    ran = execute(with_machine(deployed, caught, Worker=fails_with(KeyError)))

    assert (ran.execution.status, ran.execution.error) == ("FAILED", "KeyError")


def test_states_all_does_not_catch_states_runtime(deployed):
    """https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html"""
    wrong = put("$.not.there", Catch=catch("States.ALL"), Retry=retry("States.ALL"))

    ran = execute(with_machine(deployed, states(Put=wrong, Caught={"Type": "Succeed"})))

    assert (ran.execution.status, ran.execution.error) == ("FAILED", "States.Runtime")
    assert ran.calls() == []


@pytest.mark.parametrize(
    ("resource", "fault", "error"),
    [
        (WORKER, "Machine: lambda.Invoke #1: refused", "Lambda.TooManyRequestsException"),
        (WORKER, "Machine: lambda.Invoke #1: response-lost", "Lambda.SdkClientException"),
        (
            WORKER,
            "Machine: lambda.Invoke #1: refused(server-error)",
            "Lambda.ServiceException",
        ),
        (WORKER, "Worker: invocation #1: throttled", "Lambda.TooManyRequestsException"),
        (WORKER, "Worker: invocation #1: crash", "Lambda.Unknown"),
        (WORKER, "Worker: invocation #1: timeout", "Lambda.Unknown"),
        (
            "arn:aws:states:::lambda:invoke",
            "Machine: lambda.Invoke #1: refused",
            "Lambda.TooManyRequestsException",
        ),
        ("arn:aws:states:::lambda:invoke", "Worker: invocation #1: timeout", "Lambda.Unknown"),
    ],
)
def test_lambdas_errors_have_their_names(deployed, resource, fault, error):
    """https://docs.aws.amazon.com/step-functions/latest/dg/bp-lambda-serviceexception.html"""
    parameters = {"FunctionName": WORKER} if resource != WORKER else {}
    call = task(resource, Parameters=parameters, Retry=retry(error, IntervalSeconds=1))

    ran = execute(with_machine(deployed, states(Call=call), Worker=lambda e, c: {}), fault)

    assert ran.execution.status == "SUCCEEDED"
    assert len(ran.calls()) == 2


# -- states ---------------------------------------------------------------------------------------


def test_wait_takes_its_seconds_and_until_its_timestamp(deployed):
    """https://docs.aws.amazon.com/step-functions/latest/dg/state-wait.html"""
    waits = states(
        First={"Type": "Wait", "SecondsPath": "$.for", "Next": "Then"},
        Then={"Type": "Wait", "TimestampPath": "$.until", "Next": "Past"},
        Past={"Type": "Wait", "Timestamp": "2020-01-01T00:00:00Z", "Next": "Put"},
        Put=put(),
    )

    ran = execute(
        with_machine(deployed, waits),
        given={"id": "m1", "for": 90, "until": "2026-01-02T00:00:00Z"},
    )

    assert ran.calls() == [(DAY_MS, "dynamodb.PutItem")]


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        ({"id": "m1", "amount": 12}, "large"),
        ({"id": "m1", "amount": 3}, "small"),
        ({"id": "m1"}, "none"),
    ],
)
def test_choice_takes_the_first_rule_that_holds(deployed, given, chosen):
    """https://docs.aws.amazon.com/step-functions/latest/dg/state-choice.html"""
    rules = [
        {"Not": {"Variable": "$.amount", "IsPresent": True}, "Next": "None"},
        {"Variable": "$.amount", "NumericGreaterThan": 10, "Next": "Large"},
        {"Variable": "$.amount", "NumericGreaterThan": 1, "Next": "Small"},
    ]
    ends = {
        name: {"Type": "Pass", "Result": name.lower(), "End": True}
        for name in ("None", "Large", "Small")
    }
    choice = states(Choose={"Type": "Choice", "Choices": rules, "Default": "None"}, **ends)

    assert execute(with_machine(deployed, choice), given=given).execution.output == chosen


def test_no_rule_and_no_default_fails_the_execution(deployed):
    """https://docs.aws.amazon.com/step-functions/latest/dg/state-choice.html"""
    rules = [{"Variable": "$.id", "StringEquals": "other", "Next": "Done"}]
    choice = states(Choose={"Type": "Choice", "Choices": rules}, Done={"Type": "Succeed"})

    ran = execute(with_machine(deployed, choice))

    assert (ran.execution.status, ran.execution.error) == ("FAILED", "States.NoChoiceMatched")


def waits_in_parallel(seconds: list[int], **more: Any) -> dict[str, Any]:
    branches = [
        {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": each, "End": True}}}
        for each in seconds
    ]
    return {"Type": "Parallel", "Branches": branches, "End": True, **more}


def test_parallel_branches_run_at_once_and_their_results_keep_their_order(deployed):
    """https://docs.aws.amazon.com/step-functions/latest/dg/state-parallel.html"""
    branches = [states(Call=task(arn)) for arn in (WORKER, OTHER)]
    parallel = {"Type": "Parallel", "Branches": branches, "Next": "Waits"}
    both = states(Both=parallel, Waits=waits_in_parallel([20, 10], ResultPath=None))

    def slow(event: Any, context: Any) -> str:
        time.sleep(5)
        return "slow"

    ran = execute(with_machine(deployed, both, Worker=slow, Other=lambda e, c: "quick"))

    assert [at for at, _ in ran.calls()] == [1, 1]
    assert ran.execution.output == ["slow", "quick"]
    assert round(ran.execution.ended_ms, -3) == 25_000


def test_a_branch_that_fails_fails_the_state_and_stops_the_others(deployed):
    """https://docs.aws.amazon.com/step-functions/latest/dg/state-parallel.html"""
    later = states(Wait={"Type": "Wait", "Seconds": 60, "Next": "Put"}, Put=put())
    parallel = {
        "Type": "Parallel",
        "Branches": [states(Call=task(WORKER)), later],
        "Catch": catch("KeyError"),
        "End": True,
    }
    both = states(Both=parallel, Caught={"Type": "Wait", "Seconds": 90, "End": True})

    ran = execute(with_machine(deployed, both, Worker=fails_with(KeyError)))

    assert ran.execution.status == "SUCCEEDED"
    assert ran.items == []


def mapped(processor: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"Type": "Map", "ItemsPath": "$", "ItemProcessor": processor, "End": True, **more}


@pytest.mark.parametrize(("most", "seconds"), [(0, 10), (2, 20), (1, 40)])
def test_a_map_runs_as_many_iterations_at_once_as_it_may(deployed, most, seconds):
    """https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html"""
    each = states(Wait={"Type": "Wait", "Seconds": 10, "Next": "Put"}, Put=put("$"))

    ran = execute(
        with_machine(deployed, states(Each=mapped(each, MaxConcurrency=most))),
        given=["a", "b", "c", "d"],
    )

    assert round(ran.execution.ended_ms, -3) == seconds * 1000
    assert sorted(item["id"]["S"] for item in ran.items) == ["a", "b", "c", "d"]


def test_an_iteration_that_fails_stops_the_others(deployed):
    """https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html"""
    rules = [{"Variable": "$", "StringEquals": "bad", "Next": "Bad"}]
    each = states(
        Choose={"Type": "Choice", "Choices": rules, "Default": "Wait"},
        Bad={"Type": "Fail", "Error": "Bad"},
        Wait={"Type": "Wait", "Seconds": 60, "Next": "Put"},
        Put=put("$"),
    )
    caught = {"Type": "Wait", "Seconds": 90, "End": True}
    one = [{"ErrorEquals": ["Bad"], "Next": "Caught"}]

    ran = execute(
        with_machine(deployed, states(Each=mapped(each, Catch=one), Caught=caught)),
        given=["good", "bad", "fine"],
    )

    assert ran.execution.status == "SUCCEEDED"
    assert ran.items == []


def test_a_task_that_takes_too_long_times_out_and_its_function_goes_on(deployed):
    """https://docs.aws.amazon.com/step-functions/latest/dg/state-task.html"""
    done = []

    def slow(event: Any, context: Any) -> None:
        time.sleep(20)
        done.append(event)

    call = task(WORKER, TimeoutSeconds=5, Catch=catch("States.Timeout"))
    ran = execute(with_machine(deployed, states(Call=call, Caught=put()), Worker=slow))

    assert [at for at, _ in ran.calls()] == [1, 5_001]
    assert ran.execution.status == "SUCCEEDED"
    assert done


def test_states_taskfailed_does_not_match_a_timeout(deployed):
    """https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html"""
    call = task(WORKER, TimeoutSeconds=5, Catch=catch("States.TaskFailed"))

    def slow(event: Any, context: Any) -> None:
        time.sleep(20)

    ran = execute(with_machine(deployed, states(Call=call, Caught=put()), Worker=slow))

    assert (ran.execution.status, ran.execution.error) == ("FAILED", "States.Timeout")


def test_a_machine_that_takes_too_long_times_out(deployed):
    """https://docs.aws.amazon.com/step-functions/latest/dg/statemachine-structure.html"""
    waits = states(Wait={"Type": "Wait", "Seconds": 400, "Next": "Put"}, Put=put())

    ran = execute(with_machine(deployed, {**waits, "TimeoutSeconds": 100}))

    assert ran.execution.status == "TIMED_OUT"
    assert ran.at("failed") == [100_001]
    assert ran.items == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$[0].body", "x"),
        ("$[0]", {"body": "x", "n": [1, 2, 3], "a*b": 4}),
        ("$[*].body", ["x"]),
        ("$[0].n[1]", 2),
        ("$[0].n[-1]", 3),
        ("$[0].n[0:2]", [1, 2]),
        ("$[0].n[5:]", []),
        ("$[?(@.body == 'y')].n", []),
        ("$[0]['a*b']", 4),
    ],
)
def test_a_path_finds_a_thing_and_one_that_can_find_several_a_list(deployed, path, value):
    """https://docs.aws.amazon.com/step-functions/latest/dg/amazon-states-language-paths.html"""
    found = states(Find={"Type": "Pass", "InputPath": path, "End": True})

    ran = execute(with_machine(deployed, found), given=[{"body": "x", "n": [1, 2, 3], "a*b": 4}])

    assert ran.execution.output == value


# -- integrations ---------------------------------------------------------------------------------


def test_each_service_is_called_and_its_result_is_passed_on(deployed):
    """https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html"""
    quiet = {"ResultPath": None}
    message = {"QueueUrl": QUEUE_URL, "MessageBody.$": "$"}
    event = {"Source": "test", "DetailType": "made", "Detail.$": "$", "EventBusName": "bus"}
    topic = "arn:aws:sns:us-east-1:123456789012:news"
    thing = {"Bucket": "the-bucket", "Key.$": "$.id", "Body.$": "$"}
    found = {"TableName": "things", "Key": {"id": {"S.$": "$.id"}}}
    call = {"FunctionName": WORKER, "Payload.$": "$"}
    all_of_them = states(
        Put=put(Next="Send", **quiet),
        Send=task("arn:aws:states:::sqs:sendMessage", Parameters=message, Next="Tell", **quiet),
        Tell=task(
            "arn:aws:states:::sns:publish",
            Parameters={"TopicArn": topic, "Message.$": "$"},
            Next="Event",
            **quiet,
        ),
        Event=task(
            "arn:aws:states:::events:putEvents",
            Parameters={"Entries": [event]},
            Next="Object",
            **quiet,
        ),
        Object=task("arn:aws:states:::aws-sdk:s3:putObject", Parameters=thing, Next="Get", **quiet),
        Get=task(
            "arn:aws:states:::aws-sdk:dynamodb:getItem",
            Parameters=found,
            ResultPath="$.found",
            Next="Call",
        ),
        Call=task("arn:aws:states:::lambda:invoke", Parameters=call, OutputPath="$.Payload"),
    )

    ran = execute(with_machine(deployed, all_of_them, Worker=lambda event, context: event))

    assert [name for _, name in ran.calls()] == [
        "dynamodb.PutItem",
        "sqs.SendMessage",
        "sns.Publish",
        "events.PutEvents",
        "s3.PutObject",
        "dynamodb.GetItem",
        "lambda.Invoke",
    ]
    assert ran.execution.output == {"id": "m1", "found": {"Item": {"id": {"S": "m1"}}}}
    assert ran.messages == [{"id": "m1"}]


def test_a_failed_entry_of_putevents_fails_the_task(deployed):
    """https://docs.aws.amazon.com/step-functions/latest/dg/connect-eventbridge.html"""
    event = {"Source": "test", "DetailType": "made", "Detail.$": "$", "EventBusName": "bus"}
    send = task(
        "arn:aws:states:::events:putEvents",
        Parameters={"Entries": [event]},
        Catch=catch("EventBridge.FailedEntry"),
    )

    ran = execute(
        with_machine(deployed, states(Event=send, Caught=put())),
        "Machine: events.PutEvents #1: partial",
    )

    assert ran.execution.status == "SUCCEEDED"
    assert [item["id"]["S"] for item in ran.items] == ["m1"]


def test_a_failed_condition_has_the_sdks_name(deployed):
    """https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html"""
    item = {
        "TableName": "things",
        "Item": {"id": {"S.$": "$.id"}},
        "ConditionExpression": "attribute_not_exists(id)",
    }
    again = task(
        "arn:aws:states:::aws-sdk:dynamodb:putItem",
        Parameters=item,
        Catch=catch("DynamoDb.ConditionalCheckFailedException"),
    )

    ran = execute(
        with_machine(
            deployed,
            states(Put=put(Next="Again", ResultPath=None), Again=again, Caught={"Type": "Succeed"}),
        )
    )

    assert ran.execution.status == "SUCCEEDED"
    assert "error" in ran.execution.output


def sent_token(**more: Any) -> dict[str, Any]:
    return task(
        "arn:aws:states:::lambda:invoke.waitForTaskToken",
        Parameters={"FunctionName": WORKER, "Payload": {"token.$": "$$.Task.Token"}},
        **more,
    )


def test_a_task_waits_for_its_token(deployed):
    """https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html"""
    tokens = []

    def worker(event: Any, context: Any) -> None:
        tokens.append(event["token"])

    def other(event: Any, context: Any) -> None:
        client = boto3.client("stepfunctions", region_name="us-east-1")
        client.send_task_success(taskToken=tokens[0], output='{"paid": true}')

    later = states(Wait={"Type": "Wait", "Seconds": 30, "Next": "Call"}, Call=task(OTHER))
    parallel = {
        "Type": "Parallel",
        "Branches": [states(Ask=sent_token(TimeoutSeconds=600)), later],
        "End": True,
    }

    ran = execute(with_machine(deployed, states(Both=parallel), Worker=worker, Other=other))

    assert ran.execution.output[0] == {"paid": True}
    assert round(ran.execution.ended_ms, -3) == 30_000


def test_a_token_that_never_comes_back_times_out(deployed):
    """https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html"""
    asks = states(Ask=sent_token(TimeoutSeconds=600))

    ran = execute(with_machine(deployed, asks, Worker=lambda event, context: None))

    assert (ran.execution.status, ran.execution.error) == ("FAILED", "States.Timeout")
    assert round(ran.execution.ended_ms, -3) == 600_000


@pytest.mark.parametrize(
    ("child", "status"),
    [
        (states(Wait={"Type": "Wait", "Seconds": 50, "End": True}), "SUCCEEDED"),
        (states(Fail={"Type": "Fail", "Error": "No"}), "FAILED"),
    ],
)
def test_sync_waits_for_the_child_and_fails_with_it(deployed, child, status):
    """https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html"""
    nested = task(
        "arn:aws:states:::states:startExecution.sync:2",
        Parameters={
            "StateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:child",
            "Input.$": "$",
        },
        OutputPath="$.Output",
    )

    ran = execute(with_machine(deployed, states(Child=nested), child=child))

    assert ran.execution.status == status
    assert ran.at("delivered", "Child")
    if status == "SUCCEEDED":
        assert ran.execution.output == {"id": "m1"}
        assert round(ran.execution.ended_ms, -3) == 50_000
    else:
        assert ran.execution.error == "States.TaskFailed"
