"""A run as a whole: deliveries, healing, going on in steps, and the same history every time."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_storagefirst.faults import catalogue
from pytest_storagefirst.faults.plan import Fault, parse_plan
from pytest_storagefirst.ledger.events import to_bytes
from pytest_storagefirst.simulation import run as run_module
from pytest_storagefirst.simulation.playing import play
from pytest_storagefirst.simulation.schedule import Schedule, Send


def put(item_id: str) -> None:
    boto3.client("dynamodb").put_item(TableName="keys", Item={"id": {"S": item_id}})


# -- faults of a delivery ---------------------------------------------------------------------


class Deliveries:
    """Notes what each invocation was given, and when."""

    def __init__(self, act: Callable[[], None] = lambda: None) -> None:
        self.act = act
        self.seen: list[list[tuple[str, str]]] = []
        self.at: list[float] = []

    def __call__(self, event: Any, context: Any) -> None:
        records = event["Records"]
        self.seen.append(
            [
                (json.loads(one["body"])["id"][:2], one["attributes"]["ApproximateReceiveCount"])
                for one in records
            ]
        )
        self.at.append(time.time())
        self.act()


def test_a_duplicate_is_delivered_after_its_success(rig: Any) -> None:
    worker = Deliveries()
    rig.with_handlers(Worker=worker).play("Queue: delivery #1: duplicate")
    assert [[name for name, _ in batch] for batch in worker.seen] == [["m1"], ["m1"]]


def test_reordered_comes_after_later_ones(rig: Any) -> None:
    worker = Deliveries()
    rig.with_handlers(Worker=worker).play(
        "Queue: delivery #1: reordered", messages=2, batch_limit=1
    )
    assert [batch[0][0] for batch in worker.seen] == ["m2", "m1"]


def test_delayed_comes_much_later(rig: Any) -> None:
    worker = Deliveries()
    rig.with_handlers(Worker=worker).play("Queue: delivery #1: delayed")
    [at] = worker.at
    assert at - 1_767_225_600 > 600


def test_visibility_expired_delivers_while_the_first_is_at_work(rig: Any) -> None:
    under_way: list[int] = []
    most: list[int] = []

    def act() -> None:
        under_way.append(1)
        most.append(len(under_way))
        time.sleep(1)
        under_way.pop()

    worker = Deliveries(act)
    rig.with_handlers(Worker=worker).play("Queue: delivery #1: visibility-expired")
    assert worker.seen == [[("m1", "1")], [("m1", "2")]]
    assert max(most) == 2


def test_a_lost_ack_brings_the_message_back(rig: Any) -> None:
    worker = Deliveries()
    rig.with_handlers(Worker=worker).play("Queue: delivery #1: ack-lost")
    assert worker.seen == [[("m1", "1")], [("m1", "2")]]


@pytest.mark.parametrize("kind", ["duplicate", "reordered"])
def test_a_fifo_queue_does_neither_double_nor_reorder(rig: Any, kind: str) -> None:
    worker = Deliveries()
    played = rig.with_handlers(Liner=worker).play(
        f"Lines: delivery #1: {kind}", entry="Lines", messages=2
    )
    assert played.observation.faults_fired == ()
    assert [name for batch in worker.seen for name, _ in batch] == ["m1", "m2"]


def test_every_kind_of_the_catalogue_is_told_when_it_strikes(rig: Any) -> None:
    """Each kind at each sort of point that it names: it fires, and history says so."""

    def worker(event: Any, context: Any) -> None:
        client = boto3.client("dynamodb")
        requests_ = {"keys": [{"PutRequest": {"Item": {"id": {"S": name}}}} for name in "ab"]}
        client.batch_write_item(RequestItems=requests_)
        client.get_item(TableName="keys", Key={"id": {"S": "a"}})
        requests.post("https://pay.example/charge", json={}, timeout=5)
        client.transact_get_items(
            TransactItems=[{"Get": {"TableName": "keys", "Key": {"id": {"S": "a"}}}}]
        )

    stack = rig.with_handlers(Worker=worker)
    points = {
        catalogue.CALL: ("Worker", "dynamodb.BatchWriteItem"),
        catalogue.HTTP: ("Worker", "http POST https://pay.example/charge"),
        catalogue.INVOCATION: ("Worker", "invocation"),
        catalogue.DELIVERY: ("Queue", "delivery"),
        catalogue.REQUEST: ("Queue", "request"),
    }
    for kind in catalogue.KINDS.values():
        for sort in kind.strikes:
            place, point = points[sort]
            if kind.name in catalogue.NEVER_A_QUEUES:
                continue  # tests/unit/simulation/routing
            if kind.name == "flag-flipped":
                continue  # this stack has none: tests/unit/explore/test_changes.py
            if kind.name == "circuit-lost":
                continue  # nor has it a breaker: test_circuits.py
            if kind.name == "stale":
                point = "dynamodb.GetItem"
            if kind.name == "conflict":
                point = "dynamodb.TransactGetItems"
            for variant in kind.variants or ("",):
                fault = Fault(place, point, 1, kind.name, variant)
                played = stack.play(str(fault))
                assert played.observation.faults_fired == (str(fault),)
                told = [e.detail for e in played.observation.history if e.kind == "faulted"]
                assert told == [str(fault)]


# -- injecting, healing, going on -------------------------------------------------------------


class Stepwise(run_module.Simulation):
    """As a test drives it: what is under way between two steps waits."""

    ending = False

    def _close(self) -> None:
        if self.ending:
            super()._close()

    def end(self) -> None:
        self.ending = True
        with self.running():
            pass


def stepwise(rig: Any, *faults: str) -> Stepwise:
    simulation = Stepwise(rig.deployed, Schedule((), parse_plan(faults)))
    with simulation.running():
        simulation.begin()
    return simulation


def test_a_run_goes_on_where_it_was(rig: Any) -> None:
    seen: list[Any] = []

    def worker(event: Any, context: Any) -> None:
        for _ in range(3):
            seen.append((time.time(), random.random(), uuid.uuid4().hex))
            time.sleep(10)
        put("done")

    stack = rig.with_handlers(Worker=worker).with_function("Worker", timeout_seconds=100)
    simulation = stepwise(stack)
    with simulation.running():
        simulation.send(Send("m1", "Queue", {"id": "{unique}"}))
    for _ in range(4):
        before = time.time()
        with simulation.running():
            simulation.settle(9_000)
        assert abs(time.time() - before) < 600
    with simulation.running():
        assert simulation.settle(100_000)
        observed = simulation.observe()
    simulation.end()
    assert [effect.value for effect in observed.effects] == [{"id": {"S": "done"}}]
    assert [round(at - seen[0][0]) for at, _, _ in seen] == [0, 10, 20]
    for column in (1, 2):
        assert len({row[column] for row in seen}) == 3


def test_what_is_under_way_at_the_end_is_ended(rig: Any) -> None:
    late: list[str] = []

    def worker(event: Any, context: Any) -> None:
        try:
            time.sleep(100)
        finally:
            late.append("ended")
            put("late")

    simulation = stepwise(
        rig.with_handlers(Worker=worker).with_function("Worker", timeout_seconds=500)
    )
    with simulation.running():
        simulation.send(Send("m1", "Queue", {"id": "{unique}"}))
        assert not simulation.settle(5_000)
    assert late == []
    simulation.end()
    assert late == ["ended"]
    with simulation.running():
        assert simulation.observe().effects == ()


def test_faults_injected_in_a_run_count_from_then_on(rig: Any, items: Any) -> None:
    def worker(event: Any, context: Any) -> None:
        put(json.loads(event["Records"][0]["body"])["id"][:2])

    simulation = stepwise(rig.with_handlers(Worker=worker))

    def send(message: str) -> None:
        with simulation.running():
            simulation.send(Send(message, "Queue", {"id": "{unique}"}))
            simulation.settle(100_000)

    send("m1")
    with simulation.running():
        simulation.inject(parse_plan(["Worker: dynamodb.PutItem #1: crash-before"]))
    send("m2")
    with simulation.running():
        simulation.heal()
        simulation.inject(parse_plan(["Worker: dynamodb.PutItem #1: crash-after"]))
    send("m3")
    simulation.end()
    faulted = [event.messages for event in simulation.history if event.kind == "faulted"]
    assert faulted == [("m2",), ("m3",)]
    assert sum(event.kind == "healed" for event in simulation.history) == 1


def test_healing_ends_an_outage(rig: Any, items: Any) -> None:
    stack = rig.with_handlers(Worker=lambda event, context: put("x"))
    played = stack.play("Worker: dynamodb.PutItem #1: crash-before for 100000 s")
    kinds = [event.kind for event in played.observation.history]
    assert kinds.index("dead-lettered") < kinds.index("healed") < kinds.index("redriven")
    assert items(played) == [{"id": {"S": "x"}}]


def test_a_fault_that_waits_keeps_the_run_under_faults(rig: Any) -> None:
    """One has ended by time; the other has not begun, and work is still going on."""

    def worker(event: Any, context: Any) -> None:
        time.sleep(5)
        put("x")

    played = rig.with_handlers(Worker=worker).play(
        "Queue: delivery #1: ack-lost for 1 s", "Worker: dynamodb.PutItem #2: crash-after"
    )
    assert len(played.observation.faults_fired) == 2


def test_a_fault_that_finds_nothing_is_told_as_not_fired(rig: Any) -> None:
    played = rig.play("Worker: dynamodb.PutItem #1: refused")
    assert played.observation.faults_required == ("Worker: dynamodb.PutItem #1: refused",)
    assert played.observation.faults_fired == ()
    assert played.observation.quiet


def test_a_loop_that_never_ends_is_stopped(rig: Any) -> None:
    def worker(event: Any, context: Any) -> None:
        queue = "https://sqs.us-east-1.amazonaws.com/123456789012/work"
        boto3.client("sqs").send_message(QueueUrl=queue, MessageBody="on and on")

    played = rig.with_handlers(Worker=worker).play()
    assert not played.observation.quiet
    assert played.observation.why_not_quiet


# -- the same history, byte for byte ----------------------------------------------------------

BUSY = """
import json, os, random, secrets, time, uuid
import boto3
import requests

