"""`python -m mutations [--count 1000] [--seed 0] [--kind KIND] [--corpus DIR] [--keep DIR]`.

Prints what became of each kind's mutants. Each that ends in a traceback of ours, hangs or writes
outside of its folder is kept, and told; then the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mutations import trying
from mutations.subjects import made_beforehand, sources, subjects
from mutations.watching import MOST_SECONDS

AT_A_TIME = 20  # in one process, which then gives its memory back


def main() -> int:
    parser = argparse.ArgumentParser(prog="mutations", description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", action="append")
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--keep", type=Path, default=Path("mutants"))
    parser.add_argument("--chunk", nargs=2, help=argparse.SUPPRESS)  # a process of our own
    asked = parser.parse_args()
    if asked.chunk:
        _chunk(asked, int(asked.chunk[0]), Path(asked.chunk[1]))
        return 0
    counts: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory(prefix="storagefirst-mutants-") as scratch:
        made_beforehand(Path(scratch))
        for first in range(0, asked.count, AT_A_TIME):
            for came in _in_a_process(first, Path(scratch)):
                counts[came["kind"], came["what"]] += 1
                if came["what"] == "defect":
                    print(f"{came['kind']} of {came['source']} ({came['seed']}): {came['trace']}")
            print(f"{sum(counts.values())} of {asked.count}", file=sys.stderr, flush=True)
    for kind in dict.fromkeys(kind for kind, _ in sorted(counts)):
        said = {what: counts[kind, what] for what in ("error", "verdict", "defect")}
        print(f"{kind}: {', '.join(f'{count} {what}' for what, count in said.items() if count)}")
    defects = sum(count for (_, what), count in counts.items() if what == "defect")
    print(f"{sum(counts.values())} mutants, {defects} defects")
    return 1 if defects else 0


def _in_a_process(first: int, scratch: Path) -> Iterator[dict[str, str]]:
    """What the mutants from this number on came to. A process that ends itself is a defect."""
    command = [sys.executable, "-m", "mutations", *sys.argv[1:], "--chunk", str(first)]
    ended = subprocess.run(
        [*command, str(scratch)],
        capture_output=True,
        text=True,
        check=False,
        timeout=AT_A_TIME * MOST_SECONDS * 2,
    )
    yield from (json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{"))
    if ended.returncode:
        yield {
            "kind": "process",
            "what": "defect",
            "source": str(first),
            "seed": "",
            "trace": f"exit code {ended.returncode}: {ended.stderr[-2000:]}",
        }


def _chunk(asked: argparse.Namespace, first: int, scratch: Path) -> None:
    known = subjects(sources(asked.corpus), scratch / "replays", scratch / "report")
    plan = trying.planned(tuple(asked.kind or known), asked.count, asked.seed)
    for mutant in plan[first : first + AT_A_TIME]:
        came = trying.tried(known[mutant.kind], mutant)
        folder = asked.keep / f"{mutant.kind}-{mutant.seed}".replace(" ", "-")
        for name, content in came.files.items():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        told = {"kind": mutant.kind, "seed": mutant.seed}
        told |= {"what": came.what, "source": came.source, "trace": came.trace}
        print(json.dumps(told), file=sys.__stdout__, flush=True)


if __name__ == "__main__":
    sys.exit(main())
