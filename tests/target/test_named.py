"""`stack:NAME`, against moto's server on loopback and against what is no AWS.

Nothing here calls AWS: what is not on loopback is refused before a call, or its answer is played.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import boto3
import botocore.client
import pytest
from botocore import exceptions
from moto.server import ThreadedMotoServer

from pytest_storagefirst.errors import SettingsError, TargetError
from pytest_storagefirst.target.target import find_target

ACCOUNT = "123456789012"
REGION = "eu-west-1"
TEMPLATE = {
    "Resources": {
        "Queue": {"Type": "AWS::SQS::Queue"},
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            },
        },
    }
}


@pytest.fixture(autouse=True)
def own_credentials(monkeypatch, tmp_path):
    """boto3's own, and those of nobody's machine."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@pytest.fixture(scope="module")
def server():
    """moto's server on a free port of loopback, with a stack that stands."""
    serving = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    serving.start()
    host, port = serving.get_host_and_port()
    url = f"http://{host}:{port}"
    boto3.client(
        "cloudformation",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    ).create_stack(StackName="orders", TemplateBody=json.dumps(TEMPLATE))
    yield url
    serving.stop()


@pytest.fixture
def moto(server, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    return server


def allow(folder, **other):
    allowed = {"stack": "orders", "account": ACCOUNT, "region": REGION, **other}
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in allowed.items())
    (folder / "storagefirst.toml").write_text(f"[[target]]\n{lines}\n", encoding="utf-8")


def refusal(folder, name="stack:orders") -> str:
    with pytest.raises(TargetError) as raised:
        find_target(name, folder)
    return str(raised.value)


# --- on loopback --------------------------------------------------------------------------------


def test_a_stack_on_loopback_needs_no_allow_list(moto, tmp_path):
    target = find_target("stack:orders", tmp_path)

    assert (target.name, target.stack_name) == ("stack:orders", "orders")
    assert (target.account, target.region) == (ACCOUNT, REGION)
    assert (target.endpoint_url, target.downstream_url) == (moto, None)
    assert [one.logical_id for one in target.topology().queues] == ["Queue"]
    assert [one.logical_id for one in target.topology().tables] == ["Table"]


def test_all_its_clients_stay_on_loopback(moto, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "https://sqs.example")
    target = find_target("stack:orders", tmp_path)

    assert target.session().client("sqs").meta.endpoint_url == moto
    assert target.session().client("sqs") is target.session().client("sqs")


def test_settings_are_those_of_the_folder(moto, tmp_path):
    (tmp_path / "storagefirst.toml").write_text('[[entry]]\nqueue = "Queue"\n', encoding="utf-8")

    assert find_target("stack:orders", tmp_path).settings.entries[0].name == "Queue"


def test_no_such_stack_names_those_that_are_there(moto, tmp_path):
    told = refusal(tmp_path, "stack:order")

    assert "no such stack" in told
    assert f"account {ACCOUNT}, region {REGION}: orders" in told
    assert 'write "orders"' in told