table = boto3.resource("dynamodb").Table("things")
sqs = boto3.client("sqs")
ASIDE = "https://sqs.us-east-1.amazonaws.com/123456789012/aside"
seen = {}

def work(record):
    order = json.loads(record["body"])["id"]
    seen[order] = seen.get(order, 0) + 1
    table.put_item(Item={"id": order, "at": seen[order], "when": str(time.time()),
                         "random": str(random.random()), "uuid": uuid.uuid4().hex,
                         "secret": secrets.token_hex(4), "pid": os.getpid()})
    if random.random() < 0.5:
        time.sleep(random.random())
    requests.post("https://pay.example/charge", json={"order": order}, timeout=3)
    sqs.send_message(QueueUrl=ASIDE, MessageBody=order)
    answer = boto3.client("lambda").invoke(FunctionName="callee", Payload=json.dumps({"id": order}))
    if "FunctionError" in answer:
        raise RuntimeError(answer["Payload"].read().decode())
    boto3.client("sns").publish(TopicArn="arn:aws:sns:us-east-1:123456789012:news", Message=order)

def handler(event, context):
    failed = []
    for record in event["Records"]:
        try:
            work(record)
        except Exception:
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
"""
CALLEE = """
import boto3
keys = boto3.resource("dynamodb").Table("keys")
def handler(event, context):
    keys.update_item(Key={"id": "total"}, UpdateExpression="ADD n :one",
                     ExpressionAttributeValues={":one": 1})
    return {"remaining": context.get_remaining_time_in_millis(), "id": context.aws_request_id}
