"""moto's interpreter of Amazon States Language, made to run inside a simulation.

Its threads, events and sleeps are the scheduler's (machine_threads.py), its clients cross the
boundary, and where it differs from AWS's rules the rules win. Nothing of it is imported before a
stack has a state machine.

Rules from the Step Functions developer guide: concepts-error-handling, bp-lambda-serviceexception,
supported-services-awssdk.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache, lru_cache
from importlib import import_module
from typing import Any

from pytest_storagefirst.errors import TemplateError
from pytest_storagefirst.simulation import isolation
from pytest_storagefirst.simulation.calls.refusals import not_answered
from pytest_storagefirst.simulation.machines import errors, words
from pytest_storagefirst.simulation.machines.threads import Threading, Threads, Time, note_wait
from pytest_storagefirst.stack.states_language import boto_name
from pytest_storagefirst.stack.topology import StateMachine

_PARSER = "moto.stepfunctions.parser"
_STATE = f"{_PARSER}.asl.component.state"
_SERVICE = f"{_STATE}.exec.state_task.service"
# What a task can fail with besides errors of its call.
_NAMED_BY_MOTO = frozenset(
    {"CallbackOutcomeFailureError", "LambdaFunctionErrorException", "SfnFailedEntryCountException"}
)


@lru_cache(maxsize=256)
def program(machine: StateMachine) -> Any:
    """The state machine's definition, parsed: nothing in it changes when it is evaluated.

    Raises TemplateError when the interpreter can't read it.
    """
    _install()
    parser: Any = import_module(f"{_PARSER}.asl.parse.asl_parser")
    try:
        return parser.AmazonStateLanguageParser.parse(machine.definition)[0]
    except Exception as error:
        raise TemplateError(
            "the definition of this state machine can't be read",
            where=machine.logical_id,
            found=str(error)[:500],
            expected="Amazon States Language in JSONPath",
        ) from None


def environment(machine: StateMachine, arn: str, name: str, given: Any, started: str) -> Any:
    """Where one execution is evaluated: its context object, and what has become of it."""
    details: Any = import_module(f"{_PARSER}.asl.eval.evaluation_details")
    events: Any = import_module(f"{_PARSER}.asl.eval.event.event_manager")
    evaluation: Any = import_module(f"{_PARSER}.asl.eval.environment")
    _, _, _, region, account, *_ = machine.arn.split(":")
    return evaluation.Environment(
        aws_execution_details=details.AWSExecutionDetails(account, region, machine.role_arn),
        execution_type=machine.kind,
        context={
            "Execution": {
                "Id": arn,
                "Input": given,
                "Name": name,
                "RoleArn": machine.role_arn,
                "StartTime": started,
            },
            "StateMachine": {"Id": machine.arn, "Name": machine.name},
        },
        event_history_context=events.EventHistoryContext.of_program_start(),
        cloud_watch_logging_session=None,
        activity_store={},
    )


def outcome(environment: Any) -> tuple[str, Any, str, str]:
    """How an evaluation ended: status, output, error, cause."""
    state = environment.program_state()
    kind = type(state).__name__
    if kind == "ProgramEnded":
        return "SUCCEEDED", environment.states.get_input(), "", ""
    if kind == "ProgramTimedOut":
        return "TIMED_OUT", None, "States.Timeout", ""
    if kind == "ProgramStopped":
        return "ABORTED", None, state.error or "", state.cause or ""
    said = getattr(state, "error", None) or {}
    return "FAILED", None, str(said.get("error") or ""), str(said.get("cause") or "")


@cache
def _install() -> None:
    """Hand what the interpreter's modules got from Python to the simulation; once per process."""
    import_module(f"{_PARSER}.models")
    import_module(f"{_PARSER}.asl.parse.asl_parser")
    threads = Threads()
    paths: Any = import_module(f"{_PARSER}.asl.utils.json_path")
    result_path: Any = import_module(f"{_PARSER}.asl.component.common.path.result_path")
    result_path.parse = lru_cache(maxsize=1024)(result_path.parse)  # read once for all runs
    ours = {
        "threading": Threading,
        "time": Time,
        "TMP_THREADS": threads,
        "extract_json": _inside(paths.extract_json, words.found),
    }
    taken = {"Thread", "Event", "Lock", "RLock"}
    for module_name, module in list(sys.modules.items()):
        if not module_name.startswith(f"{_PARSER}."):
            continue
        for name in vars(module).keys() & ours.keys():
            setattr(module, name, ours[name])
        for name in vars(module).keys() & taken:
            if getattr(vars(module)[name], "__module__", "") in ("threading", "_thread"):
                setattr(module, name, getattr(Threading, name))
        if "boto_client_for" in vars(module) and not module_name.endswith(".boto_client"):
            made = module.boto_client_for
            watches = module_name.endswith("_sfn")
            module.boto_client_for = _client_for(made, watches)  # type: ignore[attr-defined]
    _keep_to_the_rules()


