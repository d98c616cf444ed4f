"""HTTP without a network: every client gets answers and raises what it raises in production."""

from __future__ import annotations

import http.client
import importlib
import json
import random
import socket
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.simulation import isolation, wire

urllib3 = pytest.importorskip("urllib3")
requests = pytest.importorskip("requests")
httpx = pytest.importorskip("httpx")

URL = "https://payments.example/charge?id=7"


class Simulation:
    """The least that isolation needs: a clock, a generator and ears."""

    def __init__(self) -> None:
        self.random = random.Random(1)
        self.ms = 0
        self.told: list[tuple[str, int]] = []
        self.errors: list[Exception] = []

    def sleep(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)

    def monotonic_ns(self) -> int:
        return self.ms * 1_000_000

    def environment(self) -> str:
        return "Worker"

    def refused(self, host: str, port: int) -> None:
        self.told.append((host, port))

    def refuse(self, error: Exception) -> None:
        self.errors.append(error)


class Other:
    """The other side: answers what it is told to, one after the other, and remembers the calls."""

    def __init__(self, *outcomes: wire.HttpAnswer | type[wire.WireFault] | Exception) -> None:
        self.outcomes = list(outcomes)
        self.calls: list[wire.HttpCall] = []
        self.simulation = Simulation()

    def __call__(self, call: wire.HttpCall) -> wire.HttpAnswer:
        self.calls.append(call)
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, wire.HttpAnswer):
            return outcome
        raise outcome

    @contextmanager
    def at_work(self) -> Iterator[Other]:
        with isolation.isolated(self.simulation, 1), wire.intercept(self):
            yield self


OK = wire.HttpAnswer(200, {"X-Trace": "t", "Content-Type": "application/json"}, b'{"ok": true}')

Answered = tuple[int, Any, bytes]


def by_http_client(url: str, body: bytes = b"", timeout: float | None = None) -> Answered:
    _, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    kind = http.client.HTTPSConnection if url.startswith("https") else http.client.HTTPConnection
    connection = kind(host, timeout=timeout)
    connection.request("POST", f"/{path}", body, {"X-Key": "k"})
    response = connection.getresponse()
    return response.status, response.headers, response.read()


