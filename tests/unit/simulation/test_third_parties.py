"""Third parties: what they answer, what counts as an effect, and the faults at them."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import requests

from pytest_storagefirst.simulation.deployed import Downstream

URL = "https://pay.example/charge"


def by_requests(method: str = "POST", url: str = URL, **more: Any) -> tuple[int, str]:
    answer = requests.request(method, url, json=more.pop("body", {"a": 1}), timeout=5, **more)
    return answer.status_code, answer.text


def by_httpx(method: str = "POST", url: str = URL) -> tuple[int, str]:
    answer = httpx.request(method, url, json={"a": 1}, timeout=5)
    return answer.status_code, answer.text


def by_urllib(method: str = "POST", url: str = URL) -> tuple[int, str]:
    request = urllib.request.Request(url, json.dumps({"a": 1}).encode(), method=method)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return answer.status, answer.read().decode()


CLIENTS = (by_requests, by_httpx, by_urllib)


class Worker:
    def __init__(self, act: Callable[[], Any], count: int = 1) -> None:
        self.act = act
        self.count = count
        self.answers: list[Any] = []
        self.seconds: list[float] = []

    def __call__(self, event: Any, context: Any) -> None:
        for _ in range(self.count):
            started = time.time()
            try:
                self.answers.append(self.act())
            except Exception as error:
                self.answers.append(error)
            self.seconds.append(time.time() - started)


def emissions(played: Any) -> list[Any]:
    return [effect for effect in played.observation.effects if effect.kind == "emission"]


@pytest.mark.parametrize("act", CLIENTS, ids=lambda act: act.__name__)
def test_without_a_downstream_the_answer_is_200_and_says_nothing(
    rig: Any, act: Callable[[], Any]
) -> None:
    worker = Worker(act)
    played = rig.with_handlers(Worker=worker).play()
    assert worker.answers == [(200, "{}")]
    [emission] = emissions(played)
    assert emission.place == f"http POST {URL}"
    assert emission.value == {"a": 1}


def test_the_longest_fitting_downstream_answers(rig: Any) -> None:
    stack = rig.with_downstreams(
        Downstream("https://pay.example/", status=201, body=b"all"),
        Downstream("https://pay.example/charge", method="POST", status=202, body=b"charge"),
        Downstream("https://pay.example/charge", method="PUT", body=b"put"),
    )
    for method, url, expected in (
        ("POST", URL, (202, "charge")),
        ("PUT", URL, (200, "put")),
        ("DELETE", URL, (201, "all")),
        ("POST", "https://other.example/", (200, "{}")),
    ):
        worker = Worker(lambda method=method, url=url: by_requests(method, url))
        stack.with_handlers(Worker=worker).play()
        assert worker.answers == [expected]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_is_no_effect(rig: Any, method: str, kinds: Any) -> None:
    played = rig.with_handlers(Worker=Worker(lambda: by_requests(method))).play()
    assert emissions(played) == []
    assert "called" in kinds(played)
    assert "effected" not in kinds(played)


def test_a_third_party_that_says_no_has_done_nothing(rig: Any, kinds: Any) -> None:
    worker = Worker(by_requests)
    stack = rig.with_downstreams(Downstream(URL, status=422)).with_handlers(Worker=worker)
    played = stack.play()
    assert worker.answers[0][0] == 422
    assert emissions(played) == []
    assert "errored" in kinds(played)


def test_the_query_belongs_to_what_is_said_and_ids_to_the_point(rig: Any) -> None:
    def worker(event: Any, context: Any) -> None:
        token = json.loads(event["Records"][0]["body"])["id"]
        requests.post(f"https://pay.example/orders/{token}?x=1", json={"a": 1}, timeout=5)

    played = rig.with_handlers(Worker=worker).play()
    [emission] = emissions(played)
    assert emission.place == "http POST https://pay.example/orders/<m1>"
    assert emission.value == {"query": "x=1", "body": {"a": 1}}


@pytest.mark.parametrize(
    ("downstream", "headers", "key"),
    [
        (Downstream(URL), {"Idempotency-Key": "k"}, "k"),
        (Downstream(URL), {"idempotency-key": "k"}, "k"),
        (Downstream(URL, idempotency="a"), {}, "1"),
        (Downstream(URL, idempotency="missing"), {}, None),
        (Downstream(URL), {}, None),
    ],
)
def test_idempotency_keys(rig: Any, downstream: Any, headers: Any, key: str | None) -> None:
    stack = rig.with_downstreams(downstream)
    played = stack.with_handlers(Worker=Worker(lambda: by_requests(headers=headers))).play()
    [emission] = emissions(played)
    assert emission.idempotency_key == key


@pytest.mark.parametrize(
    ("method", "counts_once"), [("PUT", True), ("DELETE", True), ("PATCH", False)]
)
def test_what_is_put_or_deleted_again_is_there_once(
    rig: Any, method: str, counts_once: bool
) -> None:
    """RFC 9110, 9.2.2: which methods are idempotent."""
    request = urllib.request.Request(URL, data=b"{}", method=method)
    played = rig.with_handlers(Worker=Worker(lambda: urllib.request.urlopen(request))).play()
    [emission] = emissions(played)
    assert (emission.idempotency_key is not None) == counts_once


# -- faults -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("http-500", 500),
        ("http-429", 429),
        ("brownout", 503),
        ("refused(throttle)", 429),
        ("refused(server-error)", 503),
        ("refused(access-denied)", 403),
    ],
)
def test_a_refusal_by_status_has_no_effect(rig: Any, fault: str, status: int) -> None:
    worker = Worker(by_requests, count=2)
    played = rig.with_handlers(Worker=worker).play(f"Worker: http POST {URL} #1: {fault}")
    assert [answer[0] for answer in worker.answers] == [status, 200]
    assert len(emissions(played)) == 1


@pytest.mark.parametrize("fault", ["refused", "refused(connect-timeout)", "outage for 60 s"])
def test_no_connection_has_no_effect_and_takes_the_clients_time(rig: Any, fault: str) -> None:
    worker = Worker(by_requests)
    played = rig.with_handlers(Worker=worker).play(f"Worker: http POST {URL} #1: {fault}")
    assert isinstance(worker.answers[0], requests.exceptions.ConnectTimeout)
    assert worker.seconds[0] >= 5
    assert emissions(played) == []


@pytest.mark.parametrize("variant", ["timeout", "reset"])
def test_a_lost_answer_leaves_its_effect(rig: Any, variant: str) -> None:
    worker = Worker(by_requests)
    played = rig.with_handlers(Worker=worker).play(
        f"Worker: http POST {URL} #1: response-lost({variant})"
    )
    expected = {
        "timeout": requests.exceptions.ReadTimeout,
        "reset": requests.exceptions.ConnectionError,
    }
    assert isinstance(worker.answers[0], expected[variant])
    assert len(emissions(played)) == 1


def test_slow_ends_the_function_with_the_effect_done(rig: Any) -> None:
    worker = Worker(lambda: requests.post(URL, json={}, timeout=600))
    played = rig.with_handlers(Worker=worker).play(f"Worker: http POST {URL} #1: slow")
    failed = [e.detail for e in played.observation.history if e.kind == "failed"]
    assert failed == ["timeout"]
    assert len(emissions(played)) == 2
    assert len(worker.answers) == 1


@pytest.mark.parametrize(("kind", "effects"), [("crash-before", 1), ("crash-after", 2)])
def test_crashes(rig: Any, kind: str, effects: int) -> None:
    worker = Worker(by_requests)
    played = rig.with_handlers(Worker=worker).play(f"Worker: http POST {URL} #1: {kind}")
    assert len(emissions(played)) == effects
    assert len(worker.answers) == 1


def test_a_brownout_lets_every_second_call_through(rig: Any) -> None:
    worker = Worker(by_requests, count=6)
    played = rig.with_handlers(Worker=worker).play(f"Worker: http POST {URL} #1: brownout 5 times")
    assert [answer[0] for answer in worker.answers] == [503, 200, 503, 200, 503, 200]
    assert len(emissions(played)) == 3


def test_a_number_and_times(rig: Any) -> None:
    worker = Worker(by_requests, count=5)
    rig.with_handlers(Worker=worker).play(f"Worker: http POST {URL} #2: http-500 2 times")
    assert [answer[0] for answer in worker.answers] == [200, 500, 500, 200, 200]


def test_a_call_to_aws_by_hand_is_answered_by_moto(rig: Any) -> None:
    def worker(event: Any, context: Any) -> None:
        import boto3

        s3 = boto3.client("s3")
        s3.put_object(Bucket="the-bucket", Key="k", Body=b"content")
        url = s3.generate_presigned_url("get_object", {"Bucket": "the-bucket", "Key": "k"})
        answers.append(requests.get(url, timeout=5).text)

    answers: list[str] = []
    played = rig.with_handlers(Worker=worker).play()
    assert played.errors == ()
    assert answers == ["content"]
