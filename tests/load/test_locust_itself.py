"""The same file under Locust's own command, and what it must not do."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path

from .conftest import free_port, wait_until

ROOT = Path(__file__).parent.parent.parent


def test_headless_with_a_profile_of_its_options(door, locust):
    server = door()
    ended = locust(
        server,
        "--headless",
        "--storagefirst-load-profile",
        "short",
        "--storagefirst-report",
        "report",
    ).ended()

    assert ended.exit == 0, ended.text
    assert ended.report["ledger"]["attempted"] == len(server.state()["requests"])
    assert "POST /messages from its due moment" in ended.text


def test_the_web_interface_is_on_loopback_and_starts_runs(door, locust):
    server, port = door(), free_port()
    running = locust(
        server,
        *("--web-port", str(port), "--storagefirst-load-profile", "short"),
        *("--storagefirst-report", "report"),
    )
    base = f"http://127.0.0.1:{port}"

    def answers():
        try:
            return urllib.request.urlopen(base, timeout=5).status == 200
        except OSError:
            return False

    def statistics():
        with urllib.request.urlopen(f"{base}/stats/requests", timeout=10) as answer:
            return json.load(answer)

    wait_until(answers, "the web interface answers")
    report = running.folder / "report" / "report.html"
    for profile in ("short", "mixed"):  # one run after the other
        form = {"user_count": 1, "spawn_rate": 1, "storagefirst_load_profile": profile}
        data = urllib.parse.urlencode(form).encode()
        report.unlink(missing_ok=True)
        urllib.request.urlopen(f"{base}/swarm", data=data, timeout=10).close()
        wait_until(report.exists, "the report is written")
        wait_until(lambda: statistics()["state"] == "stopped", "the run is over")
    assert "POST /messages from its due moment" in [one["name"] for one in statistics()["stats"]]
    running.interrupt()
    ended = running.ended()

    mine = [one for one in server.state()["requests"] if one.startswith(ended.report["run"])]
    assert ended.report["profile"] == "mixed"
    assert ended.report["ledger"]["attempted"] == len(mine) == 201
    assert f"http://127.0.0.1:{port}" in ended.text
    assert ended.exit == 0, ended.text


def test_the_plugin_never_imports_locust():
    code = (
        "import sys, pytest_storagefirst, pytest_storagefirst.plugin, pytest_storagefirst.cli; "
        "import pytest_storagefirst.load.command, pytest_storagefirst.load.values; "
        "print([name for name in sys.modules if name.partition('.')[0] in ('locust', 'gevent')])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert answer.stdout.strip() == "[]"


def test_the_files_that_users_edit_go_into_the_wheel():
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    included = re.findall(r'^"load/(.+)" = "pytest_storagefirst/load/files/\1"$', project, re.M)

    assert included == sorted(path.name for path in (ROOT / "load").iterdir() if path.is_file())
