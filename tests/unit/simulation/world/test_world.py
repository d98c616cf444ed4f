"""A stack's moto is its own, and each run finds it as the first one did."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from botocore.exceptions import ProfileNotFound
from moto import mock_aws

from pytest_storagefirst.errors import SimulationError
from pytest_storagefirst.simulation.world.copies import deep_copy
from pytest_storagefirst.simulation.world.world import MotoRandom, World


def put(item_id: str, table: str = "keys") -> None:
    boto3.client("dynamodb", region_name="us-east-1").put_item(
        TableName=table, Item={"id": {"S": item_id}}
    )


def make_table(name: str) -> Any:
    client = boto3.client(
        "dynamodb",
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return client


# -- the tester's own moto --------------------------------------------------------------------


def test_before_during_and_after_a_testers_own_moto(rig: Any, items: Any) -> None:
    stack = rig.with_handlers(Worker=lambda event, context: put("ours"))
    assert items(stack.play()) == [{"id": {"S": "ours"}}]
    with mock_aws():
        client = make_table("keys")
        put("theirs")
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="the-bucket")
        assert items(stack.play()) == [{"id": {"S": "ours"}}]
        assert client.scan(TableName="keys")["Items"] == [{"id": {"S": "theirs"}}]
        assert client.list_tables()["TableNames"] == ["keys"]
        put("again")
        assert client.scan(TableName="keys")["Count"] == 2
        buckets = boto3.client("s3", region_name="us-east-1").list_buckets()["Buckets"]
        assert [bucket["Name"] for bucket in buckets] == ["the-bucket"]
        assert items(stack.play()) == [{"id": {"S": "ours"}}]
    assert items(stack.play()) == [{"id": {"S": "ours"}}]
    with mock_aws():
        assert boto3.client("dynamodb", region_name="us-east-1").list_tables()["TableNames"] == []


@mock_aws
def test_as_a_decorator(rig: Any, items: Any) -> None:
    client = make_table("theirs")
    assert items(rig.with_handlers(Worker=lambda event, context: put("ours")).play())
    assert client.list_tables()["TableNames"] == ["theirs"]


def test_http_inside_a_testers_moto_is_still_ours(rig: Any) -> None:
    """moto patches requests too, by `responses`."""

    def worker(event: Any, context: Any) -> None:
        requests.post("https://third.example/charge", json={"a": 1}, timeout=5)

    with mock_aws():
        played = rig.with_handlers(Worker=worker).play()
    assert played.errors == ()
    [emission] = played.observation.effects
    assert emission.place == "http POST https://third.example/charge"


def test_an_error_inside_leaves_the_testers_moto_whole(rig: Any) -> None:
    with mock_aws():
        client = make_table("theirs")

        def interrupted(event: Any, context: Any) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            rig.with_handlers(Worker=interrupted).play()
        assert client.list_tables()["TableNames"] == ["theirs"]


def test_two_stacks_do_not_meet(rig: Any, items: Any, tmp_path: Path) -> None:
    from pytest_storagefirst.explore.prepare import prepare
    from pytest_storagefirst.settings import Entry, Settings

    path = tmp_path / "template.yaml"
    path.write_text((Path(__file__).parents[1] / "conftest.py").read_text().split('"""')[3])
    other = prepare(path, Settings(entries=(Entry("queue", "Queue"),))).deployed
    mine = rig.with_handlers(Worker=lambda event, context: put("mine"))
    theirs = type(rig)(other).with_handlers(Worker=lambda event, context: put("theirs"))
    for _ in range(2):
        assert items(mine.play()) == [{"id": {"S": "mine"}}]
        assert items(theirs.play()) == [{"id": {"S": "theirs"}}]


def test_attached_twice_is_attached_once() -> None:
    world = World("us-east-1")
    with world.attached(by_moto=True):
        make_table("a")
        with world.attached():
            assert list(world.backend("dynamodb").tables) == ["a"]
        assert list(world.backend("dynamodb").tables) == ["a"]


def test_the_worlds_backends_by_service_and_region() -> None:
    world = World("eu-west-1")
    with world.attached(by_moto=True):
        assert world.backend("dynamodb").region_name == "eu-west-1"
        assert world.backend("dynamodb", "us-east-1").region_name == "us-east-1"
        assert world.backend("s3").region_name == "aws"
        assert world.backend("iam").region_name == "aws"
        assert world.backend("iot-data") is not None
        assert world.backend("lambda").region_name == "eu-west-1"
        with pytest.raises(KeyError):
            world.backend("no-such-service")


# -- rewind -----------------------------------------------------------------------------------


