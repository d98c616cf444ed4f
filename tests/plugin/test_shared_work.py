"""One stack's exploration shared by xdist's workers comes to what one process comes to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

BROKEN = Path(__file__).parents[2] / "examples" / "orders_broken" / "template.yaml"


def reported(folder: Path, *arguments: str) -> Any:
    """What report.json says of the stack, with all but the time it took; and the replay files."""
    folder.mkdir()
    command = [
        *(sys.executable, "-m", "pytest", "-p", "storagefirst", "-p", "no:cacheprovider"),
        *("--storagefirst-budget=0", f"--storagefirst-report={folder / 'report'}", *arguments),
        *("--rootdir", str(BROKEN.parent), "-c", os.devnull, str(BROKEN)),
    ]
    environment = {**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "examples")}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    (stack,) = json.loads((folder / "report" / "report.json").read_text())["stacks"]
    del stack["seconds"]
    replays = {
        file.name: json.loads(file.read_text())["schedule"]
        for file in sorted((folder / "report" / "replays").iterdir())
    }
    return stack, replays


def test_who_shares_the_work_changes_nothing_that_is_found(tmp_path):
    alone = reported(tmp_path / "alone", "-n0")
    shared = reported(tmp_path / "shared", "-n2")

    assert shared == alone
    stack, replays = alone
    assert replays
    assert "violated" in {one["verdict"] for one in stack["properties"]}
    assert len(stack["coverage"]["cells"]) > 50