def by_urllib(url: str, body: bytes = b"", timeout: float | None = None) -> Answered:
    request = urllib.request.Request(url, body, {"X-Key": "k"}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def by_urllib3(url: str, body: bytes = b"", timeout: float | None = None) -> Answered:
    with urllib3.PoolManager() as pool:
        response = pool.request(
            "POST", url, body=body, headers={"X-Key": "k"}, timeout=timeout, retries=False
        )
        return response.status, response.headers, response.data


def by_requests(url: str, body: bytes = b"", timeout: float | None = None) -> Answered:
    response = requests.post(url, data=body, headers={"X-Key": "k"}, timeout=timeout)
    return response.status_code, response.headers, response.content


def by_httpx(url: str, body: bytes = b"", timeout: float | None = None) -> Answered:
    with httpx.Client() as client:
        response = client.post(url, content=body, headers={"X-Key": "k"}, timeout=timeout)
    return response.status_code, response.headers, response.content


def by_async_httpx(url: str, body: bytes = b"", timeout: float | None = None) -> Answered:
    import asyncio

    async def post() -> Any:
        async with httpx.AsyncClient() as client:
            return await client.post(url, content=body, headers={"X-Key": "k"}, timeout=timeout)

    response = asyncio.run(post())
    return response.status_code, response.headers, response.content


def by_botocore(url: str, body: bytes = b"", timeout: float | None = None) -> Answered:
    from botocore.awsrequest import AWSRequest
    from botocore.httpsession import URLLib3Session

    session = URLLib3Session(timeout=timeout or 60)
    response = session.send(AWSRequest("POST", url, {"X-Key": "k"}, data=body).prepare())
    return response.status_code, response.headers, response.content


CLIENTS: dict[str, Callable[..., Answered]] = {
    "http.client": by_http_client,
    "urllib": by_urllib,
    "urllib3": by_urllib3,
    "requests": by_requests,
    "httpx": by_httpx,
    "async httpx": by_async_httpx,
    "botocore": by_botocore,
}


def expected(client: str, fault: type[wire.WireFault]) -> type[BaseException]:
    """What the client's own documentation says it raises for such a failure."""
    import botocore.exceptions as aws

    u3, rq = urllib3.exceptions, requests.exceptions
    version_2 = int(urllib3.__version__.split(".")[0]) >= 2
    refused, unknown, connect, reset, read = (
        wire.ConnectionRefused,
        wire.NameNotFound,
        wire.ConnectTimeout,
        wire.ConnectionResetAfterEffect,
        wire.ReadTimeout,
    )
    kinds: dict[str, dict[type[wire.WireFault], type[BaseException]]] = {
        "http.client": {
            refused: ConnectionRefusedError,
            unknown: socket.gaierror,
            connect: TimeoutError,
            reset: http.client.RemoteDisconnected,
            read: TimeoutError,
        },
        "urllib": {
            refused: urllib.error.URLError,
            unknown: urllib.error.URLError,
            connect: urllib.error.URLError,
            reset: http.client.RemoteDisconnected,
            read: TimeoutError,
        },
        "urllib3": {
            refused: u3.NewConnectionError,
            unknown: u3.NameResolutionError if version_2 else u3.NewConnectionError,
            connect: u3.ConnectTimeoutError,
            reset: u3.ProtocolError,
            read: u3.ReadTimeoutError,
        },
        "requests": {
            refused: rq.ConnectionError,
            unknown: rq.ConnectionError,
            connect: rq.ConnectTimeout,
            reset: rq.ConnectionError,
            read: rq.ReadTimeout,
        },
        "httpx": {
            refused: httpx.ConnectError,
            unknown: httpx.ConnectError,
            connect: httpx.ConnectTimeout,
            reset: httpx.RemoteProtocolError,
            read: httpx.ReadTimeout,
        },
        "botocore": {
            refused: aws.EndpointConnectionError,
            unknown: aws.EndpointConnectionError,
            connect: aws.ConnectTimeoutError,
            reset: aws.ConnectionClosedError,
            read: aws.ReadTimeoutError,
        },
    }
    return kinds[client.removeprefix("async ")][fault]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_call_is_answered(client: str) -> None:
    with Other(OK).at_work() as other:
        status, headers, body = CLIENTS[client](URL, b'{"amount": 12}')
    assert (status, headers["X-Trace"], json.loads(body)) == (200, "t", {"ok": True})
    (call,) = other.calls
    assert (call.method, call.url, call.body) == ("POST", URL, b'{"amount": 12}')
    assert call.headers["x-key"] == "k"
    assert not other.simulation.told


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("status", [201, 204, 404, 429, 500])
def test_any_status_arrives(client: str, status: int) -> None:
    with Other(wire.HttpAnswer(status, {"Content-Length": "999"}, b"why")).at_work():
        answered, _, body = CLIENTS[client](URL)
    assert (answered, body) == (status, b"" if status == 204 else b"why")


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    "fault",
    [
        wire.ConnectionRefused,
        wire.NameNotFound,
        wire.ConnectTimeout,
        wire.ConnectionResetAfterEffect,
        wire.ReadTimeout,
    ],
)
def test_a_fault_is_the_clients_own_exception(client: str, fault: type[wire.WireFault]) -> None:
    with Other(fault).at_work() as other:
        try:
            CLIENTS[client](URL, b"x", timeout=4)
        except Exception as error:
            raised: BaseException = error
        else:
            pytest.fail("nothing was raised")
        elapsed_ms = other.simulation.ms
    assert type(raised) is expected(client, fault)
    assert len(other.calls) == 1
    waits = fault in (wire.ConnectTimeout, wire.ReadTimeout)
    assert elapsed_ms == (4000 if waits else 0)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_slow_answer_takes_its_time(client: str) -> None:
    with Other(wire.HttpAnswer(200, {}, b"late", delay_seconds=3)).at_work() as other:
        assert CLIENTS[client](URL, timeout=5)[2] == b"late"
        assert other.simulation.ms == 3000


@pytest.mark.parametrize("client", CLIENTS)
def test_an_answer_slower_than_the_read_timeout_is_given_up(client: str) -> None:
    with Other(wire.HttpAnswer(200, {}, b"late", delay_seconds=30)).at_work() as other:
        with pytest.raises(expected(client, wire.ReadTimeout)):
            CLIENTS[client](URL, timeout=5)
        assert other.simulation.ms == 5000


