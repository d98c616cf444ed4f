"""`python -m evidence lay CLONES FOLDER`: lay the public templates down, with their code beside.

`python -m evidence take FOLDER REPORT`: write results.json and docs/evidence.md, of the survey.json
and audit.json in REPORT that were made over FOLDER. `python -m evidence page` writes the page of
the results that there are.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from evidence import page
from evidence.laying import lay
from evidence.results import RESULTS, taken


def main(words: list[str]) -> int:
    match words:
        case ["lay", clones, folder]:
            lay(Path(clones), Path(folder))
            return 0
        case ["take", folder, report]:
            found = taken(Path(report, "survey.json"), Path(report, "audit.json"), Path(folder))
            text = json.dumps(found, indent=1, ensure_ascii=False)
            RESULTS.write_text(text + "\n", encoding="utf-8")
        case ["page"]:
            pass
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    page.PAGE.write_text(page.written(page.read()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
