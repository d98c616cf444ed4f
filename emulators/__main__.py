"""Ask moto, the simulated SQS and ministack, and write results.json and docs/emulators.md.

`python -m emulators page` asks nobody, and writes the page of the results that there are.
"""

from __future__ import annotations

import json
import sys

from emulators import page, worlds
from emulators.asking import observed
from emulators.probe import PROBES


def main(words: list[str]) -> int:
    if words not in ([], ["page"]):
        print(__doc__, file=sys.stderr)
        return 2
    if not words:
        page.RESULTS.write_text(json.dumps(ask(), indent=1) + "\n", encoding="utf-8")
    page.PAGE.write_text(page.written(page.read()), encoding="utf-8")
    return 0


def ask() -> dict[str, dict[str, object]]:
    """Versions, and what each emulator answered."""
    with worlds.ministack() as ministack:
        return {
            "versions": dict(worlds.versions("moto", "ministack")),
            "observed": {
                "simulation": observed(worlds.simulation, [one for one in PROBES if one.simulated]),
                "moto": observed(worlds.moto),
                "ministack": observed(ministack),
            },
        }


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
