"""Lambda's Invoke from within a handler: each invocation type, its errors and its retries."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import get_session

from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.faults.plan import parse_fault
from pytest_storagefirst.settings import Entry, Settings
from pytest_storagefirst.simulation.deployed import Deployed
from pytest_storagefirst.simulation.environment import Code
from pytest_storagefirst.simulation.functions import Functions
from pytest_storagefirst.simulation.invoke_api import answer_invoke, is_invoke
from pytest_storagefirst.simulation.playing import Played, play
from pytest_storagefirst.simulation.run import Simulation
from pytest_storagefirst.simulation.schedule import Schedule, Send

TEMPLATE = """
Resources:
  Queue: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: 900}}
  Caller:
    Type: AWS::Lambda::Function
    Properties: &function
      FunctionName: caller
      Runtime: python3.12
      Handler: index.handler
      Role: arn:aws:iam::123456789012:role/worker
      Timeout: 900
      Code: {ZipFile: "def handler(event, context): pass"}
  Callee:
    Type: AWS::Lambda::Function
    Properties: {<<: *function, FunctionName: callee, Timeout: 10}
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {FunctionName: !Ref Caller, EventSourceArn: !GetAtt Queue.Arn}
"""
ARN = "arn:aws:lambda:us-east-1:123456789012:function:callee"

Handler = Callable[[Any, Any], Any]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    path = tmp_path_factory.mktemp("stack") / "template.yaml"
    path.write_text(TEMPLATE)
    return prepare(path, Settings(entries=(Entry("queue", "Queue"),))).deployed


def client() -> Any:
    return boto3.client(
        "lambda", region_name="us-east-1", config=Config(retries={"mode": "standard"})
    )


def invoke(name: str = "callee", **more: Any) -> dict[str, Any]:
    """Invoke and read all of the answer; an error's code is under "Error"."""
    try:
        answer = client().invoke(FunctionName=name, **more)
    except ClientError as error:
        return {
            "Error": error.response["Error"]["Code"],
            "StatusCode": error.response["ResponseMetadata"]["HTTPStatusCode"],
        }
    answer["Payload"] = answer["Payload"].read()
    return answer


def run(
    deployed: Deployed,
    caller: Handler,
    callee: Handler,
    *,
    fault: str = "",
    **callee_attributes: Any,
) -> Played:
    code = {
        "Caller": Code("Caller", "index.handler", override=caller),
        "Callee": Code("Callee", "index.handler", override=callee),
    }
    functions = tuple(
        replace(one, **callee_attributes) if one.logical_id == "Callee" else one
        for one in deployed.topology.functions
    )
    topology = replace(deployed.topology, functions=functions)
    stack = replace(deployed, code=code, topology=topology, lookups={})
    plan = (parse_fault(fault),) if fault else ()
    return play(stack, Schedule((Send("m1", "Queue", "{unique}"),), plan))


def answer_to(
    deployed: Deployed,
    callee: Handler = lambda event, context: None,
    *,
    fault: str = "",
    attributes: dict[str, Any] | None = None,
    **parameters: Any,
) -> dict[str, Any]:
    """What the caller is told, and under "Seconds" how long it waited."""
    answers = []

    def caller(event: Any, context: Any) -> None:
        started = time.monotonic()
        answers.append(invoke(**parameters))
        answers[-1]["Seconds"] = time.monotonic() - started

    run(deployed, caller, callee, fault=fault, **(attributes or {}))
    [answer] = answers
    return answer


def events(played: Played, kind: str, where: str = "Callee") -> list[tuple[float, str]]:
    return [
        (event.at_ms / 1000, event.detail)
        for event in played.observation.history
        if event.kind == kind and event.where == where
    ]


