"""Shards of real explorations, put together by `storagefirst merge`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ZOO = Path(__file__).parent.parent / "zoo" / "exception-swallowed"
TEMPLATES = ("defective/template.yaml", "sound/template.yaml")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A defective stack and its sound twin, judged in one piece and in two, by single faults."""
    path = tmp_path_factory.mktemp("shards")
    shutil.copytree(ZOO, path, dirs_exist_ok=True)
    for name, arguments in {
        "whole": [],
        "one": ["--storagefirst-shard=1/2"],
        "two": ["--storagefirst-shard=2/2", "-n2"],
    }.items():
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-p", "storagefirst", *TEMPLATES, *arguments),
                *("--storagefirst-budget=0", f"--storagefirst-report={name}"),
            ],
            cwd=path,
            capture_output=True,
            text=True,
        )
        assert done.returncode in (0, 1), done.stdout + done.stderr
    return path


def merge(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from pytest_storagefirst.cli import main; main()", "merge"]
    return subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True)


def stacks(folder: Path, report: str):
    document = json.loads((folder / report / "report.json").read_text(encoding="utf-8"))
    return {stack["template"]: stack for stack in document["stacks"]}


def verdicts(stack) -> dict[str, str]:
    return {one["name"]: one["verdict"] for one in stack["properties"]}


def test_two_shards_come_to_what_one_piece_does(folder):
    done = merge(folder, "one/report.json", "two/report.json", "--report", "merged")

    assert done.returncode == 1, done.stderr
    whole, merged = stacks(folder, "whole"), stacks(folder, "merged")
    assert list(merged) == list(whole) == list(TEMPLATES)
    for template in TEMPLATES:
        assert verdicts(merged[template]) == verdicts(whole[template])
        tried = [
            {(cell["site"], cell["fault"], cell["outcome"]) for cell in one["coverage"]["cells"]}
            for one in (merged[template], whole[template])
        ]
        assert tried[0] == tried[1]
        assert merged[template]["shard"] == [1, 1]
    assert set(verdicts(merged["sound/template.yaml"]).values()) <= {"ok", "not-applicable"}
    assert "violated" in verdicts(merged["defective/template.yaml"]).values()


def test_each_shard_tried_its_own_part(folder):
    for template in TEMPLATES:
        one, two = (
            {
                (cell["site"], cell["fault"])
                for cell in stacks(folder, name)[template]["coverage"]["cells"]
                if cell["outcome"] != "not tried"
            }
            for name in ("one", "two")
        )
        assert one
        assert two
        assert not one & two


def test_one_shard_alone_shows_nothing(folder):
    done = merge(folder, "one/report.json", "whole/report.json")
    assert done.returncode == 2
    assert "divide this stack in different ways" in done.stderr


def test_the_witness_of_the_merged_report_can_be_replayed(folder):
    merge(folder, "one/report.json", "two/report.json", "--report", "deep/merged")
    (witness,) = {
        one["witness"]
        for stack in stacks(folder, "deep/merged").values()
        for one in stack["properties"]
        if one["name"] == "no-message-loss" and one["witness"]
    }

    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "storagefirst"),
            f"--storagefirst-replay=deep/merged/{witness}",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
    )

    assert "no-message-loss of defective/template.yaml still fails" in done.stdout
