"""A breaker is read from [circuit], or found by what an outage leaves; what is tried with one."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from pytest_storagefirst.errors import SettingsError
from pytest_storagefirst.explore import breakers
from pytest_storagefirst.explore.exploration import explore
from pytest_storagefirst.explore.judge import Judge
from pytest_storagefirst.explore.prepare import prepare
from pytest_storagefirst.explore.standing import standing
from pytest_storagefirst.explore.workload import plain
from pytest_storagefirst.ledger.circuit import CLOSED, HALF_OPEN, OPEN
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.settings_file import load_settings
from pytest_storagefirst.simulation.playing import play
from pytest_storagefirst.simulation.schedule import Schedule
from pytest_storagefirst.stack.breaker import Breaker, named_breaker, spelt

ZOO = Path(__file__).parents[2] / "zoo"
SOUND = ZOO / "breaker-only-logged" / "sound" / "template.yaml"


@pytest.fixture(scope="module")
def judge():
    return standing(SOUND).judge


def baseline(judge):
    messages = plain(judge.deployed.entries, 3)
    return messages, judge.play(Schedule(messages)).counts


def test_it_is_found_without_being_named(judge):
    messages, counts = baseline(judge)
    unnamed = Judge(replace(judge.deployed, breaker=None))
    found = breakers.find(unnamed, messages, counts)
    assert found is not None
    assert (found.kind, found.place, found.attribute) == ("table", "Circuit", "state")
    assert found.key == {"name": "downstream"}


def test_what_is_found_by_itself_is_judged_alike(tmp_path):
    for file in (ZOO / "breaker-acknowledges-while-open" / "defective").iterdir():
        text = file.read_text(encoding="utf-8")
        (tmp_path / file.name).write_text(text.partition("[circuit]")[0], encoding="utf-8")
    template = tmp_path / "template.yaml"
    result = explore(template, replace(load_settings(template), budget_seconds=0))
    (circuit,) = [one for one in result.properties if one.name == "circuit"]
    assert circuit.verdict == "violated"
    assert "circuit: its state is in Circuit, attribute state" in result.notes


SHOP = """
import json, os, urllib.request, boto3
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])
shop = boto3.resource("dynamodb").Table(os.environ["CIRCUIT_TABLE_NAME"])

def handler(event, context):
    for record in event["Records"]:
        order = json.loads(record["body"])["id"]
        request = urllib.request.Request(os.environ["DOWNSTREAM_URL"], order.encode())
        urllib.request.urlopen(request, timeout=5).read()
        shop.put_item(Item={"name": "shop", "state": "open"})
        table.put_item(Item={"id": order})
