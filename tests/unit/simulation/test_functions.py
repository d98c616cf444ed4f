"""How invocations end, and that nothing of one that has ended acts on the world."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import decimal
import gc
import itertools
import json
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from pytest_storagefirst.errors import HandlerError
from pytest_storagefirst.simulation import run as run_module
from pytest_storagefirst.simulation.playing import play_on
from pytest_storagefirst.simulation.run import Simulation


def put(item_id: str) -> None:
    boto3.client("dynamodb").put_item(TableName="keys", Item={"id": {"S": item_id}})


def ids(items: Any, played: Any) -> list[str]:
    return sorted(item["id"]["S"] for item in items(played))


def outcomes(played: Any) -> list[tuple[str, str]]:
    return [
        (event.kind, event.detail)
        for event in played.observation.history
        if event.kind in ("succeeded", "failed", "throttled")
    ]


# -- faults of an invocation ------------------------------------------------------------------


def test_crash_ends_the_environment_after_the_last_effect(rig: Any, items: Any) -> None:
    calls = itertools.count()
    environments: list[Any] = []

    def worker(event: Any, context: Any) -> None:
        environments.append(simulation.current.environment)
        put(f"effect-{next(calls)}")

    simulation = rig.with_handlers(Worker=worker).simulation("Worker: invocation #1: crash")
    played = play_on(simulation)
    assert outcomes(played) == [("failed", "crash"), ("succeeded", "")]
    assert ids(items, played) == ["effect-0", "effect-1"]
    assert environments[0] is not environments[1]
    assert not environments[0].alive


def test_timeout_comes_at_the_functions_own_time(rig: Any, items: Any) -> None:
    calls = itertools.count()
    stack = rig.with_handlers(Worker=lambda event, context: put(str(next(calls))))
    played = stack.play("Worker: invocation #1: timeout")
    assert outcomes(played) == [("failed", "timeout"), ("succeeded", "")]
    times = {event.kind: event.at_ms for event in reversed(played.observation.history)}
    assert times["failed"] - times["delivered"] == 30_000
    assert ids(items, played) == ["0", "1"]


def test_throttled_does_not_invoke(rig: Any, kinds: Any) -> None:
    calls: list[int] = []
    stack = rig.with_handlers(Worker=lambda event, context: calls.append(1))
    played = stack.play("Worker: invocation #1: throttled 2 times")
    assert kinds(played, "Worker").count("throttled") == 2
    assert calls == [1]


def test_init_failed_runs_no_code_of_the_handlers(rig: Any, tmp_path: Path, kinds: Any) -> None:
    stack = rig.with_files(
        tmp_path,
        app="""
        import boto3
        boto3.client("dynamodb").put_item(TableName="keys", Item={"id": {"S": "at import"}})
        def handler(event, context): pass
        """,
    )
    played = stack.play("Worker: invocation #1: init-failed 3 times", redrives=())
    assert outcomes(played) == [("failed", "init failed")] * 3
    assert not played.observation.effects
    assert "dead-lettered" in kinds(played)


def test_recycled_forgets_module_state_and_nothing_else_does(rig: Any, tmp_path: Path) -> None:
    source = """
    import json
    seen = []
    def handler(event, context):
        seen.append(1)
        print(len(seen))
    """
    stack = rig.with_files(tmp_path, app=source)
    warm = stack.play(messages=3, batch_limit=1)
    assert warm.printed.split() == ["1", "2", "3"]
    recycled = stack.play("Worker: invocation #3: recycled", messages=4, batch_limit=1)
    assert recycled.printed.split() == ["1", "2", "1", "2"]


def test_recycled_leaves_the_environments_at_work_alone(rig: Any) -> None:
    """One that is busy still counts against the function's concurrency."""
    busy: list[int] = []

    def worker(event: Any, context: Any) -> None:
        time.sleep(1)
        busy.append(simulation.functions.busy(simulation.current.function))

    simulation = rig.with_handlers(Worker=worker).simulation(
        "Worker: invocation #2: recycled", messages=2, concurrency=2, batch_limit=1
    )
    play_on(simulation)
    assert busy[0] == 2


