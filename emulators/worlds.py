"""The emulators that are asked: plain moto and the simulated SQS in virtual time, and ministack."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from importlib.metadata import version
from typing import Any, cast
from unittest import mock

from emulators.probe import HANDLER, REGION, World

FAKE = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}


@contextlib.contextmanager
def moto() -> Iterator[World]:
    """An empty moto, with a clock that is set forward where a probe waits.

    moto runs functions in Docker; here they run in this process in the container's place, so that
    all else that is observed is moto's own.
    """
    import boto3
    import requests
    import time_machine
    from moto import mock_aws
    from moto.awslambda.models import LambdaFunction

    def post(api: str, kind: str, body: str) -> tuple[int, str]:
        url = f"https://{api}.execute-api.{REGION}.amazonaws.com/prod/in"
        answer = requests.post(url, data=body, headers={"Content-Type": "application/json"})
        return answer.status_code, answer.text

    with (
        mock.patch.dict(os.environ, FAKE),
        mock.patch.object(LambdaFunction, "_invoke_lambda", _run),
        time_machine.travel("2026-01-01T00:00:00+00:00") as clock,
        mock_aws(),
    ):
        yield World(
            "moto",
            lambda service: boto3.client(cast(Any, service), region_name=REGION),
            lambda seconds: clock.shift(timedelta(seconds=seconds)),
            post,
        )


def _run(function: Any, event: Any = None) -> tuple[str, bool, str]:
    """What moto's container would say: the result as JSON, whether it is an error, and its log."""
    import json

    module: dict[str, Any] = {}
    exec(HANDLER, module)
    with mock.patch.dict(os.environ, function.environment_vars):
        try:
            return json.dumps(module["handler"](event, None)), False, ""
        except ValueError as error:
            return json.dumps({"errorMessage": str(error), "errorType": "ValueError"}), True, ""


@contextlib.contextmanager
def simulation() -> Iterator[World]:
    """The simulated SQS on moto, as a handler finds it."""
    from dataclasses import replace

    from pytest_storagefirst.simulation.queues.service import simulated_sqs

    with moto() as world, simulated_sqs():
        yield replace(world, name="simulation")


@contextlib.contextmanager
def ministack() -> Iterator[Callable[[], contextlib.AbstractContextManager[World]]]:
    """One ministack for all probes, in a process of its own; yields what makes a world of it.

    Raises LookupError, whose text says why there is none.
    """
    import boto3
    import requests

    from benchmarks.ministack import running

    with tempfile.TemporaryDirectory() as folder, running(folder) as endpoint:

        def post(api: str, kind: str, body: str) -> tuple[int, str]:
            rest = f"{endpoint}/restapis/{api}/prod/_user_request_/in"
            url = rest if kind == "REST" else f"{endpoint}/_aws/execute-api/{api}/prod/in"
            answer = requests.post(
                url, data=body, headers={"Content-Type": "application/json"}, timeout=10
            )
            return answer.status_code, answer.text

        def connect(service: str) -> Any:
            return boto3.client(cast(Any, service), endpoint_url=endpoint, region_name=REGION)

        @contextlib.contextmanager
        def world() -> Iterator[World]:
            with mock.patch.dict(os.environ, FAKE):
                yield World("ministack", connect, time.sleep, post, in_real_time=True)

        yield world


def versions(*packages: str) -> dict[str, str]:
    return {package: version(package) for package in packages}