def test_a_wrong_region_has_no_such_stack(moto, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-2")

    assert "region us-east-2: no stack at all" in refusal(tmp_path)


def test_a_route_that_the_stack_has_not(moto, tmp_path):
    with pytest.raises(TargetError, match=r"no route 'POST /x'(.|\n)*no route at all"):
        find_target("stack:orders", tmp_path).url_of("POST /x")


def test_nothing_listens(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")

    assert "nothing answers" in refusal(tmp_path)


@pytest.mark.parametrize("status", [200, 404, 500])
def test_something_else_listens(tmp_path, monkeypatch, status):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"<html>It works!</html>")

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{serving.server_address[1]}")
        told = refusal(tmp_path)
        serving.shutdown()
        thread.join()

    assert "what answers is not AWS" in told
    assert "check AWS_ENDPOINT_URL" in told


# --- in AWS: what is asked is played ------------------------------------------------------------


@pytest.fixture
def aws(monkeypatch):
    """The answers of AWS, by operation; whatever is asked is noted."""
    answers: dict[str, object] = {
        "GetCallerIdentity": {"Account": ACCOUNT},
        "DescribeStacks": {
            "Stacks": [
                {
                    "StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/orders/1",
                    "StackStatus": "UPDATE_COMPLETE",
                }
            ]
        },
        "ListStacks": {"StackSummaries": []},
    }
    asked: list[str] = []

    def played(self, operation, parameters):
        asked.append(operation)
        answer = answers[operation]
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", played)
    answers["asked"] = asked
    return answers


def error(code: str, operation: str = "GetCallerIdentity") -> exceptions.ClientError:
    return exceptions.ClientError({"Error": {"Code": code, "Message": "so it is"}}, operation)


def test_a_stack_in_aws_that_is_not_allowed_is_not_even_asked_about(aws, tmp_path):
    told = refusal(tmp_path)

    assert "not allowed as a target" in told
    assert '[[target]]\n            stack = "orders"' in told
    assert aws["asked"] == []


def test_one_that_is_allowed_is_a_target(aws, tmp_path):
    allow(tmp_path)
    target = find_target("stack:orders", tmp_path)

    assert (target.account, target.region, target.endpoint_url) == (ACCOUNT, REGION, None)


def test_the_allow_list_says_the_region_where_nothing_else_does(aws, tmp_path, monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert "no region is chosen" in refusal(tmp_path)

    allow(tmp_path, region="eu-north-1")
    aws["DescribeStacks"]["Stacks"][0]["StackId"] = (  # type: ignore[index]
        f"arn:aws:cloudformation:eu-north-1:{ACCOUNT}:stack/orders/1"
    )
    assert find_target("stack:orders", tmp_path).session().region_name == "eu-north-1"


def test_another_name_region_or_account_is_refused(aws, tmp_path):
    allow(tmp_path, stack="order")
    assert 'use "order"' in refusal(tmp_path)
    allow(tmp_path, region="eu-central-1")
    assert "not allowed in this region" in refusal(tmp_path)
    assert aws["asked"] == []

    allow(tmp_path, account="999999999999")
    told = refusal(tmp_path)
    assert "the credentials are another account's" in told
    assert "account 999999999999 (" in told
    assert aws["asked"] == ["GetCallerIdentity"]


def test_a_stack_that_another_account_shares_is_refused(aws, tmp_path):
    allow(tmp_path)
    aws["DescribeStacks"]["Stacks"][0]["StackId"] = (
        f"arn:aws:cloudformation:{REGION}:999999999999:stack/orders/1"
    )

    assert "not the one that is allowed" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("ExpiredToken", "the credentials have expired"),
        ("InvalidClientTokenId", "the credentials are not known to AWS"),
        ("AccessDenied", "the credentials do not allow to look"),
        ("404", "what answers is not AWS"),
        ("Throttling", "AWS refuses"),
    ],
)
def test_credentials_that_do_not_serve(aws, tmp_path, code, told):
    allow(tmp_path)
    aws["GetCallerIdentity"] = error(code)

    assert told in refusal(tmp_path)


def test_no_credentials(aws, tmp_path):
    allow(tmp_path)
    aws["GetCallerIdentity"] = exceptions.NoCredentialsError()

    assert "no credentials are found" in refusal(tmp_path)


@pytest.mark.parametrize("status", ["UPDATE_IN_PROGRESS", "ROLLBACK_COMPLETE", "DELETE_FAILED"])
def test_a_stack_that_does_not_stand(aws, tmp_path, status):
    allow(tmp_path)
    aws["DescribeStacks"]["Stacks"][0]["StackStatus"] = status

    assert "the stack does not stand" in refusal(tmp_path)


def test_routes_in_aws_have_its_own_addresses(aws, tmp_path):
    from pytest_storagefirst.stack.topology import Integration, Route

    allow(tmp_path)
    target = find_target("stack:orders", tmp_path)
    integration = Integration("AWS_PROXY")
    routes = [
        Route("Api", "a1", "HTTP", "POST", "/orders", "$default", integration),
        Route("Api", "a2", "REST", "POST", "/orders", "prod", integration),
    ]

    assert [target._url(one) for one in routes] == [
        f"https://a1.execute-api.{REGION}.amazonaws.com/orders",
        f"https://a2.execute-api.{REGION}.amazonaws.com/prod/orders",
    ]


# --- words --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "locl", "stack:", "https://example.com"])
def test_an_unknown_target(tmp_path, name):
    assert 'expected: "local", or "stack:NAME"' in refusal(tmp_path, name)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('stack = "a"\naccount = "123456789012"', "by its stack, account and region"),
        ('stack = "a"\naccount = 123456789012\nregion = "r"', "twelve digits, quoted"),
        ('stack = ""\naccount = "123456789012"\nregion = "r"', "a text that is not empty"),
        ('stak = "a"', "unknown key target"),
    ],
)
def test_a_wrong_allow_list_is_refused(tmp_path, text, told):
    (tmp_path / "storagefirst.toml").write_text(f"[[target]]\n{text}\n", encoding="utf-8")

    with pytest.raises(SettingsError, match=told):
        find_target("stack:a", tmp_path)