class TestRequestResponse:
    """invocation-sync."""

    def test_answer(self, deployed: Deployed) -> None:
        def callee(event: Any, context: Any) -> Any:
            return {"got": event, "name": context.function_name}

        answer = answer_to(deployed, callee, Payload=json.dumps({"a": "é"}))
        assert answer["StatusCode"] == 200
        assert json.loads(answer["Payload"]) == {"got": {"a": "é"}, "name": "callee"}
        assert "FunctionError" not in answer
        assert answer["ExecutedVersion"] == "$LATEST"

    def test_without_a_payload(self, deployed: Deployed) -> None:
        answer = answer_to(deployed, lambda event, context: [event])
        assert json.loads(answer["Payload"]) == [{}]

    @pytest.mark.parametrize(
        "name",
        [
            "callee",
            "callee:live",
            ARN,
            f"{ARN}:live",
            "123456789012:function:callee",
            "123456789012:function:callee:live",
        ],
    )
    def test_names(self, name: str, deployed: Deployed) -> None:
        assert answer_to(deployed, lambda event, context: 7, name=name)["Payload"] == b"7"

    @pytest.mark.parametrize("name", ["nobody", ARN.replace("callee", "nobody")])
    @pytest.mark.parametrize("kind", ["RequestResponse", "Event", "DryRun"])
    def test_unknown_function(self, name: str, kind: str, deployed: Deployed) -> None:
        answer = answer_to(deployed, name=name, InvocationType=kind)
        assert (answer["StatusCode"], answer["Error"]) == (404, "ResourceNotFoundException")

    def test_the_caller_waits_in_virtual_time(self, deployed: Deployed) -> None:
        def callee(event: Any, context: Any) -> float:
            time.sleep(9)
            return context.get_remaining_time_in_millis() / 1000

        answer = answer_to(deployed, callee)
        assert json.loads(answer["Payload"]) == pytest.approx(1, abs=0.1)
        assert answer["Seconds"] == pytest.approx(9, abs=0.1)

    def test_nested(self, deployed: Deployed) -> None:
        """A function that calls itself gets another environment each time."""

        def callee(event: Any, context: Any) -> int:
            time.sleep(1)
            if event == 3:
                return 3
            return int(invoke(Payload=json.dumps(event + 1))["Payload"]) + 10

        answer = answer_to(deployed, callee, Payload="0")
        assert answer["Payload"] == b"33"
        assert answer["Seconds"] == pytest.approx(4, abs=0.2)

    def test_function_error(self, deployed: Deployed) -> None:
        def callee(event: Any, context: Any) -> None:
            raise LookupError("no such order")

        answer = answer_to(deployed, callee)
        assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
        told = json.loads(answer["Payload"])
        assert (told["errorType"], told["errorMessage"]) == ("LookupError", "no such order")

    def test_time_out(self, deployed: Deployed) -> None:
        answer = answer_to(deployed, lambda event, context: time.sleep(100))
        assert answer["FunctionError"] == "Unhandled"
        assert "timed out after 10.00 seconds" in json.loads(answer["Payload"])["errorMessage"]
        assert answer["Seconds"] == pytest.approx(10, abs=0.1)

    @pytest.mark.parametrize("kind", ["crash", "init-failed"])
    def test_environment_that_ends(self, kind: str, deployed: Deployed) -> None:
        answer = answer_to(deployed, fault=f"Callee: invocation #1: {kind}")
        assert answer["FunctionError"] == "Unhandled"
        assert json.loads(answer["Payload"])["errorType"] == "Runtime.ExitError"

    def test_the_caller_times_out_and_the_callee_goes_on(self, deployed: Deployed) -> None:
        done = []

        def caller(event: Any, context: Any) -> None:
            try:
                invoke()
            finally:
                done.append("caller")

        def callee(event: Any, context: Any) -> None:
            time.sleep(950)
            done.append("callee")

        played = run(deployed, caller, callee, timeout_seconds=1000)
        assert events(played, "failed", "Caller")[0] == (pytest.approx(900.1, abs=0.1), "timeout")
        assert events(played, "succeeded")[0][0] == pytest.approx(950.1, abs=0.1)
        assert "callee" in done

    def test_throttled_by_reserved_concurrency(self, deployed: Deployed) -> None:
        answer = answer_to(deployed, attributes={"reserved_concurrency": 0})
        assert (answer["StatusCode"], answer["Error"]) == (429, "TooManyRequestsException")

    def test_throttled_as_long_as_the_other_runs(self, deployed: Deployed) -> None:
        answers = []

        def caller(event: Any, context: Any) -> None:
            invoke(InvocationType="Event")
            time.sleep(1)
            answers.append(invoke().get("Error"))
            time.sleep(30)
            answers.append(invoke().get("Error"))

        run(deployed, caller, lambda event, context: time.sleep(9), reserved_concurrency=1)
        assert answers == ["TooManyRequestsException", None]

    def test_the_sdk_sends_a_throttled_one_again(self, deployed: Deployed) -> None:
        answer = answer_to(deployed, lambda e, c: 7, fault="Callee: invocation #1: throttled")
        assert answer["Payload"] == b"7"
        assert answer["ResponseMetadata"]["RetryAttempts"] == 1

    def test_payload_that_is_no_json(self, deployed: Deployed) -> None:
        for payload in (b"{", b"\xff"):
            answer = answer_to(deployed, Payload=payload)
            assert (answer["StatusCode"], answer["Error"]) == (
                400,
                "InvalidRequestContentException",
            )

    @pytest.mark.parametrize(
        ("kind", "megabytes"), [("RequestResponse", 6), ("DryRun", 6), ("Event", 1)]
    )
    def test_payload_that_is_too_large(self, kind: str, megabytes: int, deployed: Deployed) -> None:
        """gettingstarted-limits; API_Invoke (API reference)."""
        largest = json.dumps("x" * (megabytes * 1_048_576 - 2))
        assert "Error" not in answer_to(deployed, InvocationType=kind, Payload=largest)
        answer = answer_to(deployed, InvocationType=kind, Payload=largest + " ")
        assert (answer["StatusCode"], answer["Error"]) == (413, "RequestTooLargeException")


