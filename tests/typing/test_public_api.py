"""mypy --strict reads the public API as a user's project does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_what_mypy_accepts_and_refuses(tmp_path):
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent"]
    files = [HERE / "accepted.py", HERE / "refused.py"]
    ended = subprocess.run(
        [*command, "--config-file=", f"--cache-dir={tmp_path}", *map(str, files)],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(HERE.parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Success: no issues found in 2 source files" in ended.stdout