def test_reserved_concurrency_is_kept(rig: Any, kinds: Any) -> None:
    stack = rig.with_handlers(Worker=lambda event, context: time.sleep(1))
    limited = stack.with_function("Worker", reserved_concurrency=1)
    played = limited.play(messages=2, concurrency=2, batch_limit=1)
    assert "throttled" in kinds(played, "Worker")
    assert "throttled" not in kinds(stack.play(messages=2, concurrency=2, batch_limit=1))


# -- how a handler itself ends ----------------------------------------------------------------


def test_an_exception_fails_the_invocation_and_keeps_the_environment(rig: Any) -> None:
    environments: list[Any] = []

    def worker(event: Any, context: Any) -> None:
        environments.append(simulation.current.environment)
        if len(environments) == 1:
            raise ValueError("no")

    simulation = rig.with_handlers(Worker=worker).simulation()
    played = play_on(simulation)
    assert outcomes(played) == [("failed", "ValueError"), ("succeeded", "")]
    assert environments[0] is environments[1]
    assert [(place, str(error)) for place, error in played.errors] == [("Worker", "no")]


@pytest.mark.parametrize("leave", [sys.exit, lambda: exit(1)], ids=["sys.exit", "exit"])
def test_exit_ends_the_environment(rig: Any, leave: Callable[[], Any]) -> None:
    environments: list[Any] = []

    def worker(event: Any, context: Any) -> None:
        environments.append(simulation.current.environment)
        if len(environments) == 1:
            leave()

    simulation = rig.with_handlers(Worker=worker).simulation()
    assert outcomes(play_on(simulation)) == [("failed", "Runtime.ExitError"), ("succeeded", "")]
    assert environments[0] is not environments[1]


class OwnError(BaseException):
    pass


@pytest.mark.parametrize("kind", [OwnError, asyncio.CancelledError, GeneratorExit])
def test_any_exception_of_the_handlers_is_its_failure(rig: Any, kind: type) -> None:
    def worker(event: Any, context: Any) -> None:
        raise kind

    played = rig.with_handlers(Worker=worker).play(redrives=())
    assert set(outcomes(played)) == {("failed", kind.__name__)}


@pytest.mark.parametrize("swallow", [False, True], ids=["plain", "in a finally"])
def test_ctrl_c_stops_the_tester_and_not_the_handler(rig: Any, swallow: bool) -> None:
    def worker(event: Any, context: Any) -> None:
        try:
            raise KeyboardInterrupt
        finally:
            if swallow:
                with contextlib.suppress(Exception):
                    put("never")

    with pytest.raises(KeyboardInterrupt):
        rig.with_handlers(Worker=worker).play()
    assert outcomes(rig.play()) == [("succeeded", "")]


def test_what_pytest_raises_to_end_a_test_ends_it(rig: Any) -> None:
    """pytest-timeout raises pytest.fail.Exception wherever the test happens to be."""

    def worker(event: Any, context: Any) -> None:
        pytest.fail("Timeout")

    with pytest.raises(pytest.fail.Exception, match="Timeout"):
        rig.with_handlers(Worker=worker).play()


def test_a_result_that_is_no_json_fails(rig: Any) -> None:
    played = rig.with_handlers(Worker=lambda event, context: {1, 2}).play(redrives=())
    assert set(outcomes(played)) == {("failed", "TypeError")}


def test_a_result_may_hold_what_dynamodb_returned(rig: Any) -> None:
    """Lambda's runtime writes Decimals as numbers."""
    answers: list[Any] = []

    def worker(event: Any, context: Any) -> None:
        answer = boto3.client("lambda").invoke(FunctionName="callee", Payload=b"{}")
        answers.append(json.loads(answer["Payload"].read()))

    result = {"whole": Decimal("12"), "part": Decimal("1.5"), "large": Decimal("1E+3")}
    rig.with_handlers(Worker=worker, Callee=lambda event, context: result).play()
    assert answers == [{"whole": 12, "part": 1.5, "large": 1000}]


