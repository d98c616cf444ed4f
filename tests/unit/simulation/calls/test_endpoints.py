"""Endpoints that are remembered are those that botocore would have worked out again."""

from __future__ import annotations

import boto3
import pytest
from moto import mock_aws

from pytest_storagefirst.simulation.calls import endpoints


@pytest.fixture
def client():
    with mock_aws():
        made = boto3.client("dynamodb", region_name="eu-west-1")
        endpoints.remember(made)
        yield made


def test_it_is_the_same_each_time(client):
    model = client.meta.service_model.operation_model("PutItem")
    fresh = client._ruleset_resolver.resolver.construct_endpoint(model, {"TableName": "a"}, {})
    for table in ("a", "a", "b"):
        found = client._ruleset_resolver.construct_endpoint(model, {"TableName": table}, {})
        assert (found.url, found.properties) == (fresh.url, fresh.properties)
        found.headers["changed"] = "by the caller"
        assert fresh.headers == {}


def test_a_call_asks_once(client, monkeypatch):
    asked = []
    resolver = client._ruleset_resolver.resolver
    construct = type(resolver).construct_endpoint
    monkeypatch.setattr(
        type(resolver),
        "construct_endpoint",
        lambda *given, **named: asked.append(1) or construct(*given, **named),
    )
    client.list_tables()
    client.list_tables()
    assert len(asked) == 1
    endpoints.forget(client)
    client.list_tables()
    assert len(asked) == 2
    assert client._ruleset_resolver is resolver


def test_other_services_are_left_alone():
    made = boto3.client("s3", region_name="eu-west-1")
    resolver = made._ruleset_resolver
    endpoints.remember(made)
    assert made._ruleset_resolver is resolver
    endpoints.forget(made)
    assert made._ruleset_resolver is resolver