def test_without_a_timeout_a_client_waits_longer_than_any_lambda() -> None:
    with Other(wire.ReadTimeout).at_work() as other:
        with pytest.raises(TimeoutError):
            by_http_client(URL)
        assert other.simulation.ms > 900_000


@pytest.mark.parametrize("client", CLIENTS)
def test_whoever_answers_may_raise_what_it_likes(client: str) -> None:
    class End(BaseException):
        pass

    with Other(End()).at_work(), pytest.raises(End):  # type: ignore[arg-type]
        CLIENTS[client](URL)


def test_requests_retries_run_for_real() -> None:
    unavailable = wire.HttpAnswer(503, {"Retry-After": "7"})
    faults = [wire.ConnectionRefused, wire.ConnectTimeout, wire.ReadTimeout]
    with Other(*faults, wire.ConnectionResetAfterEffect, unavailable, OK).at_work() as other:
        session = requests.Session()
        retries = urllib3.util.Retry(
            total=5, backoff_factor=1, status_forcelist=[503], allowed_methods=None
        )
        session.mount("https://", requests.adapters.HTTPAdapter(max_retries=retries))
        assert session.post(URL, timeout=(1, 2)).status_code == 200
    assert len(other.calls) == 6
    # no pause after the first failure, then 2, 4 and 8 s; 1 s to connect, 2 s to read; 7 s told
    assert other.simulation.ms == (2 + 4 + 8 + 1 + 2 + 7) * 1000


def test_requests_gives_up_when_its_retries_are_used_up() -> None:
    with Other(wire.ConnectionRefused).at_work() as other:
        session = requests.Session()
        session.mount("https://", requests.adapters.HTTPAdapter(max_retries=2))
        with pytest.raises(requests.exceptions.ConnectionError, match="Max retries exceeded"):
            session.get(URL)
    assert len(other.calls) == 3


def test_urllib3_does_not_send_a_post_again_once_it_may_have_arrived() -> None:
    fails = pytest.raises(urllib3.exceptions.ProtocolError)
    with Other(wire.ConnectionResetAfterEffect, OK).at_work() as other, fails:
        urllib3.PoolManager().request("POST", URL, retries=urllib3.util.Retry(total=3))
    assert len(other.calls) == 1


@pytest.mark.parametrize("kind", ["Client", "AsyncClient"])
def test_httpx_retries_connections_only(kind: str) -> None:
    import asyncio

    def get(*outcomes: Any) -> tuple[Any, Other]:
        with Other(*outcomes).at_work() as other:
            if kind == "Client":
                client = httpx.Client(transport=httpx.HTTPTransport(retries=3))
                return client.get(URL).status_code, other

            async def fetch() -> Any:
                transport = httpx.AsyncHTTPTransport(retries=3)
                async with httpx.AsyncClient(transport=transport) as client:
                    return await client.get(URL)

            return asyncio.run(fetch()).status_code, other

    refused = wire.ConnectionRefused
    status, other = get(refused, refused, refused, OK)
    assert (status, len(other.calls), other.simulation.ms) == (200, 4, 1500)
    with pytest.raises(httpx.ReadTimeout):
        get(wire.ReadTimeout, OK)
    with pytest.raises(httpx.ConnectError):
        get(refused)


def test_urls_name_host_scheme_port_and_query() -> None:
    with Other(OK).at_work() as other:
        by_http_client("http://a.example/x?y=1")
        by_http_client("http://a.example:8080/x")
        by_urllib3("https://a.example:8443/x")
        by_requests("http://[::1]:80/x")
        by_httpx("https://a.example:443/%C3%A9")
    assert [call.url for call in other.calls] == [
        "http://a.example/x?y=1",
        "http://a.example:8080/x",
        "https://a.example:8443/x",
        "http://[::1]/x",
        "https://a.example/%C3%A9",
    ]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("client", ["urllib", "requests", "httpx", "botocore"])