def test_an_error_that_can_not_be_written_is_a_failure_all_the_same(rig: Any) -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def worker(event: Any, context: Any) -> None:
        raise Broken

    assert set(outcomes(rig.with_handlers(Worker=worker).play(redrives=()))) == {
        ("failed", "Broken")
    }


def test_a_handler_that_is_not_there_is_told(rig: Any, tmp_path: Path) -> None:
    stack = rig.with_files(tmp_path, app="def work(event, context): pass")
    with pytest.raises(HandlerError, match=r"no function 'handler'") as error:
        stack.play()
    assert error.value.found == "work"
    missing = rig.with_files(tmp_path, handler="nowhere.handler")
    with pytest.raises(HandlerError, match=r"module 'nowhere' is not there"):
        missing.play()


def test_a_module_that_the_handlers_imports_and_is_missing_is_not_the_handler(
    rig: Any, tmp_path: Path
) -> None:
    stack = rig.with_files(
        tmp_path,
        "pack.app.handler",
        pack__init="",
        pack__app="from pack import missing_here\nimport pack.missing\ndef handler(e, c): pass",
    )
    played = stack.play(redrives=())
    assert {name for _, name in outcomes(played)} == {"ImportError"}
    stack = rig.with_files(
        tmp_path / "two",
        "pack.app.handler",
        pack__init="",
        pack__app="import pack.missing\ndef handler(e, c): pass",
    )
    played = stack.play(redrives=())
    assert {name for _, name in outcomes(played)} == {"ModuleNotFoundError"}


# -- nothing acts any more --------------------------------------------------------------------


def by_except(event: Any, context: Any) -> None:
    try:
        put("first")
    except Exception:
        put("late")


def by_bare_except(event: Any, context: Any) -> None:
    try:
        put("first")
    except BaseException:
        put("late")
        raise


def by_finally(event: Any, context: Any) -> None:
    try:
        put("first")
    finally:
        put("late")


def by_context_manager(event: Any, context: Any) -> None:
    @contextlib.contextmanager
    def noting() -> Iterator[None]:
        try:
            yield
        finally:
            put("late")

    with noting():
        put("first")


class Noting:
    def __exit__(self, *exception: object) -> bool:
        put("late")
        return True

    def __enter__(self) -> None:
        pass


def by_swallowing_context_manager(event: Any, context: Any) -> None:
    with Noting():
        put("first")
    put("later")


def by_generator(event: Any, context: Any) -> None:
    def steps() -> Iterator[None]:
        try:
            yield
        finally:
            put("late")

    going = steps()
    next(going)
    put("first")


class Finalized:
    def __del__(self) -> None:
        put("late")


def by_finalizer(event: Any, context: Any) -> None:
    kept = Finalized()
    put("first")
    del kept


def by_weak_reference(event: Any, context: Any) -> None:
    kept = Noting()
    weakref.finalize(kept, put, "late")
    put("first")


def by_thread(event: Any, context: Any) -> None:
    def later() -> None:
        time.sleep(0.001)
        put("late")

    threading.Thread(target=later).start()
    put("first")
    time.sleep(1)


def by_thread_that_does_it(event: Any, context: Any) -> None:
    def work() -> None:
        try:
            put("first")
        finally:
            put("late")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    put("later")


def by_coroutine(event: Any, context: Any) -> None:
    async def work() -> None:
        try:
            put("first")
        finally:
            put("late")

    async def main() -> None:
        await asyncio.gather(work(), asyncio.sleep(5))

    asyncio.run(main())


def by_async_generator(event: Any, context: Any) -> None:
    async def steps() -> Any:
        try:
            yield
        finally:
            put("late")

    async def main() -> None:
        async for _ in steps():
            put("first")

    asyncio.run(main())