def _inside(original: Callable[..., Any], ours: Callable[..., Any]) -> Callable[..., Any]:
    """`ours` in a simulation; what the user's own tests do with moto stays as it is."""

    def act(*arguments: Any, **named: Any) -> Any:
        return (original if isolation.current() is None else ours)(*arguments, **named)

    return act


def _replace(owner: Any, name: str, make: Callable[[Callable[..., Any]], Any]) -> None:
    """Put what `make` makes of a method in its place, for simulations."""
    original = getattr(owner, name)
    setattr(owner, name, _inside(original, make(original)))


def _client_for(original: Callable[..., Any], watches: bool) -> Callable[..., Any]:
    """One client of each service for each state machine, instead of one for each task."""

    def client_for(region: str, service: str, state_credentials: Any = None) -> Any:
        simulation: Any = isolation.current()
        if simulation is None or simulation.current is None:
            return original(region, service, state_credentials)
        clients = simulation.executions.clients
        key = (simulation.current.function.logical_id, region, service)
        if key not in clients:
            clients[key] = _client(region, boto_name(service))
        client = clients[key]
        return simulation.executions.watching(client) if watches else client

    return client_for


def _client(region: str, service: str) -> Any:
    """A client that does not try again by itself: that is for `Retry` to say."""
    import boto3
    from botocore.config import Config

    config = Config(parameter_validation=False, retries={"total_max_attempts": 1})
    return boto3.client(service, region_name=region, config=config)


def _keep_to_the_rules() -> None:
    component: Any = import_module(f"{_PARSER}.asl.component.eval_component").EvalComponent
    # moto draws a random one, once for each part of a definition that is kept from run to run.
    component.heap_key = property(lambda self: str(id(self)))
    for name in ("_log_exception", "_log_failure_event_exception"):
        _replace(component, name, lambda _: lambda *arguments, **named: None)
    wait: Any = import_module(f"{_STATE}.wait.wait_function.wait_function").WaitFunction
    _replace(wait, "_wait_interval", lambda _: _wait_interval)
    moment: Any = import_module(f"{_STATE}.wait.wait_function.timestamp").Timestamp
    _replace(moment, "_get_wait_seconds", _until)
    equals: Any = import_module(
        f"{_PARSER}.asl.component.common.error_name.error_equals_decl"
    ).ErrorEqualsDecl
    _replace(equals, "_eval_body", _except_for_the_terminal)
    choice: Any = import_module(f"{_STATE}.choice.state_choice").StateChoice
    _replace(choice, "_eval_state", _or_none_matched)
    service: Any = import_module(f"{_SERVICE}.state_task_service").StateTaskService
    _replace(service, "_normalise_parameters", lambda _: _asking)
    _replace(service, "_normalise_response", lambda _: _telling)
    direct: Any = import_module(f"{_STATE}.exec.state_task.state_task_lambda").StateTaskLambda
    names = ("lambda", "sqs", "sns", "events", "dynamodb", "sfn", "aws_sdk")
    classes = [direct]
    for name in names:
        module: Any = import_module(f"{_SERVICE}.state_task_service_{name}")
        wanted = f"StateTaskService{name.replace('_', '')}".lower()
        classes += [one for key, one in vars(module).items() if key.lower() == wanted]
    for one in classes:
        _replace(one, "_from_error", _as_aws_names_it)


