"""`storagefirst up` and `down`, as a user gives them, and what other commands find between them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import textwrap
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from pytest_storagefirst.errors import StorageFirstError, TargetError
from pytest_storagefirst.load import command
from pytest_storagefirst.stack.locating import template_path
from pytest_storagefirst.target import local, starting
from pytest_storagefirst.target.processes import Process
from pytest_storagefirst.target.target import find_target

from .conftest import eventually, items, post, storagefirst

CHARGES = "https://payments.example/charges"


def state_of(folder) -> dict[str, object]:
    return json.loads((folder / ".storagefirst" / "local.json").read_text(encoding="utf-8"))


def processes(folder) -> list[Process]:
    return [Process(**one) for one in state_of(folder)["processes"]]


@pytest.fixture
def folder(tmp_path):
    yield tmp_path
    local.down(tmp_path)


def test_up_tells_where_and_how_and_down_ends_it(folder):
    up = storagefirst(folder, "up", "breaker-in-handler")
    assert up.returncode == 0, up.stderr
    target = find_target("local", folder)
    running = processes(folder)

    url = target.url_of("POST /messages")
    assert f"endpoint: {target.endpoint_url} " in up.stdout
    assert f"'{url}'" in up.stdout
    assert "curl -X POST" in up.stdout
    assert "storagefirst down" in up.stdout

    assert post(url, {"id": "m-1"})[0] == 200
    assert eventually(lambda: items(target, "Table")) == [{"id": {"S": "m-1"}}]
    with urllib.request.urlopen(f"{target.downstream_url}/counts", timeout=10) as answer:
        asked = json.loads(answer.read())["seconds"]
    assert [(one["downstream"], one["taken"]) for one in asked] == [(CHARGES, 1)]

    again = storagefirst(folder, "up", "blueprint:api-queue-table")
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("the target that was up is ended")
    assert find_target("local", folder).stack_name == "api-queue-table"
    assert not any(one.is_alive() for one in running)

    running = processes(folder)
    assert storagefirst(folder, "down").stdout == "the local target is down\n"
    assert not any(one.is_alive() for one in running)
    assert storagefirst(folder, "down").stdout == "nothing was up\n"
    with pytest.raises(TargetError, match=r"no local target is up(.|\n)*storagefirst up"):
        find_target("local", folder)


def test_the_folders_own_template_with_its_settings_and_parameters(folder):
    shutil.copytree(template_path("blueprint:load-levelling").parent, folder, dirs_exist_ok=True)

    made = local.up(None, {"PerSecond": "8"}, folder)

    assert made.template == folder / "template.yaml"
    [function] = made.target.topology().functions
    assert function.environment["PER_SECOND"] == "8"
    assert "/partner.example/calls" in function.environment["DOWNSTREAM_URL"]
    found = find_target("local", folder).settings
    assert (found.downstreams[0].per_second, found.parameters) == (4, {"PerSecond": "8"})


def test_nobody_from_outside_can_reach_it(folder):
    local.up("iot-queue-table", {}, folder)
    inodes = {
        link.readlink().name
        for process in processes(folder)
        for link in Path(f"/proc/{process.pid}/fd").iterdir()
        if link.is_symlink() and link.readlink().name.startswith("socket:")
    }
    listening = [
        (fields[1].partition(":")[0], fields[1])
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if (fields := line.split())[3] == "0A" and f"socket:[{fields[9]}]" in inodes
    ]

    assert len(listening) == 2
    assert {address for address, _ in listening} == {"0100007F"}  # 127.0.0.1, its bytes turned


def test_one_that_ended_by_itself_is_told(folder):
    local.up("api-queue-table", {}, folder)
    emulator = processes(folder)[1]
    os.kill(emulator.pid, signal.SIGKILL)
    assert eventually(lambda: not emulator.is_alive())

    with pytest.raises(TargetError, match="the process of the emulator is gone"):
        find_target("local", folder)
    assert local.down(folder)  # the third parties' process ran on


def test_a_process_that_got_the_id_of_ours_is_not_ended(folder):
    local.up("api-queue-table", {}, folder)
    ours = processes(folder)
    place = folder / ".storagefirst" / "local.json"
    kept = place.read_text(encoding="utf-8")
    told = json.loads(kept)
    for one in told["processes"]:
        one["started"] = "before all time"
    place.write_text(json.dumps(told), encoding="utf-8")

    assert not local.down(folder)
    assert all(one.is_alive() for one in ours)
    place.write_text(kept, encoding="utf-8")
    assert local.down(folder)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 2}', '{"version": 1, "x": 1}'])
def test_a_state_that_can_not_be_read_is_told(tmp_path, text):
    (tmp_path / ".storagefirst").mkdir()
    (tmp_path / ".storagefirst" / "local.json").write_text(text)

    for asked in (local.down, local.local_target):
        with pytest.raises(TargetError, match=r"local.json: can't be read"):
            asked(tmp_path)


def test_ctrl_c_leaves_nothing_running(folder, monkeypatch):
    started: list[Process] = []

    def interrupted(*_):
        started.extend(processes(folder))
        raise KeyboardInterrupt

    monkeypatch.setattr(local, "deploy", interrupted)
    with pytest.raises(KeyboardInterrupt):
        local.up("api-queue-table", {}, folder)

    assert len(started) == 2
    assert not any(one.is_alive() for one in started)
    assert not (folder / ".storagefirst" / "local.json").exists()


def test_what_answers_in_place_of_the_emulator_is_told():
    class Another(BaseHTTPRequestHandler):
        server_version = "Another/1"

        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"It works!")

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Another) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        told = starting.amiss_at(url)
    assert told.startswith(f"at {url} Another/1 ")
    assert told.endswith(" answers, with 200, which is no ministack")
    assert "nothing answers as expected" in starting.amiss_at(url)


def test_a_load_run_without_a_target_starts_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command.subprocess, "Popen", None)

    with pytest.raises(TargetError, match="no local target is up"):
        command.run_load(command.Asked("smoke", "local"))


# --- what can't be deployed ---------------------------------------------------------------------


def written(folder, text: str):
    path = folder / "template.yaml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def test_a_failure_leaves_nothing_running(folder):
    written(
        folder,
        """
        Resources:
          Queue:
            Type: AWS::SQS::Queue
            Properties:
              MessageRetentionPeriod: 5
        """,
    )
    up = storagefirst(folder, "up")

    assert up.returncode == 5
    assert "Traceback" not in up.stderr
    assert not (folder / ".storagefirst" / "local.json").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nothing.yaml",), "no such template or blueprint"),
        (("api-queue-tabel",), "api-queue-tabel: no such template or blueprint"),
        (("blueprint:api-que",), "no blueprint 'api-que'"),
        (("api-queue-table", "--parameter", "Size=1"), "the template has no parameter Size"),
        (("api-queue-table", "--parameter", "Size"), "is not NAME=VALUE"),
    ],
)
def test_bad_input_gets_one_clear_line_and_starts_nothing(tmp_path, arguments, told):
    up = storagefirst(tmp_path, "up", *arguments)

    assert up.returncode == 5
    assert told in up.stderr.splitlines()[0]
    assert not (tmp_path / ".storagefirst").exists()


def test_without_the_emulator_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(starting.util, "find_spec", lambda _: None)
    with pytest.raises(TargetError, match=r"not installed(.|\n)*pytest-storagefirst\[local\]"):
        local.up("api-queue-table", {}, tmp_path)

    monkeypatch.setattr(starting.util, "find_spec", lambda _: True)
    monkeypatch.setattr(starting.metadata, "version", lambda _: "1.4.99")
    with pytest.raises(TargetError, match=r"ministack 1.4.99"):
        local.up("api-queue-table", {}, tmp_path)


def test_a_folder_that_can_not_be_written_is_told(tmp_path):
    (tmp_path / ".storagefirst").write_text("a file in the way")

    with pytest.raises(TargetError, match=r"local.json: can't be read"):
        local.up("api-queue-table", {}, tmp_path)


def test_an_emulator_that_does_not_start_is_told_with_its_last_words(tmp_path, monkeypatch):
    (tmp_path / "ministack.py").write_text("raise SystemExit('no heart to start')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")

    with pytest.raises(TargetError, match=r"does not start(.|\n)*found"):
        local.up("api-queue-table", {}, tmp_path)
    assert local.down(tmp_path) is False


# --- words --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "stack_name"),
    [("orders", "orders"), ("My Orders_2", "my-orders-2"), ("2nd", "stack-2nd"), ("é", "stack")],
)
def test_the_stack_is_named_for_the_templates_folder(tmp_path, name, stack_name):
    assert local.stack_name_of(tmp_path / name / "template.yaml") == stack_name


def test_the_stack_of_a_cdk_app_has_the_templates_name(tmp_path):
    (tmp_path / "cdk.out").write_text("{}")
    assert local.stack_name_of(tmp_path / "OrdersStack.template.json") == "ordersstack"


def test_which_template_is_meant(tmp_path):
    assert local.which(None, tmp_path) == template_path(local.DEFAULT)
    assert local.which("topic-fanout", tmp_path) == template_path("blueprint:topic-fanout")
    (tmp_path / "template.yml").touch()
    assert local.which(None, tmp_path) == tmp_path / "template.yml"
    assert local.which("template.yml", tmp_path) == tmp_path / "template.yml"
    with pytest.raises(StorageFirstError, match="no such template") as raised:
        local.which("topic-fanuot", tmp_path)
    assert raised.value.remedy == 'write "topic-fanout"'