class TestEvent:
    """invocation-async-error-handling."""

    def test_accepted_at_once(self, deployed: Deployed) -> None:
        seen = []

        def callee(event: Any, context: Any) -> None:
            time.sleep(5)
            seen.append(event)

        answer = answer_to(deployed, callee, InvocationType="Event", Payload="[1]")
        assert (answer["StatusCode"], answer["Payload"]) == (202, b"")
        assert answer["Seconds"] < 1
        assert seen == [[1]]

    @pytest.mark.parametrize("failures", [0, 1, 2, 3])
    def test_a_function_error_is_retried_after_one_and_two_minutes(
        self, failures: int, deployed: Deployed
    ) -> None:
        tries = []

        def callee(event: Any, context: Any) -> None:
            tries.append(event)
            if len(tries) <= failures:
                raise ValueError

        def caller(event: Any, context: Any) -> None:
            invoke(InvocationType="Event", Payload='{"a": 1}')

        played = run(deployed, caller, callee)
        starts = events(played, "delivered")
        assert [at - starts[0][0] for at, _ in starts] == pytest.approx(
            [0, 60, 180][: min(failures, 2) + 1], abs=0.1
        )
        assert tries == [{"a": 1}] * len(starts)
        assert len(events(played, "succeeded")) == (failures < 3)
        given_up = [detail for _, detail in events(played, "dropped")]
        assert given_up == (["Lambda gives up, and nothing keeps it"] if failures == 3 else [])
        assert starts[-1][1] == "invoked by Caller" + ", retry" * (len(starts) - 1)

    def test_a_timeout_is_a_function_error(self, deployed: Deployed) -> None:
        def caller(event: Any, context: Any) -> None:
            invoke(InvocationType="Event")

        played = run(deployed, caller, lambda event, context: time.sleep(100))
        starts = [at for at, _ in events(played, "delivered")]
        assert [at - starts[0] for at in starts] == pytest.approx([0, 70, 200], abs=0.1)

    def test_a_throttle_is_no_attempt(self, deployed: Deployed) -> None:
        """Tried again after 1 s, 2 s, …, 5 min; function errors are counted apart."""
        tries = []

        def callee(event: Any, context: Any) -> None:
            tries.append(event)
            if len(tries) < 3:
                raise ValueError

        def caller(event: Any, context: Any) -> None:
            invoke(InvocationType="Event")

        played = run(deployed, caller, callee, fault="Callee: invocation #1: throttled for 1000 s")
        throttled = [at for at, _ in events(played, "throttled")]
        gaps = [later - earlier for earlier, later in pairwise(throttled)]
        assert gaps == pytest.approx([1, 2, 4, 8, 16, 32, 64, 128, 256, 300], abs=0.1)
        assert len(events(played, "failed")) == 2
        assert len(events(played, "succeeded")) == 1

    def test_throttled_for_six_hours(self, deployed: Deployed) -> None:
        simulation = Simulation(
            replace(
                deployed,
                code={
                    name: Code(name, "index.handler", override=handler)
                    for name, handler in {
                        "Caller": lambda event, context: invoke(InvocationType="Event") and None,
                        "Callee": lambda event, context: None,
                    }.items()
                },
            ),
            Schedule((), (parse_fault("Callee: invocation #1: throttled for 90000 s"),)),
        )
        with simulation.running():
            simulation.begin()
            simulation.send(Send("m1", "Queue", "b"))
            assert simulation.settle(24 * 3_600_000)
        history = [event for event in simulation.history if event.where == "Callee"]
        assert {event.kind for event in history} == {"throttled", "faulted", "dropped"}
        assert history[-1].kind == "dropped"
        assert 5.9 * 3_600_000 < history[-1].at_ms < 6 * 3_600_000

    def test_whose_message_it_is(self, deployed: Deployed) -> None:
        def caller(event: Any, context: Any) -> None:
            invoke(InvocationType="Event", Payload=json.dumps(event["Records"][0]["body"]))

        played = run(deployed, caller, lambda event, context: None)
        [delivered] = [
            event
            for event in played.observation.history
            if (event.kind, event.where) == ("delivered", "Callee")
        ]
        assert delivered.messages == ("m1",)