def by_trying_for_ever(event: Any, context: Any) -> None:
    while True:
        try:
            put("first")
            put("late")
        except BaseException:
            pass


def by_sleeping_for_ever(event: Any, context: Any) -> None:
    while True:
        try:
            put("first")
            time.sleep(1)
            put("late")
        except BaseException:
            pass


def by_recursion(event: Any, context: Any) -> None:
    try:
        put("first")
    finally:
        by_finally(event, context)


LATE: tuple[Callable[[Any, Any], None], ...] = (
    by_except,
    by_bare_except,
    by_finally,
    by_context_manager,
    by_swallowing_context_manager,
    by_generator,
    by_finalizer,
    by_weak_reference,
    by_thread,
    by_thread_that_does_it,
    by_coroutine,
    by_async_generator,
    by_trying_for_ever,
    by_sleeping_for_ever,
    by_recursion,
)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", ["crash-after", "slow"])
@pytest.mark.parametrize("late", LATE, ids=lambda late: late.__name__)
def test_nothing_of_an_ended_environment_acts(
    rig: Any, items: Any, late: Callable[[Any, Any], None], kind: str
) -> None:
    """Neither while the run goes on, nor when it is closed, nor when what is left is freed."""
    outside: list[Any] = []
    stack = rig.with_handlers(Worker=late)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("socket.socket.connect", lambda *arguments: outside.append(arguments))
        played = stack.play(f"Worker: dynamodb.PutItem #1: {kind} for 1000000 s", redrives=())
        assert ids(items, played) == ["first"]
        called = [event.detail for event in played.observation.history if event.kind == "called"]
        assert len(called) == 3  # once in each of the message's three deliveries
        gc.collect()
        again = rig.play()
        gc.collect()
    assert outside == []
    assert again.observation.effects == ()
    assert outcomes(again) == [("succeeded", "")]


CYCLES = {
    "generator": """
    import boto3
    def put(item_id):
        boto3.client("dynamodb").put_item(TableName="keys", Item={"id": {"S": item_id}})
    def steps(me):
        try:
            yield
        finally:
            put("late")
    def handler(event, context):
        me = []
        me.append(steps(me))
        next(me[0])
        put("first")
    """,
    "finalizer": """
    import boto3
    client = boto3.client("dynamodb")
    def put(item_id):
        client.put_item(TableName="keys", Item={"id": {"S": item_id}})
    class Finalized:
        def __del__(self):
            put("late")
    def handler(event, context):
        kept = Finalized()
        kept.me = kept
        put("first")
    """,
}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("mocked", [False, True], ids=["outside", "in mock_aws"])
@pytest.mark.parametrize("source", CYCLES.values(), ids=CYCLES)
def test_what_is_freed_after_the_run_calls_nobody(
    rig: Any, items: Any, tmp_path: Path, source: str, mocked: bool
) -> None:
    """Not the network, and not the moto of a tester's own either."""
    outside: list[Any] = []
    stack = rig.with_files(tmp_path, app=source)
    gc.disable()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("socket.socket.connect", lambda *arguments: outside.append(arguments))
            played = stack.play("Worker: dynamodb.PutItem #1: crash-after", redrives=())
            assert ids(items, played) == ["first"]
            del stack, played
            if not mocked:
                gc.collect()
            with mock_aws():
                tester = boto3.client("dynamodb", region_name="us-east-1")
                tester.create_table(
                    TableName="keys",
                    KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                    AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                    BillingMode="PAY_PER_REQUEST",
                )
                gc.collect()
                assert tester.scan(TableName="keys")["Items"] == []
    finally:
        gc.enable()
    assert outside == []


@pytest.mark.parametrize("late", [by_trying_for_ever, by_sleeping_for_ever])
def test_what_goes_on_whatever_is_raised_is_left_behind(
    rig: Any, late: Callable[[Any, Any], None]
) -> None:
    before = len(run_module._graveyard)
    fault = "Worker: dynamodb.PutItem #1: crash-after for 1000000 s"
    rig.with_handlers(Worker=late).play(fault, redrives=())
    assert len(run_module._graveyard) > before
    assert outcomes(rig.play()) == [("succeeded", "")]