def ssm() -> Any:
    return boto3.client("ssm")


def state_of_ssm() -> Any:
    return [one["Name"] for one in ssm().describe_parameters()["Parameters"]]


def state_of_sns() -> Any:
    sns = boto3.client("sns")
    return [len(sns.list_topics()["Topics"]), len(sns.list_subscriptions()["Subscriptions"])]


def change_sns() -> None:
    sns = boto3.client("sns")
    topic = sns.create_topic(Name="another")["TopicArn"]
    queue = "arn:aws:sqs:us-east-1:123456789012:aside"
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    sns.publish(TopicArn=topic, Message="x")


def state_of_secrets() -> Any:
    client = boto3.client("secretsmanager")
    return [one["Name"] for one in client.list_secrets()["SecretList"]]


def change_secrets() -> None:
    client = boto3.client("secretsmanager")
    client.create_secret(Name="s", SecretString="x")
    client.put_secret_value(SecretId="s", SecretString="y")


def change_events() -> None:
    boto3.client("events").put_rule(Name="r", EventPattern="{}")


def state_of_events() -> Any:
    return [rule["Name"] for rule in boto3.client("events").list_rules()["Rules"]]


def state_of_tables() -> Any:
    client = boto3.client("dynamodb")
    names = client.list_tables()["TableNames"]
    return [(name, client.scan(TableName=name)["Count"]) for name in names]


def change_tables() -> None:
    put("before")
    make_table("made")
    put("after", "made")
    client = boto3.client("dynamodb")
    client.delete_table(TableName="things")
    client.update_time_to_live(
        TableName="keys", TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"}
    )
    put("at the end")


def state_of_ttl() -> Any:
    description = boto3.client("dynamodb").describe_time_to_live(TableName="keys")
    return description["TimeToLiveDescription"]["TimeToLiveStatus"]


def state_of_queues() -> Any:
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName="aside")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    kept = ("ApproximateNumberOfMessages", "VisibilityTimeout", "DelaySeconds")
    return [len(sqs.list_queues()["QueueUrls"]), [attributes[name] for name in kept]]


def change_queues() -> None:
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName="aside")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "7"})
    sqs.send_message(QueueUrl=url, MessageBody="y")
    sqs.create_queue(QueueName="made")


def state_of_buckets() -> Any:
    client = boto3.client("s3")
    names = [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]
    return [(name, client.list_objects_v2(Bucket=name)["KeyCount"]) for name in names]


def change_buckets() -> None:
    client = boto3.client("s3")
    client.put_object(Bucket="the-bucket", Key="a", Body=b"x")
    client.create_bucket(Bucket="made-bucket")
    client.put_object(Bucket="made-bucket", Key="a", Body=b"x")
    client.put_bucket_versioning(Bucket="the-bucket", VersioningConfiguration={"Status": "Enabled"})
    client.put_object(Bucket="the-bucket", Key="a", Body=b"y")
    client.create_multipart_upload(Bucket="the-bucket", Key="b")


def state_of_uploads() -> Any:
    return len(boto3.client("s3").list_multipart_uploads(Bucket="the-bucket").get("Uploads", []))


def change_objects() -> None:
    client = boto3.client("s3")
    client.put_object(Bucket="the-bucket", Key="a", Body=b"x")
    client.create_multipart_upload(Bucket="the-bucket", Key="b")


def change_elsewhere() -> None:
    client = boto3.client("sqs", region_name="eu-west-1")
    url = client.create_queue(QueueName="far")["QueueUrl"]
    client.send_message(QueueUrl=url, MessageBody="x")


def state_elsewhere() -> Any:
    return boto3.client("sqs", region_name="eu-west-1").list_queues().get("QueueUrls", [])


CHANGES: dict[str, tuple[Callable[[], None], Callable[[], Any]]] = {
    "ssm": (lambda: ssm().put_parameter(Name="/a", Value="b", Type="String"), state_of_ssm),
    "sns": (change_sns, state_of_sns),
    "secretsmanager": (change_secrets, state_of_secrets),
    "events": (change_events, state_of_events),
    "tables": (change_tables, state_of_tables),
    "ttl": (change_tables, state_of_ttl),
    "queues": (change_queues, state_of_queues),
    "buckets": (change_buckets, state_of_buckets),
    "objects": (change_objects, state_of_buckets),
    "uploads": (change_objects, state_of_uploads),
    "another region": (change_elsewhere, state_elsewhere),
}  # fmt: skip


