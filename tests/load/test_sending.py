"""What each way of failing lets a sender conclude, tried over real connections.

In a process of its own: what is imported there patches sockets.
"""

from __future__ import annotations

import datetime
import ipaddress
import json
import socket
import subprocess
import sys

import pytest

from .conftest import free_port

SCRIPT = """
import json, sys
from locust import events
from pytest_storagefirst.load.http_client import NoAnswer, NotSent
from pytest_storagefirst.load.plan import Plan, Way
from pytest_storagefirst.load.profiles import Phase, Profile
from pytest_storagefirst.load.sending import sending

profile = Profile("p", "", (Phase("act", 1, 1, 1),), (), timeout_seconds=1.0)
for one in json.loads(sys.argv[1]):
    send = sending(Plan("r1", profile, Way("entry", **one), ("local",)))
    for _ in range(2):
        try:
            print(send("r1-0-1", "good").outcome.decode())
        except NotSent as error:
            print("not sent:", error)
        except NoAnswer as error:
            print("no answer:", error)
"""


def concluded(**way):
    """What two sends of a message conclude."""
    answer = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps([way])],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.splitlines()


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, ["a", "a"]),
        ({"status": 403}, ["r", "r"]),
        ({"status": 503}, ["u", "u"]),
        ({"reset_every": 1}, ["no answer: the connection was closed before an answer"] * 2),
        ({"stall_s": 9}, ["no answer: timed out after 1 s"] * 2),
    ],
)
def test_a_front_door(door, told, expected):
    url = f"{door(**told).url}/messages"

    assert concluded(url=url, body='{"id": "{unique}"}') == expected


def test_the_id_stands_in_the_path_and_in_headers_too():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/orders/{{unique}}"
        running = subprocess.Popen(
            [
                sys.executable,
                "-c",
                SCRIPT,
                json.dumps([{"url": url, "headers": {"Key": "k-{unique}"}}]),
            ]
        )
        connection, _ = listening.accept()
        told = connection.recv(10_000)
        connection.close()
        running.kill()
        running.wait()

    assert told.startswith(b"POST /orders/r1-0-1 HTTP/1.1\r\n")
    assert b"\r\nKey: k-r1-0-1\r\n" in told


def test_nobody_listens():
    found = concluded(url=f"http://127.0.0.1:{free_port()}/", body="{unique}")

    assert all(line.startswith("not sent: no connection to 127.0.0.1") for line in found)


def test_somebody_listens_and_never_takes_the_connection():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        address = listening.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:  # the queue of the listener is full
            one.setblocking(False)
            one.connect_ex(address)
        found = concluded(url=f"http://127.0.0.1:{address[1]}/", body="{unique}")
        for one in waiting:
            one.close()

    assert found == ["not sent: connecting timed out after 1 s"] * 2


def test_a_certificate_that_nobody_vouches_for(tmp_path):
    server = subprocess.Popen(
        [sys.executable, "-c", TLS_SERVER, *map(str, certificate(tmp_path))],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        port = server.stdout.readline().strip()
        found = concluded(url=f"https://127.0.0.1:{port}/", body="{unique}")
    finally:
        server.kill()
        server.communicate()

    assert all("certificate verify failed" in line for line in found)
    assert all(line.startswith("not sent: ") for line in found)


TLS_SERVER = """
import http.server, ssl, sys
server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(*sys.argv[1:])
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


def certificate(folder):
    """A certificate for 127.0.0.1 that is signed by itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    host = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([host]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"says": {"MessageId": "1"}}, "a"),
        ({"says": {"__type": "AccessDenied", "message": "no"}, "status": 403}, "r"),
        ({"says": {"__type": "InternalError", "message": "no"}, "status": 500}, "u"),
        ({"reset_every": 1}, "no answer"),
        ({"stall_s": 9}, "no answer"),
    ],
)
def test_a_producers_call(door, told, expected):
    """Each send is one call: the SDK does not repeat it."""
    server = door(**told)
    found = concluded(**queue(server.url))

    assert [line.partition(":")[0] for line in found] == [expected] * 2
    assert sum(server.state()["requests"].values()) == 2


def test_a_producer_that_reaches_nobody():
    found = concluded(**queue(f"http://127.0.0.1:{free_port()}"))

    assert all(line.startswith("not sent: Could not connect") for line in found)


def queue(url):
    return {
        "url": url,
        "service": "sqs",
        "operation": "send_message",
        "parameters": {"QueueUrl": f"{url}/1/queue", "MessageBody": '{"id": "{unique}"}'},
        "region": "eu-west-1",
        "credentials": {"aws_access_key_id": "1", "aws_secret_access_key": "2"},
    }