"""
LINER = """
import json
import boto3
table = boto3.resource("dynamodb").Table("things")
def handler(event, context):
    for record in event["Records"]:
        order = json.loads(record["body"])["id"]
        item = table.get_item(Key={"id": "last", "at": 0}).get("Item", {})
        table.put_item(Item={"id": "last", "at": 0, "order": order,
                             "before": item.get("order", ""), "count": item.get("count", 0) + 1})
"""

POINTS = {
    "Queue": [
        ("Worker", "dynamodb.PutItem"),
        ("Worker", "http POST https://pay.example/charge"),
        ("Worker", "sqs.SendMessage"),
        ("Worker", "lambda.Invoke"),
        ("Worker", "sns.Publish"),
        ("Worker", "invocation"),
        ("Callee", "dynamodb.UpdateItem"),
        ("Callee", "invocation"),
        ("Queue", "delivery"),
        ("Queue", "request"),
    ],
    "Lines": [
        ("Liner", "dynamodb.PutItem"),
        ("Liner", "dynamodb.GetItem"),
        ("Liner", "invocation"),
        ("Lines", "delivery"),
        ("Lines", "request"),
    ],
}


def busy(rig: Any, folder: Path) -> Any:
    stack = rig.with_files(folder / "worker", app=BUSY)
    for name, source in (("Callee", CALLEE), ("Liner", LINER)):
        made = rig.with_files(folder / name, app=source).deployed.code["Worker"]
        stack = stack.with_code(**{name: type(made)(name, "app.handler", search=made.search)})
    return stack


@st.composite
def faults(draw: st.DrawFn, entry: str) -> Fault:
    place, point = draw(st.sampled_from(POINTS[entry]))
    sort = catalogue.sort_of_point(point)
    kind = draw(st.sampled_from([k for k in catalogue.KINDS.values() if sort in k.strikes]))
    extent = draw(st.sampled_from([{}, {"times": 3}, {"for_ms": 90_000}]))
    return Fault(
        place,
        point,
        draw(st.integers(1, 4)),
        kind.name,
        draw(st.sampled_from(kind.variants or ("",))),
        draw(st.sampled_from(["", "", "m1", "m2"])),
        **extent,
    )


@st.composite
def schedules(draw: st.DrawFn, entry: str) -> Schedule:
    count = draw(st.integers(1, 3))
    return Schedule(
        tuple(Send(f"m{n}", entry, {"id": "{unique}"}) for n in range(1, count + 1)),
        plan=tuple(draw(st.lists(faults(entry), max_size=3))),
        choices=tuple(draw(st.lists(st.integers(0, 3), max_size=6))),
        seed=draw(st.integers(0, 3)),
        concurrency=draw(st.sampled_from([1, 2, 5])),
        batch_limit=draw(st.sampled_from([0, 1, 2])),
        one_by_one=draw(st.booleans()),
        redrives=draw(st.sampled_from([(), ("after",), ("during", "after"), ("after", "after")])),
    )


def everything_of(played: Any) -> tuple[Any, ...]:
    seen = played.observation
    return (
        to_bytes(seen.history),
        seen.effects,
        seen.held,
        seen.quiet,
        sorted(seen.names.items()),
        sorted(played.counts.items()),
        played.choices_offered,
        played.printed,
    )


@pytest.mark.parametrize("entry", ["Queue", "Lines"])
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_same_schedule_gives_the_same_run(
    rig: Any, tmp_path_factory: Any, entry: str, data: st.DataObject
) -> None:
    """Whatever was run in between, in the same process."""
    stack = _busy_once(rig, tmp_path_factory)
    schedule = data.draw(schedules(entry))
    first = everything_of(play(stack.deployed, schedule))
    play(stack.deployed, data.draw(schedules("Queue")))
    assert everything_of(play(stack.deployed, schedule)) == first
    assert Schedule.from_json(json.loads(json.dumps(schedule.to_json()))) == schedule


_made: dict[int, Any] = {}


def _busy_once(rig: Any, tmp_path_factory: Any) -> Any:
    world = id(rig.deployed.world)
    if world not in _made:
        _made[world] = busy(rig, tmp_path_factory.mktemp("busy"))
    return _made[world]


SCRIPT = """
import hashlib, importlib.util, json, pathlib, sys
from pytest_storagefirst.ledger.events import to_bytes
from pytest_storagefirst.simulation.playing import play