@pytest.mark.parametrize("service", CHANGES)
def test_what_a_handler_changed_is_as_before_in_the_next_run(rig: Any, service: str) -> None:
    change, look = CHANGES[service]
    seen: list[Any] = []

    def worker(event: Any, context: Any) -> None:
        before = look()
        change()
        seen.append((before, look()))

    stack = rig.with_handlers(Worker=worker)
    for _ in range(3):
        assert stack.play().errors == ()
    (before, after), *others = seen
    assert before != after or service == "objects"
    assert others == [(before, after)] * 2


def test_after_a_change_of_the_stack_itself_runs_are_rewound_as_ever(rig: Any, items: Any) -> None:
    change = rig.with_handlers(Worker=lambda event, context: change_tables())
    change.play()
    for _ in range(2):
        played = rig.with_handlers(Worker=lambda event, context: put("x")).play()
        assert items(played) == [{"id": {"S": "x"}}]


def test_a_transaction_that_fails_leaves_nothing_for_the_next_run(rig: Any, items: Any) -> None:
    def worker(event: Any, context: Any) -> None:
        client = boto3.client("dynamodb")
        item = {"TableName": "keys", "Item": {"id": {"S": "x"}}}
        with pytest.raises(client.exceptions.TransactionCanceledException):
            client.transact_write_items(
                TransactItems=[
                    {"Put": {**item, "Item": {"id": {"S": "y"}}}},
                    {"Put": {**item, "ConditionExpression": "attribute_exists(id)"}},
                ]
            )
        put("z")

    stack = rig.with_handlers(Worker=worker)
    for _ in range(2):
        assert items(stack.play()) == [{"id": {"S": "z"}}]


