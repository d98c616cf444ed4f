"""The changelog of the next version, as towncrier would write it now."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_fragment_is_in_the_draft():
    fragments = [path for path in (ROOT / "changelog.d").iterdir() if path.suffix == ".md"]
    named = re.compile(r"\d+\.(feature|change|fix)(\.\d+)?\.md")

    ended = subprocess.run(
        [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "9.9.9"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert [path.name for path in fragments if not named.fullmatch(path.name)] == []
    assert "## 9.9.9 (" in ended.stdout
    told = re.sub(r"\s", "", ended.stdout)
    missing = [
        path.name
        for path in fragments
        if re.sub(r"\s", "", path.read_text(encoding="utf-8")) not in told
    ]
    assert missing == []
