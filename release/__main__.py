"""`python -m release package|compatibility [FOLDER]`: see `make help`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from release import compatibility, package

CHECKS = {"package": package.check, "compatibility": compatibility.check}


def main() -> None:
    if len(sys.argv) not in (2, 3) or sys.argv[1] not in CHECKS:
        raise SystemExit(f"usage: python -m release {'|'.join(CHECKS)} [FOLDER]")
    if len(sys.argv) == 3:
        CHECKS[sys.argv[1]](Path(sys.argv[2]).resolve())
        return
    with tempfile.TemporaryDirectory(prefix="storagefirst-release-") as folder:
        CHECKS[sys.argv[1]](Path(folder))


main()
