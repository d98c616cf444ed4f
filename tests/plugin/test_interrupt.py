"""Ctrl-C: what was found by then is told, written and never passed off as the whole."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals to process groups")
WORKERS = pytest.mark.parametrize("workers", ["-n0", "-n2"])
PATIENCE_SECONDS = 60


def interrupted(project, *arguments: str, to_group: bool = True) -> subprocess.Popen[str]:
    """pytest, interrupted when the engine says that it waits; done, with its output read."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "storagefirst", *arguments],
        cwd=project.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # In a job that runs in the background it may be ignored, and would stay so.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    wait_for(project.path / "waiting", process)
    (os.killpg if to_group else os.kill)(process.pid, signal.SIGINT)
    process.output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    return process


def wait_for(file: Path, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not file.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until, "the engine never came to wait"
        time.sleep(0.02)


def properties(project):
    (stack,) = project.report()["stacks"]
    return stack, {one["name"]: (one["verdict"], one["why"]) for one in stack["properties"]}


@WORKERS
def test_what_was_found_is_reported(project, workers):
    project.write("template.yaml")
    project.behaves(
        {
            "template.yaml": {
                "wait": "running",
                "no-message-loss": ["violated", "m1 was acknowledged and is lost"],
                "order-preserved": ["not-applicable", "no FIFO queue"],
            }
        }
    )

    process = interrupted(project, workers, "template.yaml", "--storagefirst-report=out")

    assert process.returncode == pytest.ExitCode.INTERRUPTED
    stack, found = properties(project)
    assert stack["interrupted"] is True
    assert found["no-message-loss"] == ("violated", "m1 was acknowledged and is lost")
    assert found["order-preserved"] == ("not-applicable", "no FIFO queue")
    assert found["drains"] == ("unknown", "interrupted after 214 runs, all of them ok")
    witness = stack["properties"][0]["witness"]
    assert (project.path / "out" / witness).exists()
    for line in (
        "template.yaml: 214 runs, 71 faults tried in 1.2 s, interrupted; violated: no-message-loss",
        "no-message-loss: m1 was acknowledged and is lost\n  0.000  m1 sent to POST /orders\n",
        "replay of no-message-loss: out/replays/template.yaml-no-message-loss.json",
        "report: out/report.html (report.json beside it)",
        "KeyboardInterrupt",
    ):
        assert line in process.output
    assert "Traceback" not in process.output
    assert "passed" not in process.output
    assert not (project.path / "swallowed").exists()


def test_one_process_alone_is_interrupted_and_its_workers_with_it(project):
    """As by a CI runner that signals what it started, and not the group."""
    project.write("template.yaml")
    project.behaves({"template.yaml": {"wait": "running", "drains": ["violated", "it spins"]}})

    process = interrupted(project, "-n2", "template.yaml", to_group=False)

    assert process.returncode == pytest.ExitCode.INTERRUPTED
    assert "interrupted; violated: drains; unknown: no-message-loss" in process.output
    assert "drains: it spins\n  0.000  m1 sent to POST /orders\n" in process.output


@WORKERS
def test_while_a_stack_is_stood_up_there_is_nothing_to_tell_yet(project, workers):
    project.write("template.yaml")
    project.behaves({"template.yaml": {"wait": "standing up"}})

    process = interrupted(project, workers, "template.yaml", "--storagefirst-report=out")

    assert process.returncode == pytest.ExitCode.INTERRUPTED
    stack, found = properties(project)
    assert stack["refused"].startswith("not explored: interrupted")
    assert {verdict for verdict, _ in found.values()} == {"unknown"}
    assert "template.yaml: not judged; unknown: no-message-loss" in process.output
    assert "Traceback" not in process.output


def test_what_was_complete_already_is_kept_whole(project):
    project.write("template.yaml")
    project.behaves({"template.yaml": {"wait": "concluding"}})

    process = interrupted(project, "template.yaml", "--storagefirst-report=out")

    assert process.returncode == pytest.ExitCode.INTERRUPTED
    stack, found = properties(project)
    assert stack["interrupted"] is False
    assert {verdict for verdict, _ in found.values()} == {"ok"}


def test_stacks_that_were_done_keep_their_verdicts(project):
    project.write("a.yaml")
    project.write("b.yaml")
    project.behaves({"b.yaml": {"wait": "running"}})

    interrupted(project, "a.yaml", "b.yaml", "--storagefirst-report=out")

    first, second = project.report()["stacks"]
    assert [first["interrupted"], second["interrupted"]] == [False, True]
    assert {one["verdict"] for one in first["properties"]} == {"ok"}
    assert {one["verdict"] for one in second["properties"]} == {"unknown"}


STACK = (Path(__file__).parents[1] / "small_stack.yaml").read_text(encoding="utf-8")
LOSES = """
import json, os, boto3
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])
HERE = os.path.dirname(os.path.abspath(__file__))

def handler(event, context):
    with open(os.path.join(HERE, "handled"), "a") as handled:
        if handled.tell() > 300:
            open(os.path.join(HERE, "waiting"), "w").close()
        handled.write("x")
    for record in event["Records"]:
        try:
            table.put_item(Item={"id": json.loads(record["body"])["id"]})
        except:
            pass
"""


@WORKERS
def test_a_real_exploration(project, workers):
    """Interrupted after hundreds of invocations of a handler that swallows whatever comes."""
    (project.path / "conftest.py").unlink()
    project.write("template.yaml", STACK)
    project.write("app.py", LOSES)
    project.write("storagefirst.toml", '[[entry]]\nqueue = "Orders"\nbody = {id = "{unique}"}\n')

    process = interrupted(
        project,
        *(workers, "template.yaml", "--storagefirst-report=out", "--storagefirst-budget=1000"),
    )

    assert process.returncode == pytest.ExitCode.INTERRUPTED, process.output
    stack, found = properties(project)
    assert stack["interrupted"] is True
    assert found["no-message-loss"][0] == "violated"
    verdict, why = found["drains"]
    assert verdict == "unknown"
    assert re.fullmatch(r"interrupted after \d+ runs, all of them ok", why)
    loss = stack["properties"][0]
    assert loss["story"][-1] in process.output
    assert "Traceback" not in process.output
    if workers == "-n2":
        return
    again = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "storagefirst"),
            f"--storagefirst-replay=out/{loss['witness']}",
        ],
        cwd=project.path,
        capture_output=True,
        text=True,
    )
    assert "no-message-loss of template.yaml still fails" in again.stdout