"""


def test_a_shop_that_is_open_is_no_circuit(tmp_path):
    for file in SOUND.parent.iterdir():
        text = SHOP if file.suffix == ".py" else file.read_text(encoding="utf-8")
        (tmp_path / file.name).write_text(text.partition("[circuit]")[0], encoding="utf-8")
    judge = standing(tmp_path / "template.yaml").judge
    messages, counts = baseline(judge)
    assert breakers.find(judge, messages, counts) is None


def test_without_a_third_party_nothing_breaks(judge):
    messages, _ = baseline(judge)
    assert breakers.find(judge, messages, {("Worker", "dynamodb.PutItem"): 3}) is None


def test_a_state_is_known_however_it_is_written():
    assert [spelt(word) for word in ("closed", "Half-Open", "HALF_OPEN", "Open", "ajar")] == [
        *(CLOSED, HALF_OPEN, HALF_OPEN, OPEN),
        None,
    ]
    breaker = Breaker("table", "Circuit", "circuit", words={OPEN: True, CLOSED: False})
    assert [breaker.state_of(word) for word in (True, False, None)] == [OPEN, CLOSED, CLOSED]


@pytest.mark.parametrize(
    ("circuit", "texts"),
    [
        ({"table": "Circuits"}, ["no such table", "Circuits", 'write "Circuit"']),
        ({"mapping": "FromQueue"}, ["no such mapping", "WorkerFromQueue"]),
        ({"state": "state"}, ["kept in one place", "table, parameter, mapping"]),
        ({"table": "Circuit", "mapping": "x"}, ["kept in one place", "table and mapping"]),
    ],
)
def test_what_the_stack_lacks_is_refused(judge, circuit, texts):
    with pytest.raises(SettingsError) as raised:
        named_breaker(Settings(circuit=circuit), judge.deployed.topology)
    for text in texts:
        assert text in str(raised.value)


def test_what_is_named_is_read(judge):
    told = {
        "table": "Circuit",
        "key": {"name": "downstream"},
        "open": "AUF",
        "threshold": 3,
        "recovery_seconds": 1.5,
        "successes": 2,
    }
    found = named_breaker(Settings(circuit=told), judge.deployed.topology)
    assert found is not None
    assert (found.threshold, found.recovery_ms, found.successes) == (3, 1500, 2)
    assert found.state_of("AUF") == OPEN


def test_a_state_is_read_alike_in_a_run_and_in_a_deployment():
    breaker = Breaker("table", "C", "c", attribute="gate.mode", words={OPEN: 1})
    assert breaker.state_of(breaker.word_in({"gate": {"mode": Decimal(1)}})) == OPEN
    assert breaker.word_in({"gate.mode": 2}) == 2
    assert breaker.word_in({"gate": "shut"}) is None


def test_it_guards_the_calls_below_its_url(judge):
    told = {"table": "Circuit", "url": "https://mail.example"}
    found = named_breaker(Settings(circuit=told), judge.deployed.topology)
    assert found.guards("https://mail.example/send")
    assert not found.guards("https://geo.example/")
    assert named_breaker(Settings(circuit={"table": "Circuit"}), judge.deployed.topology).guards(
        "x"
    )


def test_bookkeeping_is_no_effect_and_has_to_be_there(judge):
    messages, _ = baseline(judge)
    for bookkeeping, places in (((), {"Table"}), (("Table",), set())):
        deployed = prepare(SOUND, replace(load_settings(SOUND), bookkeeping=bookkeeping)).deployed
        effects = play(deployed, Schedule(messages)).observation.effects
        assert {one.place for one in effects if one.kind == "item"} == places
    with pytest.raises(SettingsError, match="no such table"):
        prepare(SOUND, Settings(bookkeeping=("Tables",)))


def test_an_outage_is_tried_with_a_fault_round_each_change(judge):
    messages, counts = baseline(judge)
    tried = dict(breakers.schedules(judge, messages, counts))
    alone = [one for one in tried.values() if len(one.plan) == 1]
    assert {fault.kind for one in alone for fault in one.plan} >= {"http-500", "brownout"}
    assert all(one.late and one.plan[0].for_ms for one in tried.values())
    second = {one.plan[1].point for one in tried.values() if len(one.plan) == 2}
    assert {"dynamodb.UpdateItem", "dynamodb.GetItem"} <= second
    assert any(point.startswith("http POST") for point in second)  # the probe's own call


@pytest.mark.parametrize(
    ("threshold", "verdict", "why"),
    [
        ("", "violated", "failed calls in a row"),
        ("threshold = 9000\n", "unknown", "the circuit stayed closed in any run"),
    ],
)
def test_a_breaker_that_nothing_opens_is_never_ok(tmp_path, threshold, verdict, why):
    for file in SOUND.parent.iterdir():
        text = file.read_text(encoding="utf-8").replace("THRESHOLD = 3", "THRESHOLD = 3000")
        (tmp_path / file.name).write_text(text, encoding="utf-8")
    with (tmp_path / "storagefirst.toml").open("a", encoding="utf-8") as toml:
        toml.write(threshold)
    template = tmp_path / "template.yaml"
    settings = replace(load_settings(template), budget_seconds=0, properties=("circuit",))
    result = explore(template, settings)
    (circuit,) = result.properties
    assert circuit.verdict == verdict
    assert why in circuit.why
    assert result.coverage.sometimes["open breaker"] == 0
