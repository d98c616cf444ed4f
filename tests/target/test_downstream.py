"""The third parties' server, in a thread of this process."""

from __future__ import annotations

import http.client
import json
import threading

import pytest

from pytest_storagefirst.settings import Downstream, Reply
from pytest_storagefirst.target.downstream import make_server

CHARGES = "https://payments.example/charges"


@pytest.fixture
def port():
    server = make_server([Downstream(CHARGES, "POST", Reply(200, json={"ok": True}))])
    serving = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    serving.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    serving.join()


def ask(port: int, method: str, path: str, body: object = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_it_is_called_by_the_third_partys_name(port):
    assert ask(port, "POST", "/payments.example/charges", {"id": 1}) == (200, b'{"ok": true}')
    status, body = ask(port, "GET", "/_storagefirst/counts")

    assert status == 200
    assert [(one["downstream"], one["taken"]) for one in json.loads(body)["seconds"]] == [
        (CHARGES, 1)
    ]


def test_an_outage_ends_the_connection_without_an_answer(port):
    told = {"script": ["outage 60 s"], "url": "https://payments.example"}
    assert ask(port, "POST", "/_storagefirst/script", told)[0] == 200

    with pytest.raises(ConnectionError):
        ask(port, "POST", "/payments.example/charges", {})

    ask(port, "POST", "/_storagefirst/script", {"script": ["healthy"]})
    assert ask(port, "POST", "/payments.example/charges", {})[0] == 200


def test_as_a_proxy_it_keeps_calls_on_this_machine(port):
    assert ask(port, "POST", CHARGES.replace("https", "http"), {}) == (200, b"{}")

    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10)
    connection.set_tunnel("other.example")
    with pytest.raises(OSError, match="403"):
        connection.request("GET", "/")
    connection.close()

    counts = json.loads(ask(port, "GET", "/_storagefirst/counts")[1])["seconds"]
    assert ("https://other.example", 1) in [(one["downstream"], one["refused"]) for one in counts]


@pytest.mark.parametrize(
    "told", [{}, [], {"script": "outage"}, {"script": ["outage"]}, {"script": [], "url": 1}, "x"]
)
def test_what_is_no_script_is_refused(port, told):
    status, body = ask(port, "POST", "/_storagefirst/script", told)

    assert status == 400
    assert json.loads(body)["error"]


def test_an_unknown_control_is_told_what_there_is(port):
    assert ask(port, "GET", "/_storagefirst/nothing")[0] == 404
    assert json.loads(ask(port, "GET", "/_storagefirst/health")[1]) == {
        "storagefirst": "downstream"
    }