def test_what_can_not_be_put_back_is_refused(rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.deployed.world._baselines.pop(("ssm", "us-east-1"), None)
    monkeypatch.setattr(World, "_copy_of", lambda self, service, region: None)
    stack = rig.with_handlers(
        Worker=lambda event, context: (
            ssm().put_parameter(Name="/a", Value="b", Type="String") and None
        )
    )
    with pytest.raises(SimulationError, match="can't be put back") as error:
        stack.play()
    rig.deployed.world._baselines.pop(("ssm", "us-east-1"))
    assert error.value.found == "ssm.PutParameter"


def test_memory_does_not_grow_with_the_runs(rig: Any) -> None:
    """moto keeps every item ever made in a list of its own."""
    from moto.dynamodb.models.dynamo_type import Item

    stack = rig.with_handlers(Worker=lambda event, context: put("x"))
    for _ in range(600):
        stack.play()
    assert len(Item.instances_tracked) < 600


# -- moto's own chance ------------------------------------------------------------------------


def test_ids_that_moto_makes_are_the_same_in_every_run(rig: Any) -> None:
    seen: list[str] = []

    def worker(event: Any, context: Any) -> None:
        answer = boto3.client("sns").publish(
            TopicArn="arn:aws:sns:us-east-1:123456789012:news", Message="x"
        )
        seen.append(answer["MessageId"])

    stack = rig.with_handlers(Worker=worker)
    stack.play()
    stack.play()
    stack.play(seed=1)
    assert seen[0] == seen[1] != seen[2]


def test_motos_chance_is_the_testers_again() -> None:
    from moto.moto_api._internal import mock_random

    mock_random.seed(7)
    expected = [mock_random.random() for _ in range(3)]
    mock_random.seed(7)
    ours = MotoRandom(1)
    found = [mock_random.random()]
    ours.enter()
    first = mock_random.random()
    ours.enter()
    ours.leave(goes_on=True)
    found.append(mock_random.random())
    ours.enter()  # goes on where it was
    second = mock_random.random()
    ours.leave()
    ours.leave()
    found.append(mock_random.random())
    assert found == expected
    mock_random.seed(1)
    assert [first, second] == [mock_random.random(), mock_random.random()]


# -- copies -----------------------------------------------------------------------------------


class _Asking(dict[str, Any]):
    def __init__(self, needed: int) -> None:
        super().__init__()
        self.needed = needed


class _Thing:
    def __init__(self) -> None:
        self.me = self
        self.items = [1, {"a": {2}}]


def test_copies_share_nothing_that_changes() -> None:
    import collections
    import re
    import threading

    asking = _Asking(3)
    asking["list"] = [1]
    default = collections.defaultdict(list, {"a": [1]})
    thing = _Thing()
    state = {
        "asking": asking,
        "default": default,
        "thing": thing,
        "same": thing,
        "deque": collections.deque([[1]], maxlen=2),
        "ordered": collections.OrderedDict(a=[1]),
        "frozen": frozenset({1}),
        "lock": threading.RLock(),
        "pattern": re.compile("x"),
        "method": thing.__init__,  # type: ignore[misc]
        "tuple": ([1],),
    }
    copied = deep_copy(state)
    assert copied["asking"] == {"list": [1]}
    assert copied["asking"].needed == 3
    assert type(copied["asking"]) is _Asking
    assert copied["thing"] is copied["same"] is copied["thing"].me
    assert copied["thing"] is not thing
    assert copied["method"].__self__ is copied["thing"]
    assert copied["lock"] is state["lock"]
    assert copied["deque"].maxlen == 2
    assert type(copied["ordered"]) is collections.OrderedDict
    assert list(copied["ordered"].items()) == [("a", [1])]
    assert copied["ordered"]["a"] is not state["ordered"]["a"]  # type: ignore[index]
    asking["list"].append(2)
    default["a"].append(2)
    thing.items[1]["a"].add(3)  # type: ignore[index]
    state["tuple"][0].append(2)  # type: ignore[index]
    assert copied["asking"]["list"] == [1]
    assert copied["default"]["a"] == [1]
    assert copied["default"]["new"] == []
    assert copied["thing"].items == [1, {"a": {2}}]
    assert copied["tuple"] == ([1],)


def test_every_service_of_moto_can_be_copied() -> None:
    from moto import backends

    world = World("us-east-1")
    failed = {}
    with world.attached():
        for name in backends.list_of_moto_modules():
            try:
                backend = world.backend(name)
            except Exception:
                continue  # it has other dependencies, or no backend at all
            try:
                deep_copy(backend.__dict__)
            except Exception as error:
                failed[name] = error
    assert failed == {}


def test_a_stack_stands_up_whatever_profile_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from pytest_storagefirst.simulation.world.world import nobodys_configuration

    monkeypatch.setenv("AWS_PROFILE", "nowhere")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:4566")
    with pytest.raises(ProfileNotFound):
        boto3.Session().client("sqs")
    with nobodys_configuration():
        session = boto3.Session(
            region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        assert "localhost" not in session.client("sqs").meta.endpoint_url
    assert os.environ["AWS_PROFILE"] == "nowhere"
    assert "AWS_CONFIG_FILE" not in os.environ


# -- nothing real -----------------------------------------------------------------------------


def test_real_credentials_and_the_network_are_never_used(tmp_path: Path) -> None:
    """In a process of its own: with a profile, real keys, and a client made at import."""
    config = tmp_path / "config"
    config.write_text("[profile production]\nregion = ap-south-1\n")
    here = Path(__file__).parents[1] / "conftest.py"
    (tmp_path / "conftest.py").write_text(here.read_text())
    (tmp_path / "test_it.py").write_text(
        textwrap.dedent(
            """
            import json, socket
            import boto3

            early = boto3.client("dynamodb", region_name="us-east-1",
                                 aws_access_key_id="AKIAREALREALREAL", aws_secret_access_key="real")
            signed = []

            def test_it(rig, monkeypatch):
                def refuse(*arguments, **named):
                    raise AssertionError(f"the network: {arguments}")

                from pytest_storagefirst.simulation.calls import lanes
                answer = lanes.answer
                monkeypatch.setattr(socket.socket, "connect", refuse)
                monkeypatch.setattr(socket, "getaddrinfo", refuse)

                def noting(method, url, headers, body):
                    signed.append(str(headers.get("Authorization", "")))
                    return answer(method, url, headers, body)

                monkeypatch.setattr(lanes, "answer", noting)
                monkeypatch.setattr(lanes, "fast", lambda *arguments: None)

                def worker(event, context):
                    session = boto3.Session()
                    for client in (early, boto3.client("dynamodb"), session.client("dynamodb")):
                        client.put_item(TableName="keys", Item={"id": {"S": "x"}})
                    print(boto3.client("sts").get_caller_identity()["Account"])

                played = rig.with_handlers(Worker=worker).play()
                assert played.errors == ()
                assert played.printed == "123456789012\\n"
                assert sum("AKIAREALREALREAL" in text for text in signed) == 1  # early's own
                assert not any("AKIAENVIRONMENT" in text for text in signed)
            """
        )
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:storagefirst",
         "--rootdir", str(tmp_path), str(tmp_path)],
        capture_output=True, text=True, timeout=120, check=False, cwd=Path.cwd(),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path),
             "AWS_PROFILE": "production", "AWS_CONFIG_FILE": str(config),
             "AWS_ACCESS_KEY_ID": "AKIAENVIRONMENT",
             "AWS_SECRET_ACCESS_KEY": "real"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
