"""Executions in a run: who starts them, what is kept of them, and that nothing of it is real."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from pytest_storagefirst.errors import FaultError, SimulationError, TemplateError
from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.explore.sweep import MOST_NUMBERS, outage_ms, single_faults
from pytest_storagefirst.faults.places import check_place
from pytest_storagefirst.faults.plan import parse_fault
from pytest_storagefirst.ledger.events import to_bytes
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.simulation.deployed import Deployed
from pytest_storagefirst.simulation.machines.state_machines import start, start_sync
from pytest_storagefirst.simulation.playing import Played, play
from pytest_storagefirst.simulation.run import Simulation
from pytest_storagefirst.simulation.schedule import Schedule, Send
from pytest_storagefirst.stack.states_language import (
    MOST_ATTEMPTS,
    boto_name,
    check,
    patience_seconds,
)
from tests.machines import (
    MACHINE,
    WORKER,
    execute,
    put,
    stand_up,
    states,
    task,
    with_machine,
)

WAITS = states(Wait={"Type": "Wait", "Seconds": 60, "Next": "Put"}, Put=put())
SLOW = states(Wait={"Type": "Wait", "Seconds": 20, "End": True})
DONE = states(Done={"Type": "Pass", "End": True})


FRONT_DOOR = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      DefinitionBody:
        openapi: "3.0.1"
        info: {title: things, version: "1.0"}
        paths:
          /things:
            post:
              responses: {default: {description: Done}}
              x-amazon-apigateway-integration:
                type: aws_proxy
                integrationSubtype: StepFunctions-StartSyncExecution
                payloadFormatVersion: "1.0"
                credentials: !GetAtt Role.Arn
                requestParameters: {StateMachineArn: !Ref Intake, Input: $request.body}
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Principal: {Service: apigateway.amazonaws.com}
            Action: sts:AssumeRole
      Policies:
        - PolicyName: Start
          PolicyDocument:
            Version: "2012-10-17"
            Statement: [{Effect: Allow, Action: states:StartSyncExecution, Resource: "*"}]
  Intake:
    Type: AWS::Serverless::StateMachine
    Properties:
      Type: EXPRESS
      Definition: {StartAt: Wait, States: {Wait: {Type: Wait, Seconds: 1, End: true}}}
"""


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    return stand_up(tmp_path_factory.mktemp("stack"))


def client() -> Any:
    return boto3.client("stepfunctions", region_name="us-east-1")


def code_of(call: Any, **asked: Any) -> str:
    with pytest.raises(ClientError) as raised:
        call(**asked)
    return str(raised.value.response["Error"]["Code"])


def starts(event: Any, context: Any) -> None:
    for record in event["Records"]:
        client().start_execution(stateMachineArn=MACHINE, input=record["body"])


def fed(deployed: Deployed, *faults: str, messages: int = 1, **more: Any) -> Played:
    """Messages through the queue to the worker."""
    sends = tuple(Send(f"m{n}", "Queue", {"id": "{unique}"}) for n in range(1, messages + 1))
    plan = tuple(parse_fault(fault) for fault in faults)
    return play(deployed, Schedule(sends, plan, **more))


def says(deployed: Deployed, handler: Any, machine: Any = DONE, **more: Any) -> Any:
    """What a handler returns that the queue feeds."""
    said: list[Any] = []

    def worker(event: Any, context: Any) -> None:
        said.append(handler())

    fed(with_machine(deployed, machine, Worker=worker, **more))
    return said[0]


def test_a_message_is_followed_from_the_queue_through_the_machine_to_the_table(deployed):
    played = fed(with_machine(deployed, WAITS, Worker=starts))

    found = [(e.kind, e.where) for e in played.observation.history if e.messages == ("m1",)]
    assert found[3:] == [
        ("delivered", "Worker"),
        ("called", "Worker"),
        ("stored", "Machine"),
        ("effected", "Worker"),
        ("delivered", "Machine"),
        ("succeeded", "Worker"),
        ("deleted", "Queue"),
        ("called", "Machine"),
        ("effected", "Machine"),
        ("succeeded", "Machine"),
    ]
    assert [effect.place for effect in played.observation.effects] == ["Table"]
    assert played.observation.quiet