def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module

here, folder = map(pathlib.Path, sys.argv[1:3])
conftest = load("the_conftest", here / "conftest.py")
folder.mkdir(parents=True, exist_ok=True)
(folder / "template.yaml").write_text(conftest.TEMPLATE)
prepared = conftest.prepare(folder / "template.yaml", conftest.Settings(
    entries=(conftest.Entry("queue", "Queue"), conftest.Entry("queue", "Lines"))))
sources = json.load(sys.stdin)
rig = conftest.Rig(prepared.deployed)
code = {name: conftest.code_in(folder / name, name, app=text)
        for name, text in sources["code"].items()}
stack = rig.with_code(**code)
for document in sources["schedules"]:
    schedule = conftest.Schedule.from_json(document)
    played = play(stack.deployed, schedule)
    effects = repr([(e.kind, e.place, e.key, e.value) for e in played.observation.effects])
    print(hashlib.sha256(to_bytes(played.observation.history)).hexdigest(),
          hashlib.sha256(effects.encode()).hexdigest())
"""


@cache
def _fixed_schedules() -> list[dict[str, Any]]:
    texts = [
        (),
        ("Worker: dynamodb.PutItem #2: response-lost",),
        ("Worker: sns.Publish #1: refused(throttle) 3 times",),
        ("Worker: http POST https://pay.example/charge #1: outage for 90 s",),
        ("Worker: invocation #1: timeout", "Queue: delivery #2: duplicate"),
        ("Callee: dynamodb.UpdateItem #1: crash-after 2 times",),
        ("Queue: delivery #1: visibility-expired",),
    ]
    made = []
    for number, plan in enumerate(texts):
        for entry in ("Queue", "Lines"):
            schedule = Schedule(
                tuple(Send(f"m{n}", entry, {"id": "{unique}"}) for n in (1, 2, 3)),
                parse_plan(plan),
                choices=(1, 0, 2, 1),
                seed=number,
                concurrency=3,
                batch_limit=1 + number % 2,
            )
            made.append(schedule.to_json())
    return made


def told_by(executable: str, folder: Path, **environment: str) -> str:
    sources = {"code": {"Worker": BUSY, "Callee": CALLEE, "Liner": LINER},
               "schedules": _fixed_schedules()}  # fmt: skip
    done = subprocess.run(
        [executable, "-c", SCRIPT, str(Path(__file__).parent), str(folder)],
        input=json.dumps(sources), capture_output=True, text=True, check=False, timeout=300,
        env={"PYTHONPATH": str(Path(run_module.__file__).parents[2]), "PATH": os.environ["PATH"],
             **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def told_here(tmp_path_factory: pytest.TempPathFactory) -> str:
    return told_by(sys.executable, tmp_path_factory.mktemp("here"), PYTHONHASHSEED="0")


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONHASHSEED": "1"},
        {"PYTHONHASHSEED": "random", "TZ": "Asia/Tokyo", "LANG": "de_DE.UTF-8", "LC_ALL": "C"},
        {"PYTHONHASHSEED": "random", "PYTHONOPTIMIZE": "1", "AWS_PROFILE": "nowhere", "HOME": "/"},
    ],
    ids=["hash seed 1", "zone and locale", "optimized"],
)
def test_another_process_tells_the_same(
    told_here: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    assert told_by(sys.executable, tmp_path, **environment) == told_here
    assert len(set(told_here.splitlines())) == len(_fixed_schedules())


def test_xdist_workers_tell_the_same(told_here: str, tmp_path: Path) -> None:
    pytest.importorskip("xdist")
    here = Path(__file__).parent
    (tmp_path / "test_it.py").write_text(
        textwrap.dedent(
            f"""
            import pathlib, subprocess, sys, json, io, contextlib
            import pytest

            SCRIPT = {SCRIPT!r}

            @pytest.mark.parametrize("number", [1, 2, 3, 4])
            def test_it(number, tmp_path, monkeypatch):
                sources = pathlib.Path({str(tmp_path)!r}, "sources.json").read_text()
                monkeypatch.setattr(sys, "argv", ["x", {str(here)!r}, str(tmp_path)])
                monkeypatch.setattr(sys, "stdin", io.StringIO(sources))
                out = io.StringIO()
                with contextlib.redirect_stdout(out):
                    exec(compile(SCRIPT, "script", "exec"), {{"__name__": "script"}})
                expected = pathlib.Path({str(tmp_path)!r}, "expected.txt").read_text()
                assert out.getvalue() == expected
            """
        )
    )
    sources = {"code": {"Worker": BUSY, "Callee": CALLEE, "Liner": LINER},
               "schedules": _fixed_schedules()}  # fmt: skip
    (tmp_path / "sources.json").write_text(json.dumps(sources))
    (tmp_path / "expected.txt").write_text(told_here)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n2", "-p", "no:cacheprovider",
         "-p", "no:storagefirst", "--rootdir", str(tmp_path), str(tmp_path)],
        capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(run_module.__file__).parents[2])},
    )  # fmt: skip
    assert "4 passed" in done.stdout, done.stdout


def test_another_seed_and_another_clock_tell_another_story(rig: Any, tmp_path: Path) -> None:
    stack = busy(rig, tmp_path)
    schedule = stack.schedule(messages=2)
    one = everything_of(play(stack.deployed, schedule))
    other_seed = everything_of(play(stack.deployed, stack.schedule(messages=2, seed=1)))
    other_clock = everything_of(play(stack.deployed, schedule, run_module.EPOCH_MS + 86_400_000))
    assert one[1] != other_seed[1]
    assert one[1] != other_clock[1]
