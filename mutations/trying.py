"""One mutant after the other, each from a seed of its own."""

from __future__ import annotations

import os
import shutil
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from mutations.subjects import Subject
from mutations.watching import PREFIX, Hangs, watched

# Of a hundred: what users write most is tried most.
WEIGHTS = {"template": 50, "settings": 15, "body": 10, "sample event": 5, "message": 8}


@dataclass(frozen=True)
class Mutant:
    """Which mutant it is."""

    kind: str
    seed: str


@dataclass(frozen=True)
class Came:
    """What came of it: "error", "verdict" or "defect" with a trace and the files it is seen by."""

    what: str
    trace: str = ""
    source: str = ""
    files: dict[str, bytes] = field(default_factory=dict)


def planned(kinds: Sequence[str], count: int, seed: int) -> list[Mutant]:
    """So many of the kinds, by their weights."""
    random = Random(seed)
    weights = [WEIGHTS.get(kind, 3) for kind in kinds]
    drawn = random.choices(kinds, weights, k=count)
    return [Mutant(kind, f"{seed}-{number}") for number, kind in enumerate(drawn)]


def tried(subject: Subject, mutant: Mutant) -> Came:
    """What comes of a mutant of this kind."""
    random = Random(mutant.seed)
    source = random.choice(subject.sources)
    here = Path.cwd()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    file = folder
    try:
        file = subject.mutant(source, folder, random)
        os.chdir(folder)
        tempfile.tempdir = str(folder)
        with watched(folder) as outside:
            what = subject.judged(file)
        if outside:
            return _defect(f"it wrote outside: {outside}", source, folder)
        return Came(what, source=str(source))
    except (Exception, SystemExit, Hangs):
        return _defect(traceback.format_exc(), source, folder)
    finally:
        os.chdir(here)
        tempfile.tempdir = None
        shutil.rmtree(folder, ignore_errors=True)


def _defect(trace: str, source: Path, folder: Path) -> Came:
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    return Came("defect", trace, str(source), files)
