"""Measure every figure, or those named: `python -m benchmarks schedules idle`."""

from __future__ import annotations

import json
import sys

from benchmarks import backlog, first_verdict, idle, load_runs, schedules, workers

FIGURES = {
    "schedules": schedules.measure,
    "backlog": backlog.measure,
    "idle": idle.measure,
    "first_verdict": first_verdict.measure,
    "workers": workers.measure,
    "open_model": load_runs.open_model,
    "offered_load": load_runs.offered_load,
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in FIGURES]
    if unknown:
        print(f"no figure {unknown[0]!r}; there are: {', '.join(FIGURES)}", file=sys.stderr)
        return 2
    for name in names or FIGURES:
        for figure in FIGURES[name]():
            print(json.dumps(figure), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