def test_proxies_of_the_environment_are_never_contacted(
    client: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    with Other(OK).at_work() as other:
        assert CLIENTS[client](f"{scheme}://shop.example/x")[0] == 200
    assert [call.url for call in other.calls] == [f"{scheme}://shop.example/x"]
    assert not other.simulation.told


def test_a_fault_behind_a_proxy_is_not_blamed_on_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    if urllib3.__version__.startswith("1."):
        pytest.skip("urllib3 1 blames the proxy for every failure behind it")
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    fails = pytest.raises(requests.exceptions.ConnectionError)
    with Other(wire.ConnectionResetAfterEffect).at_work(), fails as caught:
        by_requests(URL)
    assert not isinstance(caught.value, requests.exceptions.ProxyError)


def test_no_warning_of_an_unverified_host() -> None:
    with Other(OK).at_work(), warnings.catch_warnings():
        warnings.simplefilter("error")
        requests.get(URL, verify=True)


def test_certificates_are_loaded_once_they_are_used(tmp_path: Path) -> None:
    import certifi

    with Other(OK).at_work():
        context = ssl.create_default_context(cafile=certifi.where())
        by_default = ssl.create_default_context()
        with pytest.raises(FileNotFoundError):
            ssl.create_default_context(cafile=tmp_path / "missing.pem")
        assert "_put_off" in vars(by_default)
    assert "_put_off" in vars(context)
    assert len(context.get_ca_certs()) > 50
    assert "_put_off" not in vars(context)
    outside = ssl.create_default_context(cafile=certifi.where())
    assert outside.cert_store_stats() == context.cert_store_stats()
    by_default.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="a.example")
    assert "_put_off" not in vars(by_default)


def test_bodies_of_every_shape_arrive_whole() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"one "
        yield b"0\r\n\r\n"
        yield b" two"

    whole = b"one 0\r\n\r\n two"
    with Other(OK).at_work() as other:
        requests.post(URL, data=pieces())
        urllib3.PoolManager().request("POST", URL, body=pieces())
        httpx.post(URL, content=pieces())
        connection = http.client.HTTPSConnection("payments.example")
        connection.request("POST", "/", pieces(), encode_chunked=True)
        connection.getresponse().read()
        requests.post(URL, data=b"x" * 3_000_000)
        requests.post(URL, files={"file": ("a.txt", b"content")})
    assert [call.body for call in other.calls[:4]] == [whole] * 4
    assert len(other.calls[4].body) == 3_000_000
    assert b"content" in other.calls[5].body


def test_head_and_encoded_answers() -> None:
    import gzip

    packed = wire.HttpAnswer(200, {"Content-Encoding": "gzip"}, gzip.compress(b"plain"))
    with Other(packed).at_work():
        assert requests.head(URL).content == b""
        assert requests.get(URL).content == b"plain"
        assert httpx.get(URL).content == b"plain"
        assert httpx.head(URL).status_code == 200


def test_answers_can_be_streamed() -> None:
    lines = wire.HttpAnswer(200, {}, b"a\nb\nc")
    with Other(lines).at_work():
        with requests.get(URL, stream=True) as response:
            assert list(response.iter_lines()) == [b"a", b"b", b"c"]
        with httpx.stream("GET", URL) as streamed:
            assert list(streamed.iter_lines()) == ["a", "b", "c"]


def test_redirects_are_followed_by_the_client() -> None:
    moved = wire.HttpAnswer(302, {"Location": "https://other.example/new"})
    with Other(moved, OK).at_work() as other:
        assert requests.get(URL).status_code == 200
    assert [call.url for call in other.calls] == [URL, "https://other.example/new"]


def test_a_connection_serves_many_requests() -> None:
    with Other(OK).at_work() as other:
        connection = http.client.HTTPSConnection("payments.example")
        session = requests.Session()
        for _ in range(3):
            connection.request("GET", "/")
            assert connection.getresponse().read() == OK.body
            assert session.get(URL).json() == {"ok": True}
    assert len(other.calls) == 6


def test_a_refused_connection_can_be_tried_again() -> None:
    with Other(wire.ConnectionRefused, OK).at_work():
        connection = http.client.HTTPSConnection("payments.example")
        with pytest.raises(ConnectionRefusedError):
            connection.request("GET", "/")
        connection.close()
        connection.request("GET", "/")
        assert connection.getresponse().status == 200


def test_botocore_gets_leave_to_send_its_body() -> None:
    from botocore.awsrequest import AWSRequest
    from botocore.httpsession import URLLib3Session

    with Other(OK).at_work() as other:
        request = AWSRequest("PUT", URL, {"Expect": b"100-continue"}, data=b"object")
        assert URLLib3Session().send(request.prepare()).status_code == 200
    assert other.calls[0].body == b"object"