def _wait_interval(self: Any, env: Any, wait_seconds: float) -> None:
    """A Wait state; moto measures it by the clock again, in whole seconds."""
    if wait_seconds > 0:
        note_wait(wait_seconds)
        env.program_state_event.wait(wait_seconds)


def _until(original: Callable[..., float]) -> Callable[..., float]:
    """A Wait state never ends before its timestamp; moto leaves out what is less than a second."""

    def wait_seconds(self: Any, env: Any) -> float:
        simulation: Any = isolation.current()
        whole: float = original(self, env)
        if whole < 0:
            return whole
        rest: float = -simulation.wall_ms % 1000 / 1000
        return whole + rest

    return wait_seconds


def _except_for_the_terminal(original: Callable[..., None]) -> Callable[..., None]:
    """States.ALL matches neither States.Runtime nor States.DataLimitExceeded."""

    def eval_body(self: Any, env: Any) -> None:
        name = env.stack[-1].error_name
        if name in ("States.Runtime", "States.DataLimitExceeded"):
            env.stack[-1] = any(one.error_name == name for one in self.error_names)
        else:
            original(self, env)

    return eval_body


def _or_none_matched(original: Callable[..., None]) -> Callable[..., None]:
    """A Choice state in which no rule holds and that has no default (state-choice)."""

    def eval_state(self: Any, env: Any) -> None:
        try:
            original(self, env)
        except RuntimeError as error:
            failure: Any = import_module(f"{_PARSER}.asl.component.common.error_name.failure_event")
            named = _failure(env, "States.NoChoiceMatched", "no rule holds")
            raise failure.FailureEventException(named) from error

    return eval_state


def _asking(
    self: Any, parameters: Any, boto_service_name: Any = None, service_action_name: Any = None
) -> None:
    name = boto_name(self._get_boto_service_name(boto_service_name))
    words.ask(name, service_action_name or self.resource.api_action, parameters)


def _telling(
    self: Any, response: Any, boto_service_name: Any = None, service_action_name: Any = None
) -> None:
    name = boto_name(self._get_boto_service_name(boto_service_name))
    words.tell(name, service_action_name or self.resource.api_action, response)


def _as_aws_names_it(original: Callable[..., Any]) -> Callable[..., Any]:
    """A task's failure under the name that AWS gives it, where moto has another."""

    def from_error(self: Any, env: Any, ex: Exception) -> Any:
        if errors.is_ours(ex):
            simulation: Any = isolation.current()
            place = simulation.current.function.logical_id
            why = f"{type(ex).__name__}: {ex}"
            simulation.refuse(not_answered(simulation.deployed.topology, place, why))
        if hasattr(ex, "failure_event"):  # it has its name already
            return ex.failure_event
        if isinstance(ex, TimeoutError):
            return self._get_timed_out_failure_event(env)
        named = errors.name_of(self.resource, ex)
        if named is not None:
            return _failure(env, *named)
        if type(ex).__name__ in _NAMED_BY_MOTO:
            return original(self, env, ex)
        return _failure(env, "States.Runtime", str(ex))  # a path that finds nothing, and the like

    return from_error


def _failure(env: Any, error: str, cause: str) -> Any:
    names: Any = import_module(f"{_PARSER}.asl.component.common.error_name.error_name")
    failure: Any = import_module(f"{_PARSER}.asl.component.common.error_name.failure_event")
    return failure.FailureEvent(
        env=env,
        error_name=names.ErrorName(error),
        event_type="TaskFailed",
        event_details={"taskFailedEventDetails": {"error": error, "cause": cause}},
    )