def test_dry_run(deployed: Deployed) -> None:
    calls: list[Any] = []
    answer = answer_to(
        deployed, lambda event, context: calls.append(event), InvocationType="DryRun"
    )
    assert answer["StatusCode"] == 204
    assert calls == []


@pytest.mark.parametrize(
    ("method", "url", "is_one"),
    [
        (
            "POST",
            f"https://lambda.us-east-1.amazonaws.com/2015-03-31/functions/{name}/invocations",
            True,
        )
        for name in ("callee", "arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Acallee")
    ]
    + [
        ("GET", "https://lambda.us-east-1.amazonaws.com/2015-03-31/functions/a/invocations", False),
        ("POST", "https://lambda.us-east-1.amazonaws.com/2015-03-31/functions", False),
        ("POST", "https://sqs.us-east-1.amazonaws.com/2015-03-31/functions/a/invocations", False),
        (
            "POST",
            "https://lambda.us-east-1.amazonaws.com/2015-03-31/functions/a/invocations?Qualifier=1",
            True,
        ),
    ],
)
def test_is_invoke(method: str, url: str, is_one: bool) -> None:
    assert is_invoke(method, url) is is_one


def test_headers_and_body_as_botocore_may_send_them(deployed: Deployed) -> None:
    """Values in bytes, and a body that is a file."""
    import io

    seen = []

    def caller(event: Any, context: Any) -> None:
        url = "https://lambda.us-east-1.amazonaws.com/2015-03-31/functions/callee/invocations"
        seen.append(
            answer_invoke(
                simulation, url, {"X-Amz-Invocation-Type": b"Event"}, io.BytesIO(b'{"a": 1}')
            )
        )
        seen.append(answer_invoke(simulation, url, {}, '"text"'))

    code = {
        "Caller": Code("Caller", "index.handler", override=caller),
        "Callee": Code("Callee", "index.handler", override=lambda event, context: event),
    }
    simulation = Simulation(replace(deployed, code=code), Schedule(()))
    with simulation.running():
        simulation.begin()
        simulation.send(Send("m1", "Queue", "b"))
        simulation.settle(60_000)
    assert [(status, content) for status, _, content in seen] == [(202, b""), (200, b'"text"')]