class _Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"real")

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def real_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_clients_go_to_the_network_before_and_after(real_url: str) -> None:
    session, pool, client = requests.Session(), urllib3.PoolManager(), httpx.Client()
    host = real_url.split("/")[2]
    connection = http.client.HTTPConnection(host)

    def ask_all() -> list[bytes]:
        connection.request("GET", "/")
        return [
            connection.getresponse().read(),
            session.get(real_url).content,
            pool.request("GET", real_url).data,
            client.get(real_url).content,
        ]

    # Each keeps its connection alive, into the simulation and out of it.
    assert ask_all() == [b"real"] * 4
    with Other(OK).at_work() as other:
        assert ask_all() == [OK.body] * 4
        assert [call.url for call in other.calls] == [real_url] * 4
    assert ask_all() == [b"real"] * 4
    connection.close()
    session.close()
    pool.clear()
    client.close()


def test_httpx_goes_to_the_network_asynchronously_too(real_url: str) -> None:
    import asyncio

    wire.install()

    async def fetch() -> Any:
        async with httpx.AsyncClient() as client:
            return await client.get(real_url)

    assert asyncio.run(fetch()).content == b"real"


def test_other_threads_keep_their_network(real_url: str) -> None:
    started, go_on, got = threading.Event(), threading.Event(), []

    def outside() -> None:
        started.set()
        go_on.wait()
        got.append(requests.get(real_url).content)

    thread = threading.Thread(target=outside)
    thread.start()
    started.wait()
    with Other(OK).at_work():
        go_on.set()
        while not got:
            pass
    thread.join()
    assert got == [b"real"]


def test_all_is_as_it_was_after_uninstall() -> None:
    with Other(OK).at_work():
        pass
    wire.uninstall()
    try:
        assert http.client.HTTPConnection.send.__module__ == "http.client"
        for kind in (
            http.client.HTTPConnection.connect,
            http.client.HTTPSConnection.connect,
            urllib3.connection.HTTPConnection.connect,
            urllib3.connection.HTTPSConnection.connect,
            httpx.HTTPTransport.handle_request,
        ):
            assert not hasattr(kind, "__wrapped__")
        assert "load_verify_locations" not in vars(ssl.SSLContext)
    finally:
        wire.install()
    assert hasattr(http.client.HTTPConnection.connect, "__wrapped__")


LATE = """
import random
from pytest_storagefirst.simulation import isolation, wire

class Simulation:
    random = random.Random(1)
    sleep = environment = refused = refuse = None

    def monotonic_ns(self):
        return 0

def respond(call):
    return wire.HttpAnswer(200, {}, b"served")

with isolation.isolated(Simulation(), 1), wire.intercept(respond):
    import sys
    assert not {"httpx", "urllib3.connection"} & set(sys.modules)
    import httpx, urllib3
    print(httpx.get("https://a.example").text)
    print(urllib3.PoolManager().request("GET", "https://b.example").data)
"""


def test_clients_imported_by_the_handler_are_served() -> None:
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("served\nb'served'\n", "")


def test_another_copy_of_urllib3_is_served_too(monkeypatch: pytest.MonkeyPatch) -> None:
    wire.install()
    monkeypatch.delitem(sys.modules, "urllib3.connection")
    monkeypatch.setattr(urllib3, "connection", urllib3.connection)
    copy = importlib.import_module("urllib3.connection")
    assert copy.HTTPConnection is not urllib3.connectionpool.HTTPConnection
    with Other(OK).at_work():
        connection = copy.HTTPSConnection("payments.example")
        connection.request("GET", "/")
        assert connection.getresponse().status == 200


def test_a_request_may_come_in_pieces_and_too_long() -> None:
    with Other(OK).at_work() as other:
        connection = http.client.HTTPConnection("a.example")
        connection.connect()
        for piece in (b"POST / HT", b"TP/1.1\r\nContent-Length: 2\r\n", b"\r\nab", b"surplus"):
            connection.send(piece)
        response = http.client.HTTPResponse(connection.sock)
        response.begin()
        assert response.read() == OK.body
    assert [call.body for call in other.calls] == [b"ab"]


def test_a_client_that_is_not_served_is_refused_and_told() -> None:
    """One that opens its connections by asyncio, as aiohttp does."""
    import asyncio

    with Other(OK).at_work() as other, pytest.raises(socket.gaierror):
        asyncio.run(asyncio.open_connection("a.example", 443))
    assert other.simulation.told == [("a.example", 443)]