def test_what_ends_properly_is_not_kept(rig: Any) -> None:
    before = len(run_module._graveyard)
    for late in (by_except, by_finally, by_generator, by_coroutine):
        rig.with_handlers(Worker=late).play("Worker: dynamodb.PutItem #1: crash-after")
    assert len(run_module._graveyard) == before


def test_a_run_that_is_stopped_writes_no_more_history(rig: Any) -> None:
    def worker(event: Any, context: Any) -> None:
        try:
            put("first")
            time.sleep(10)
        except BaseException:
            raise ValueError("late") from None

    simulation: Simulation = rig.with_handlers(Worker=worker).simulation()
    with simulation.running():
        simulation.begin()
        simulation.send(simulation.schedule.workload[0])
        assert not simulation.settle(1000)
        before = list(simulation.history)
    assert simulation.history == before
    assert simulation.errors == []


def test_a_loop_of_a_testers_own_goes_on(rig: Any) -> None:
    """pytest-asyncio's tests run inside a loop, and so may a run; its handlers have their own."""

    def worker(event: Any, context: Any) -> None:
        async def work() -> None:
            put("first")
            await asyncio.sleep(100)

        asyncio.run(work())

    async def test() -> str:
        loop = asyncio.get_running_loop()
        rig.with_handlers(Worker=worker).play("Worker: dynamodb.PutItem #1: crash-after")
        assert asyncio.get_running_loop() is loop
        await asyncio.sleep(0)
        return "done"

    assert asyncio.run(test()) == "done"


def test_an_interpreter_ends_with_what_was_left_behind(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            import greenlet, sys
            from pytest_storagefirst.simulation import run

            def stubborn():
                while True:
                    try:
                        hub.switch()
                        print("ran again")
                    except BaseException:
                        pass

            hub = greenlet.getcurrent()
            left = greenlet.greenlet(stubborn)
            left.switch()
            run._graveyard.append(left)
            print("end")
            """
        )
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "end\n"), done.stderr


# -- what an environment keeps ----------------------------------------------------------------

NUMBER: contextvars.ContextVar[int] = contextvars.ContextVar("NUMBER", default=0)


def test_context_variables_last_as_long_as_the_environment(rig: Any) -> None:
    seen: list[tuple[int, int]] = []

    def worker(event: Any, context: Any) -> None:
        seen.append((NUMBER.get(), decimal.getcontext().prec))
        NUMBER.set(NUMBER.get() + 1)
        decimal.getcontext().prec = 5

    stack = rig.with_handlers(Worker=worker)
    stack.play("Worker: invocation #3: recycled", messages=3, batch_limit=1)
    assert seen == [(0, 28), (1, 5), (0, 28)]
    assert NUMBER.get() == 0
    assert decimal.getcontext().prec == 28


def test_too_many_events_end_the_run(rig: Any) -> None:
    def worker(event: Any, context: Any) -> None:
        boto3.client("sqs").send_message(
            QueueUrl="https://sqs.us-east-1.amazonaws.com/123456789012/work", MessageBody="on"
        )

    played = rig.with_handlers(Worker=worker).play()
    assert not played.observation.quiet
    assert "it did more than" in played.observation.why_not_quiet


def test_a_handler_that_calls_for_ever_ends_the_run(rig: Any, kinds: Any) -> None:
    def worker(event: Any, context: Any) -> None:
        while True:
            put("x")

    stack = rig.with_handlers(Worker=worker).with_function("Worker", timeout_seconds=900)
    played = stack.play()
    assert not played.observation.quiet
    assert "it did more than" in played.observation.why_not_quiet
    assert kinds(played).count("delivered") == 1
    assert len(played.observation.history) < 3_000
