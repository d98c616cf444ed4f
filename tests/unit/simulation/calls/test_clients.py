"""Sessions and clients are made once, and nothing of one run is in the next one's."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from pytest_storagefirst.simulation.calls import clients
from pytest_storagefirst.simulation.playing import play_on


def made_in(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What clients are really made from now on."""
    from botocore.client import BaseClient

    made: list[str] = []
    make = BaseClient.__init__

    def noting(self: Any, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        made.append(self.meta.service_model.service_name)

    monkeypatch.setattr(BaseClient, "__init__", noting)
    return made


SOURCE = """
import boto3, json
from botocore.config import Config
s3 = boto3.client("s3", config=Config(retries={"mode": "standard"}))
table = boto3.resource("dynamodb").Table("keys")
own = boto3.Session(region_name="eu-west-1").client("sqs")
def handler(event, context):
    table.put_item(Item={"id": "x"})
    boto3.client("sqs", region_name="us-west-2")
    print(s3.meta.region_name, table.meta.client.meta.region_name, own.meta.region_name)
"""


def test_clients_are_made_once_for_all_runs(
    rig: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = rig.with_files(tmp_path, app=SOURCE)
    printed = {stack.play(messages=3, batch_limit=1).printed}
    made = made_in(monkeypatch)
    for _ in range(5):
        printed.add(stack.play(messages=3, batch_limit=1).printed)
    assert made == []
    assert printed == {"us-east-1 us-east-1 eu-west-1\n" * 3}


def test_sessions_are_made_once_too(
    rig: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import botocore.session

    stack = rig.with_files(tmp_path, app=SOURCE)
    stack.play()
    made: list[int] = []
    make = botocore.session.Session.__init__
    monkeypatch.setattr(
        botocore.session.Session,
        "__init__",
        lambda self, *args, **kwargs: (made.append(1), make(self, *args, **kwargs))[1],
    )
    stack.play()
    assert made == []


@pytest.mark.parametrize("fault", ["invocation #1: recycled", "invocation #1: crash"])
def test_an_environment_that_ends_gives_its_clients_back(
    rig: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    stack = rig.with_files(tmp_path, app=SOURCE)
    for _ in range(2):
        stack.play(f"Worker: {fault}", messages=2, batch_limit=1)
    made = made_in(monkeypatch)
    stack.play(f"Worker: {fault}", messages=2, batch_limit=1)
    assert made == []


def test_two_clients_of_one_environment_are_two(rig: Any) -> None:
    seen: list[Any] = []

    def worker(event: Any, context: Any) -> None:
        seen.append([boto3.client("sqs") for _ in range(3)])

    stack = rig.with_handlers(Worker=worker)
    stack.play()
    stack.play()
    for three in seen:
        assert len({id(client) for client in three}) == 3


def test_two_environments_at_once_have_clients_of_their_own(rig: Any) -> None:
    seen: list[int] = []

    def worker(event: Any, context: Any) -> None:
        client = boto3.client("sqs")
        seen.append(id(client))
        time.sleep(1)

    rig.with_handlers(Worker=worker).play(messages=2, concurrency=2, batch_limit=1)
    assert len(set(seen)) == 2


HOOKS = {
    "client.meta.events.register": """
client = boto3.client("dynamodb")
client.meta.events.register("provide-client-params.dynamodb.DescribeTable", hook)
""",
    "with an id": """
client = boto3.client("dynamodb")
client.meta.events.register("provide-client-params.dynamodb.DescribeTable", hook, unique_id="mine")
""",
    "register_first": """
client = boto3.client("dynamodb")
client.meta.events.register_first("provide-client-params.dynamodb.DescribeTable", hook)
""",
    "of a resource's client": """
resource = boto3.resource("dynamodb")
client = resource.meta.client
client.meta.events.register("provide-client-params.dynamodb.DescribeTable", hook)
""",
    "of a session": """
session = boto3.Session()
session.events.register("provide-client-params.dynamodb.DescribeTable", hook)
client = session.client("dynamodb")
""",
    "of the default session": """
boto3.setup_default_session()
boto3.DEFAULT_SESSION.events.register("provide-client-params.dynamodb.DescribeTable", hook)
client = boto3.client("dynamodb")
""",
    "of botocore's session": """
import botocore.session
inner = botocore.session.get_session()
inner.register("provide-client-params.dynamodb.DescribeTable", hook)
client = boto3.Session(botocore_session=inner).client("dynamodb")
""",
}


@pytest.mark.parametrize("statements", HOOKS.values(), ids=HOOKS)
def test_hooks_do_not_pile_up(rig: Any, items: Any, tmp_path: Path, statements: str) -> None:
    source = f"""
import boto3
calls = []
def hook(params, **kwargs):
    calls.append(1)
{statements}
def handler(event, context):
    client.describe_table(TableName="keys")
    print(len(calls))
"""
    stack = rig.with_files(tmp_path, app=source)
    for _ in range(3):
        assert stack.play().printed == "1\n"


def test_a_hook_of_one_function_is_not_anothers(rig: Any, tmp_path: Path) -> None:
    hooked = f"""
import boto3
calls = []
{HOOKS["client.meta.events.register"].replace("hook)", "lambda **named: calls.append(1))")}
def handler(event, context):
    client.describe_table(TableName="keys")
    print(len(calls))
"""
    rig.with_files(tmp_path, app=hooked).play()
    seen: list[Any] = []

    def worker(event: Any, context: Any) -> None:
        client = boto3.client("dynamodb")
        seen.append(client)
        client.put_item(TableName="keys", Item={"id": {"S": "x"}})

    assert rig.with_handlers(Worker=worker).play().errors == ()
    again = rig.with_files(tmp_path, app=hooked).play()
    assert again.printed == "1\n"


def test_a_clients_retry_quota_is_full_in_each_run(rig: Any) -> None:
    quotas: list[int] = []

    def worker(event: Any, context: Any) -> None:
        client = boto3.client("dynamodb", config=Config(retries={"mode": "standard"}))
        [loan] = [loan for loan in simulation.current.environment.loans if loan.made is client]
        [quota] = loan.quotas
        quotas.append(quota.available_capacity)
        try:
            client.put_item(TableName="keys", Item={"id": {"S": "x"}})
        except Exception:
            quotas.append(quota.available_capacity)

    for _ in range(3):
        simulation = rig.with_handlers(Worker=worker).simulation(
            "Worker: dynamodb.PutItem #1: refused for 100 s"
        )
        play_on(simulation)
        simulation.functions.give_back_clients()
    full, spent = quotas[:2]
    assert spent < full
    assert quotas == [full, spent] * 3


def test_an_adaptive_client_is_made_anew(rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It learns how fast it may send, and must not know from an earlier run."""

    def worker(event: Any, context: Any) -> None:
        boto3.client("sqs", config=Config(retries={"mode": "adaptive"}))

    stack = rig.with_handlers(Worker=worker)
    stack.play()
    made = made_in(monkeypatch)
    stack.play()
    assert made == ["sqs"]


def test_a_functions_own_configuration_is_not_anothers(rig: Any, tmp_path: Path) -> None:
    source = "import boto3\ndef handler(e, c): print(boto3.client('sqs').meta.config.retries)\n"
    plain = rig.with_files(tmp_path, app=source)
    legacy = plain.with_function(
        "Worker", environment={"AWS_RETRY_MODE": "legacy", "AWS_MAX_ATTEMPTS": "9"}
    )
    first, second = plain.play().printed, legacy.play().printed
    assert first != second
    assert "legacy" in second
    assert plain.play().printed == first


def test_arguments_that_can_not_be_compared_are_no_reason_to_fail(rig: Any) -> None:
    def worker(event: Any, context: Any) -> None:
        boto3.client("sqs", config=Config(proxies={"https": "http://x"}), verify=False)
        boto3.client("sqs", config=None)
        boto3.Session(botocore_session=None).client("sqs")

    assert rig.with_handlers(Worker=worker).play().errors == ()


def test_a_pool_is_bounded(rig: Any) -> None:
    def worker(event: Any, context: Any) -> None:
        for _ in range(clients.MOST_KEPT + 5):
            boto3.client("sqs", region_name="eu-north-1")

    rig.with_handlers(Worker=worker).play()
    assert max(len(kept) for kept in clients._free.values()) <= clients.MOST_KEPT


def test_outside_of_a_run_nothing_is_pooled() -> None:
    session = boto3.Session(
        region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    assert session is not boto3.Session(region_name="us-east-1")
    assert session.client("sqs") is not session.client("sqs")
    assert not hasattr(session, "kept_as")


def test_a_subclass_of_session_is_left_alone(rig: Any) -> None:
    class Own(boto3.Session):
        def __init__(self, name: str) -> None:
            super().__init__(region_name="eu-west-1")
            self.name = name

    seen: list[Any] = []

    def worker(event: Any, context: Any) -> None:
        seen.append(Own("mine"))

    stack = rig.with_handlers(Worker=worker)
    stack.play()
    stack.play()
    assert [one.name for one in seen] == ["mine", "mine"]
    assert seen[0] is not seen[1]
