"""storagefirst.toml and [tool.storagefirst]: what they mean, and what each mistake is told."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from pytest_storagefirst.errors import SettingsError
from pytest_storagefirst.settings import Downstream, Entry, Reply, Settings
from pytest_storagefirst.settings_file import load_settings

DESIGNED = """\
parameters = { Stage = "test", Count = 3, Flag = true, Zones = ["a", "b"] }
imports = { "network-VpcId" = "vpc-1" }
properties = ["drains", "no-message-loss"]

[[entry]]
route = "POST /orders"
body = { orderId = "{unique}", lines = [{ sku = "x", amount = 12 }] }

[[entry]]
queue = "OrdersQueue"
strategy = "tests.strategies:orders"
attributes = { kind = "order", weight = 3 }
group = "{unique}"

[[downstream]]
url = "https://payments.example/charge"
method = "post"
idempotency = "chargeId"
reply = { status = 201, json = { ok = true }, headers = { x-a = "b" } }

[[downstream]]
url = "https://mail.example"

[functions.Worker]
handler = "tests.doubles:worker"

[circuit]
table = "CircuitTable"
key = { id = "payments" }
half_open = "HALF_OPEN"
"""


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def load(text: str, name: str = "storagefirst.toml") -> Settings:
        Path(name).write_text(text, encoding="utf-8")
        return load_settings(tmp_path / "template.yaml")

    return load


def test_all_that_the_design_shows(load):
    settings = load(DESIGNED)

    assert settings.parameters == {"Stage": "test", "Count": "3", "Flag": "true", "Zones": "a,b"}
    assert settings.imports == {"network-VpcId": "vpc-1"}
    assert settings.properties == ("no-message-loss", "drains")
    assert settings.entries == (
        Entry(
            kind="route",
            name="POST /orders",
            body={"orderId": "{unique}", "lines": [{"sku": "x", "amount": 12}]},
            where="storagefirst.toml:5",
        ),
        Entry(
            kind="queue",
            name="OrdersQueue",
            strategy="tests.strategies:orders",
            attributes={"kind": "order", "weight": 3},
            group="{unique}",
            where="storagefirst.toml:9",
        ),
    )
    assert settings.downstreams == (
        Downstream(
            url="https://payments.example/charge",
            method="POST",
            reply=Reply(status=201, json={"ok": True}, headers={"x-a": "b"}),
            idempotency="chargeId",
            where="storagefirst.toml:15",
        ),
        Downstream(url="https://mail.example", where="storagefirst.toml:21"),
    )
    assert settings.functions == {"Worker": "tests.doubles:worker"}
    assert settings.circuit == {
        "table": "CircuitTable",
        "key": {"id": "payments"},
        "half_open": "HALF_OPEN",
    }
    assert settings.where("parameters.Stage") == "storagefirst.toml:1"
    assert settings.where("functions.Worker") == "storagefirst.toml:24"
    assert settings.where("parameters.Other") == ""
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_the_role_in_which_fis_acts(load):
    role = "arn:aws:iam::123456789012:role/chaos"

    assert load(f'[drills]\nfis_role = "{role}"').drills == {"fis_role": role}
    with pytest.raises(SettingsError, match="fis_role"):
        load("[drills]\nfis_role = 3")


def test_permissions_count_unless_the_file_says_otherwise(load):
    assert load("").permissions
    assert not load("permissions = false").permissions


def test_without_a_file_the_base_stands(tmp_path):
    base = Settings(seed=7)

    assert load_settings(tmp_path / "template.yaml", base) is base


def test_the_command_line_stands_under_the_file(load, tmp_path):
    load('properties = ["drains"]')

    settings = load_settings(tmp_path / "template.yaml", Settings(seed=7, shard=(1, 4)))

    assert (settings.seed, settings.shard, settings.properties) == (7, (1, 4), ("drains",))


def test_pyproject_is_read_from_above_and_the_own_file_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stack = tmp_path / "stacks" / "orders"
    stack.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "x"\n\n[[tool.storagefirst.entry]]\nqueue = "Q"\n'
    )
    (tmp_path / "stacks" / "pyproject.toml").write_text("[tool.other]\n")

    above = load_settings(stack / "template.yaml")
    (stack / "storagefirst.toml").write_text('properties = ["drains"]')
    own = load_settings(stack / "template.yaml")

    assert above.entries == (Entry("queue", "Q", where="pyproject.toml:4"),)
    assert (own.entries, own.properties) == ((), ("drains",))


def test_a_template_may_have_settings_of_its_own_name(tmp_path):
    (tmp_path / "storagefirst.toml").write_text('properties = ["drains"]')
    (tmp_path / "orders.storagefirst.toml").write_text('properties = ["circuit"]')

    assert load_settings(tmp_path / "orders.yaml").properties == ("circuit",)
    assert load_settings(tmp_path / "refunds.yaml").properties == ("drains",)


def test_what_the_cdk_wrote_is_set_above_its_folder(tmp_path):
    assembly = tmp_path / "cdk.out"
    assembly.mkdir()
    (assembly / "storagefirst.toml").write_text('properties = ["drains"]')
    (tmp_path / "Orders.storagefirst.toml").write_text('properties = ["circuit"]')

    before = load_settings(assembly / "Orders.template.json")
    (assembly / "cdk.out").write_text('{"version": "55.0.0"}')
    marked = load_settings(assembly / "Orders.template.json")

    assert (before.properties, marked.properties) == (("drains",), ("circuit",))


@pytest.mark.parametrize(
    ("text", "line", "found", "says"),
    [
        ("parameter = {}", 1, "parameter", 'write "parameters"'),
        ("\n\nproperties = [\n 'drains',\n 'drain']", 5, '"drain"', 'write "drains"'),
        ("properties = []", 1, "[]", "one or more of no-message-loss"),
        ("properties = 'drains'", 1, "'drains'", "one or more of no-message-loss"),
        ("parameters = 3", 1, "3", "a table"),
        ("[parameters]\nA = { b = 1 }", 2, "{'b': 1}", "a text, a number"),
        ("[imports]\nA = 1", 2, "1", "a text that is not empty"),
        ("[entry]\nqueue = 'Q'", 1, "{'queue': 'Q'}", "written [[entry]]"),
        ("[[entry]]\nbody = {}", 1, "none", "exactly one of route, queue"),
        ("[[entry]]\nqueue = 'Q'\nroute = 'GET /'", 1, "route and queue", "exactly one of"),
        ("[[entry]]\nqueue = 'Q'\n[[entry]]\nqueue = 'R'\nboddy = {}", 5, "boddy", 'write "body"'),
        ("[[entry]]\nroute = 'orders here'", 2, "'orders here'", 'write "METHOD /path"'),
        ("[[entry]]\nqueue = ''", 2, "''", "a text that is not empty"),
        ("[[entry]]\nqueue = 'Q'\nstrategy = 'orders'", 3, "'orders'", '"module:name"'),
        ("[[entry]]\nqueue = 'Q'\nbody = { at = 2026-01-01 }", 3, "datetime.date", "quote it"),
        ("[[entry]]\ntopic = 'T'\nattributes = { a = true }", 3, "True", "or a number"),
        ("[[entry]]\nbus = 'B'\nattributes = {}", 3, "{}", "none: it is for a topic or queue"),
        ("[[entry]]\nqueue = 'Q'\nkey = 'k'", 3, "'k'", "none: it is for a stream or bucket"),
        ("[[entry]]\nbucket = 'B'\nkey = 'k'", 3, "'k'", "so that no object takes another's place"),
        ("[[entry]]\nbucket = 'B'\nkey = 3", 3, "3", "a text that is not empty"),
        ("[[entry]]\nqueue = 'Q'\ngroups = 'k'", 3, "groups", 'write "group"'),
        ("[[downstream]]\nmethod = 'GET'", 1, "keys method", 'url = "https://…"'),
        ("[[downstream]]\nurl = 'payments'", 2, "'payments'", "an http:// or https:// URL"),
        ("[[downstream]]\nurl = 'http://a'\nreply = { status = 99 }", 3, "99", "100 to 599"),
        ("[[downstream]]\nurl = 'http://a'\nreply = { stat = 1 }", 3, "stat", 'write "status"'),
        (
            "[[downstream]]\nurl = 'http://a'\nreply = { json = 1, body = 'a' }",
            *(3, "{'json': 1, 'body': 'a'}", "json or body, not both"),
        ),
        ("[[downstream]]\nurl = 'http://a'\nper_second = 0", 3, "0", "at least 1"),
        ("[[downstream]]\nurl = 'http://a'\nat_once = true", 3, "True", "a whole number"),
        ("[[downstream]]\nurl = 'http://a'\nanswer_seconds = 901", 3, "901", "0 to 900"),
        ("[[downstream]]\nurl = 'http://a'\nscript = 'outage'", 3, "'outage'", "a list of steps"),
        ("[[downstream]]\nurl = 'http://a'\nscript = [3]", 3, "3", '"outage 60 s"'),
        (
            "[[downstream]]\nurl = 'http://a'\nscript = ['outtage 3 s']",
            *(3, "'outtage 3 s'", "write 'outage'"),
        ),
        (
            "[[downstream]]\nurl = 'http://a'\nscript = ['outage']",
            *(3, "'outage'", 'write for example "outage 60 s"'),
        ),
        (
            "[[downstream]]\nurl = 'http://a'\nscript = ['brownout 3 s, retry after 5 s']",
            *(3, "retry after", "leave out"),
        ),
        (
            "[[downstream]]\nurl = 'http://a'\nscript = ['healthy', 'outage 3 s']",
            *(3, "step 1 of 2: healthy", 'write for example "healthy 10 s"'),
        ),
        ("[functions.Worker]\nhandle = 'a:b'", 2, "handle", 'write "handler"'),
        ("[functions.Worker]", 1, "no handler", 'handler = "module:function"'),
        ("[functions.Worker]\nhandler = 'worker'", 2, "'worker'", '"module:name"'),
        ("[circuit]\nhalf-open = 'H'", 2, "half-open", 'write "half_open"'),
        ("flag = 3", 1, "3", "written [[flag]]"),
        ("permissions = 'no'", 1, "'no'", "true or false"),
        ("a = 1\nb = = 2", 2, "Invalid value", "TOML 1.0"),
        ("a = [1,", 1, "end of document", "TOML 1.0"),
    ],
)
def test_mistakes(load, text, line, found, says):
    with pytest.raises(SettingsError) as raised:
        load(text)

    error = raised.value
    assert error.where == f"storagefirst.toml:{line}"
    assert found in error.found
    assert says in f"{error.expected} {error.remedy}"


def test_a_file_that_is_no_text(load, tmp_path):
    (tmp_path / "storagefirst.toml").write_bytes(b"\xff\xfe")

    with pytest.raises(SettingsError, match=r"storagefirst\.toml: can't be read"):
        load_settings(tmp_path / "template.yaml")


def test_a_mistake_in_pyproject_names_the_key_in_its_place(load):
    with pytest.raises(SettingsError) as raised:
        load(
            "[tool.other]\nproperty = 1\n[tool.storagefirst]\nproperty = 1\n", name="pyproject.toml"
        )

    assert raised.value.where == "pyproject.toml:4"
    assert raised.value.remedy == 'write "properties"'