def as_tenant(tenant: str, **more: Any) -> dict[str, Any]:
    """Invoke with a TenantId, which older versions of botocore don't know."""
    calling = client()
    calling.meta.events.register(
        "before-call.lambda.Invoke",
        lambda params, **_: params["headers"].update({"X-Amz-Tenant-Id": tenant}),
    )
    answer: dict[str, Any] = calling.invoke(FunctionName="callee", **more)
    answer["Payload"] = answer["Payload"].read()
    return answer


class TestTenants:
    """tenant-isolation, tenant-isolation-invoke, tenant-isolation-context."""

    def seen(self, deployed: Deployed, *invocations: tuple[str, str], fault: str = "") -> list[Any]:
        """The tenant that the callee's context tells, and the number of the call, each time."""
        seen: list[Any] = []

        def callee(event: Any, context: Any) -> str:
            time.sleep(1)
            seen.append((context.tenant_id, event["number"]))
            return str(context.tenant_id)

        def caller(event: Any, context: Any) -> None:
            for number, (tenant, kind) in enumerate(invocations):
                payload = json.dumps({"number": number})
                answer = as_tenant(tenant, InvocationType=kind, Payload=payload)
                if kind == "RequestResponse":
                    assert json.loads(answer["Payload"]) == tenant

        run(deployed, caller, callee, fault=fault, isolates_tenants=True)
        return seen

    def test_the_context_holds_who_it_is(self, deployed: Deployed) -> None:
        told = self.seen(deployed, ("blue", "RequestResponse"), ("green", "Event"))

        assert told == [("blue", 0), ("green", 1)]

    def test_a_retry_is_the_same_tenants(self, deployed: Deployed) -> None:
        told = self.seen(deployed, ("blue", "Event"), fault="Callee: invocation #1: crash")

        assert told == [("blue", 0), ("blue", 0)]

    @pytest.mark.parametrize(
        ("tenants", "environments"), [("aab", [0, 0, 1]), ("aba", [0, 1, 0]), ("aaa", [0, 0, 0])]
    )
    def test_an_environment_serves_one_tenant_alone(
        self, tenants: str, environments: list[int], deployed: Deployed, monkeypatch: Any
    ) -> None:
        used: list[int] = []
        own = Functions._environment

        def noted(self: Functions, function: Any, tenant: str) -> Any:
            found = own(self, function, tenant)
            if function.logical_id == "Callee":
                used.append(found.ordinal)
            return found

        monkeypatch.setattr(Functions, "_environment", noted)

        self.seen(deployed, *((tenant, "RequestResponse") for tenant in tenants))

        assert used == environments

    def test_without_a_tenant_it_is_refused(self, deployed: Deployed) -> None:
        told = answer_to(deployed, attributes={"isolates_tenants": True})

        assert (told["Error"], told["StatusCode"]) == ("InvalidParameterValueException", 400)

    def test_a_tenant_of_a_function_that_knows_none_is_refused(self, deployed: Deployed) -> None:
        refused: list[str] = []

        def caller(event: Any, context: Any) -> None:
            with pytest.raises(ClientError) as raised:
                as_tenant("blue")
            refused.append(raised.value.response["Error"]["Code"])

        played = run(deployed, caller, lambda event, context: None)

        assert refused == ["InvalidParameterValueException"]
        assert not events(played, "delivered")

    def test_the_template_says_so(self, tmp_path: Any) -> None:
        path = tmp_path / "template.yaml"
        isolating = "TenancyConfig: {TenantIsolationMode: PER_TENANT}, FunctionName: callee"
        path.write_text(TEMPLATE.replace("FunctionName: callee", isolating))
        functions = prepare(path, Settings()).deployed.topology.functions
        known = get_session().get_service_model("lambda").shape_for("FunctionConfiguration")

        assert [one.isolates_tenants for one in functions] == [
            False,
            "TenancyConfig" in known.members,  # what an older botocore leaves out nobody can ask
        ]