def test_runs_are_equal_byte_for_byte_and_none_knows_of_another(deployed):
    branches = [states(Put=put("$$.Execution.Name")), states(Call=task(WORKER))]
    both = {"Type": "Parallel", "Branches": branches, "End": True}
    stack = with_machine(deployed, states(Both=both), Worker=starts)

    histories = {to_bytes(fed(stack, messages=3).observation.history) for _ in range(3)}

    assert len(histories) == 1


def test_executions_at_once_go_on_by_the_schedules_choices(deployed):
    stack = with_machine(deployed, states(One=put(Next="Two", ResultPath=None), Two=put()))
    orders = set()
    for choices in ((), (1,), (0, 1), (1, 1, 1), (2, 1, 2, 1)):
        simulation = Simulation(stack, Schedule((), choices=choices))
        machine = stack.machine_by_arn(MACHINE)
        assert machine is not None
        with simulation.running():
            simulation.begin()
            for name in ("m1", "m2"):
                start(simulation, machine, json.dumps({"id": name}), (name,), "a test")
            assert simulation.settle(60_000)
        orders.add(tuple(e.messages for e in simulation.history if e.kind == "effected"))
        assert [one.status for one in simulation.executions] == ["SUCCEEDED"] * 2

    assert len(orders) > 1


def test_there_are_no_threads_and_no_waiting(deployed):
    branches = [states(Wait={"Type": "Wait", "Seconds": 80_000, "End": True})] * 3
    before, began = threading.active_count(), time.monotonic()

    ran = execute(
        with_machine(deployed, states(All={"Type": "Parallel", "Branches": branches, "End": True}))
    )

    assert ran.execution.ended_ms == 80_000_001
    assert threading.active_count() == before
    assert time.monotonic() - began < 8_000
    kept = sys.modules["moto.stepfunctions.parser.asl.component.program.program"].TMP_THREADS
    assert kept == []


def test_outside_of_a_run_the_interpreters_threads_are_real():
    module: Any = sys.modules["moto.stepfunctions.parser.asl.component.program.program"]
    done = []

    thread = module.threading.Thread(target=lambda: done.append(1), daemon=True)
    thread.start()
    thread.join()

    assert isinstance(thread, threading.Thread)
    assert done == [1]


def test_nothing_is_kept_in_moto_and_nothing_is_put_back(deployed):
    stack = with_machine(deployed, WAITS, Worker=starts)

    fed(stack)

    with deployed.world.attached():
        machines = deployed.world.backend("stepfunctions").state_machines
        assert [len(one.executions) for one in machines] == [0, 0]
    assert ("stepfunctions", "us-east-1") not in deployed.world._baselines


def test_a_stack_without_state_machines_does_not_import_the_interpreter():
    script = (
        "import sys; from pathlib import Path\n"
        "from pytest_storagefirst.explore.prepare import prepare\n"
        "from pytest_storagefirst.settings import Entry, Settings\n"
        "prepare(Path('tests/small_stack.yaml'), Settings(entries=(Entry('queue', 'Orders'),)))\n"
        "sys.exit(any(name.startswith('moto.stepfunctions') for name in sys.modules))\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


# -- the API ----------------------------------------------------------------------------------


def test_a_start_is_told_at_once_and_described_until_it_has_ended(deployed):
    def handler() -> list[str]:
        arn = client().start_execution(stateMachineArn=MACHINE, name="one")["executionArn"]
        seen = [client().describe_execution(executionArn=arn)["status"]]
        time.sleep(25)
        answer = client().describe_execution(executionArn=arn)
        return [*seen, answer["status"], answer["input"], answer["output"], arn]

    *statuses, given, made, arn = says(deployed, handler, SLOW)

    assert statuses == ["RUNNING", "SUCCEEDED"]
    assert (given, made) == ("{}", "{}")
    assert arn == "arn:aws:states:us-east-1:123456789012:execution:machine:one"


def test_executions_are_listed_newest_first_and_by_status(deployed):
    def handler() -> list[Any]:
        for name in ("one", "two"):
            client().start_execution(stateMachineArn=MACHINE, name=name)
        found = client().list_executions(stateMachineArn=MACHINE)["executions"]
        failed = client().list_executions(stateMachineArn=MACHINE, statusFilter="FAILED")
        return [[one["name"] for one in found], failed["executions"]]

    assert says(deployed, handler, SLOW) == [["two", "one"], []]


def test_an_execution_that_is_stopped_goes_no_further(deployed):
    def worker(event: Any, context: Any) -> None:
        arn = client().start_execution(stateMachineArn=MACHINE, input='{"id": "x"}')["executionArn"]
        client().stop_execution(executionArn=arn, error="Enough")

    played = fed(with_machine(deployed, WAITS, Worker=worker))

    failed = [e for e in played.observation.history if e.kind == "failed"]
    assert [(e.where, e.detail) for e in failed] == [("Machine", "Enough")]
    assert played.observation.effects == ()
    assert [held.state for held in played.observation.held] == ["failed execution"]
    assert played.observation.quiet


@pytest.mark.parametrize(
    ("operation", "asked", "code"),
    [
        ("start_execution", {"stateMachineArn": f"{MACHINE}x"}, "StateMachineDoesNotExist"),
        ("start_sync_execution", {"stateMachineArn": MACHINE}, "StateMachineTypeNotSupported"),
        ("describe_execution", {"executionArn": MACHINE}, "ExecutionDoesNotExist"),
        ("stop_execution", {"executionArn": MACHINE}, "ExecutionDoesNotExist"),
        ("send_task_success", {"taskToken": "x", "output": "{}"}, "InvalidToken"),
        ("send_task_success", {"taskToken": "x", "output": "no"}, "InvalidOutput"),
        ("send_task_failure", {"taskToken": "x"}, "InvalidToken"),
        ("send_task_heartbeat", {"taskToken": "x"}, "InvalidToken"),
    ],
)
def test_what_cannot_be_is_refused(deployed, operation, asked, code):
    """Errors from the Step Functions API reference, by operation."""
    assert says(deployed, lambda: code_of(getattr(client(), operation), **asked)) == code


def test_a_token_is_told_once_and_not_after_its_task(deployed):
    tokens: list[str] = []
    parameters = {"FunctionName": WORKER, "Payload": {"token.$": "$$.Task.Token"}}
    waits = task(
        "arn:aws:states:::lambda:invoke.waitForTaskToken",
        Parameters=parameters,
        Next="Wait",
        Catch=[{"ErrorEquals": ["Paid"], "Next": "Wait"}],
    )
    codes = []

    def worker(event: Any, context: Any) -> None:
        if "token" in event:
            tokens.append(event["token"])
            return
        client().start_execution(stateMachineArn=MACHINE)
        time.sleep(5)
        client().send_task_heartbeat(taskToken=tokens[0])
        client().send_task_failure(taskToken=tokens[0], error="Paid")
        codes.append(code_of(client().send_task_success, taskToken=tokens[0], output="{}"))

    ask = states(Ask=waits, Wait={"Type": "Wait", "Seconds": 10, "End": True})
    ran = fed(with_machine(deployed, ask, Worker=worker))

    assert codes == ["TaskTimedOut"]
    ended = [e for e in ran.observation.history if e.where == "Machine"][-1]
    assert (ended.kind, round(ended.at_ms, -3)) == ("succeeded", 15_000)


def test_an_execution_that_waits_for_ever_holds_its_message(deployed):
    parameters = {"FunctionName": WORKER, "Payload": {"token.$": "$$.Task.Token"}}
    resource = "arn:aws:states:::lambda:invoke.waitForTaskToken"
    asks = states(Ask=task(resource, Parameters=parameters))

    ran = execute(with_machine(deployed, asks, Worker=lambda event, context: None))

    assert ran.execution.status == "RUNNING"
    (held,) = ran.simulation.executions.held()
    assert (held.message, held.state, held.until_ms) == ("m1", "under way", 365 * 86_400_000)


def test_the_history_of_an_execution_refuses_the_run(deployed):
    def handler() -> Any:
        arn = client().start_execution(stateMachineArn=MACHINE)["executionArn"]
        return code_of(client().get_execution_history, executionArn=arn)

    with pytest.raises(SimulationError, match="history of an execution"):
        says(deployed, handler)


def test_a_caller_of_start_sync_waits_and_is_told_the_outcome(deployed):
    def handler() -> Any:
        began = time.time()
        answer = client().start_sync_execution(stateMachineArn=MACHINE, input='{"id": "x"}')
        return answer["status"], answer["output"], round(time.time() - began)

    said = says(deployed, handler, SLOW, kind="EXPRESS")

    assert said == ("SUCCEEDED", '{"id":"x"}', 20)


def test_a_source_is_told_when_the_execution_it_waits_for_has_ended(deployed):
    stack = with_machine(deployed, SLOW, kind="EXPRESS")
    simulation = Simulation(stack, Schedule((), (parse_fault("Machine: delivery #1: duplicate"),)))
    machine = stack.machine_by_arn(MACHINE)
    assert machine is not None
    ended = []
    with simulation.running():
        simulation.begin()
        start_sync(simulation, machine, "[1]", ("m1",), "a pipe", ended.append)
        assert simulation.settle(120_000)

    assert [(one.status, one.output, one.ended_ms) for one in ended] == [("SUCCEEDED", [1], 20_001)]
    assert len(tuple(simulation.executions)) == 1


def through_the_door(tmp_path: Path, seconds: int) -> Played:
    """Two requests to an API that starts an express machine and waits for it."""
    (tmp_path / "template.yaml").write_text(FRONT_DOOR.replace("Seconds: 1", f"Seconds: {seconds}"))
    prepared = prepare(tmp_path / "template.yaml", Settings())
    sends = tuple(Send(f"m{n}", "POST /things", {"id": "{unique}"}) for n in (1, 2))
    return play(prepared.deployed, Schedule(sends))


@pytest.mark.parametrize(
    ("seconds", "told", "at_ms"),
    [(5, "acknowledged", [5_001, 5_011]), (60, "indeterminate", [29_000, 29_010])],
)
def test_a_front_door_waits_for_the_outcome_as_long_as_it_may(tmp_path, seconds, told, at_ms):
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"""
    history = through_the_door(tmp_path, seconds).observation.history

    assert sorted(e.messages[0] for e in history if e.kind == told) == ["m1", "m2"]
    assert [e.at_ms for e in history if e.kind == "succeeded"] == [
        seconds * 1000 + 1,
        seconds * 1000 + 11,
    ]
    heard = [e.at_ms for e in history if e.kind == told]
    assert all(abs(heard[at] - at_ms[at]) <= 20 for at in range(2))


# -- faults -----------------------------------------------------------------------------------


def test_a_machines_calls_are_sites_of_the_faults_that_can_strike_them(deployed):
    stack = with_machine(deployed, WAITS, Worker=starts)
    counts = fed(stack).counts

    faults = list(single_faults(stack, counts))

    struck = {f.kind for f in faults if f.place == "Machine"}
    assert struck == {"refused", "response-lost", "slow"}
    assert {f.kind for f in faults if f.place == "Worker"} > struck
    assert MOST_NUMBERS > 1


def test_an_express_machine_may_be_started_twice_and_nothing_else_befalls_its_delivery(deployed):
    stack = with_machine(deployed, DONE, kind="EXPRESS", Worker=starts)

    faults = single_faults(stack, fed(stack).counts)

    assert {f.kind for f in faults if f.place == "Machine"} == {"duplicate"}


@pytest.mark.parametrize(
    ("fault", "fits"),
    [
        ("Machine: dynamodb.PutItem #1: refused", True),
        ("Machine: delivery #1: duplicate", True),
        ("Machine: dynamodb.PutItem #1: crash-before", False),
        ("Machine: delivery #1: ack-lost", False),
        ("Machine: invocation #1: crash", False),
    ],
)
def test_a_fault_that_no_machine_has_is_refused(fault, fits):
    places = {"Machine": "state machine", "Worker": "function"}

    if fits:
        check_place(parse_fault(fault), places)
    else:
        with pytest.raises(FaultError, match="the stack has no"):
            check_place(parse_fault(fault), places)


def test_an_outage_of_a_machines_call_outlasts_its_retries(deployed):
    again = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 20, "MaxAttempts": 5}]
    stack = with_machine(deployed, states(Put=put(Retry=again)))
    (machine, _) = stack.topology.state_machines

    assert patience_seconds(machine) == 20 + 40 + 80 + 160 + 320
    assert outage_ms(stack, "refused", "Machine") == 620_000 + 60_000
    assert outage_ms(stack, "crash", "Other") == 680_000
    assert outage_ms(stack, "crash", "Worker") != 680_000


def test_a_slow_answer_comes_after_the_tasks_timeout(deployed):
    caught = [{"ErrorEquals": ["States.Timeout"], "Next": "Late"}]
    slow = states(Put=put(TimeoutSeconds=10, Catch=caught), Late={"Type": "Pass", "End": True})

    ran = execute(with_machine(deployed, slow), "Machine: dynamodb.PutItem #1: slow")

    assert ran.execution.status == "SUCCEEDED"
    assert ran.execution.ended_ms == 10_001
    assert len(ran.items) == 1


# -- definitions ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("definition", "state", "found"),
    [
        ("no json", "", "no JSON"),
        ("{}", "", "no States"),
        (states(One={"Type": "Pass", "Next": "Tow"}, Two={"Type": "Succeed"}), "One", "'Tow'"),
        ({**DONE, "StartAt": "Begin"}, "Done", "'Begin'"),
        (states(Run=task("arn:aws:states:::ecs:runTask.sync")), "Run", "ecs"),
        (states(Act=task("arn:aws:states:us-east-1:1:activity:x")), "Act", "activity"),
        (states(Do=task("arn:aws:states:::aws-sdk:nosuch:doIt")), "Do", "no service"),
        (states(Do=task("arn:aws:states:::aws-sdk:s3:doIt")), "Do", "no operation"),
        (
            states(
                Each={
                    "Type": "Map",
                    "ItemProcessor": {**DONE, "ProcessorConfig": {"Mode": "DISTRIBUTED"}},
                    "End": True,
                }
            ),
            "Each",
            "distributed",
        ),
        (
            states(All={"Type": "Parallel", "Branches": [{**DONE, "StartAt": "X"}], "End": True}),
            "Done",
            "'X'",
        ),
    ],
)
def test_a_definition_that_cannot_run_names_the_machine_and_the_state(definition, state, found):
    text = definition if isinstance(definition, str) else json.dumps(definition)

    with pytest.raises(TemplateError, match="can't be simulated") as raised:
        check("Machine", text)

    assert raised.value.where == (f"Machine, state {state!r}" if state else "Machine")
    assert found in raised.value.found


def test_services_go_by_the_java_sdks_names():
    assert boto_name("eventbridge") == "events"
    assert boto_name("sfn") == "stepfunctions"
    assert boto_name("bedrockruntime") == "bedrock-runtime"
    assert boto_name("dynamodb") == "dynamodb"


def test_what_boto3_lacks_on_this_machine_refuses_the_run(deployed):
    parameters = {"KvsARN": "arn:aws:cloudfront:us-east-1:123456789012:invented"}
    resource = "arn:aws:states:::aws-sdk:cloudfrontkeyvaluestore:describeKeyValueStore"

    with pytest.raises(SimulationError, match="does not answer this call") as refused:
        execute(with_machine(deployed, states(Do=task(resource, Parameters=parameters))))
    assert "let the task invoke a function" in refused.value.remedy
    assert "that don't start Machine" in refused.value.remedy


def test_patience_counts_waits_and_retries_up_to_what_an_execution_may_last(deployed):
    (machine, _) = with_machine(deployed, WAITS).topology.state_machines
    assert patience_seconds(machine) == 60
    for_ever = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 99_999_999}]
    text = json.dumps(states(Put=put(Retry=for_ever)))
    assert patience_seconds(replace(machine, definition=text)) == 365 * 86_400
    often = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 99_999_999, "BackoffRate": 1}]
    steady = json.dumps(states(Put=put(Retry=often)))
    assert patience_seconds(replace(machine, definition=steady)) == MOST_ATTEMPTS
    assert patience_seconds(replace(machine, definition=text, kind="EXPRESS")) == 300


def test_jsonata_of_a_whole_machine_accuses_no_state() -> None:
    machine = {"QueryLanguage": "JSONata", "StartAt": "One", "States": {"One": {"Type": "Succeed"}}}
    with pytest.raises(TemplateError) as raised:
        check("Flow", json.dumps(machine))

    assert raised.value.where == "Flow"
    assert "JSONata of the whole state machine" in raised.value.found
    assert "QueryLanguage: JSONPath" in raised.value.expected


def test_jsonata_of_one_state_names_that_state() -> None:
    states = {
        "One": {"Type": "Pass", "Next": "Two"},
        "Two": {"Type": "Pass", "QueryLanguage": "JSONata", "Next": "Three"},
        "Three": {"Type": "Succeed"},
    }
    with pytest.raises(TemplateError) as raised:
        check("Flow", json.dumps({"StartAt": "One", "States": states}))

    assert raised.value.where == "Flow, state 'Two'"
