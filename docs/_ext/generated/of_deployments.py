"""Load profiles, objectives, drills and their faults; blueprints."""

from __future__ import annotations

import tomllib
from dataclasses import MISSING, fields
from pathlib import Path

from generated.markdown import code, codes, table
from pytest_storagefirst.chaos.breaking import KINDS
from pytest_storagefirst.chaos.drill import drill_names, find_drill
from pytest_storagefirst.chaos.needs import NEEDS
from pytest_storagefirst.load import objectives as of_load
from pytest_storagefirst.load.profiles import Profile
from pytest_storagefirst.stack.locating import BLUEPRINTS

ROOT = Path(__file__).parents[3]
_UNITS = {"": "messages", "calls": "calls"}


def profiles() -> str:
    """The built-in profiles."""
    listed = tomllib.loads((ROOT / "load" / "profiles.toml").read_text(encoding="utf-8"))
    return table(
        ("profile", "about", "seconds", "objectives"),
        [
            (
                code(name),
                one["about"],
                f"{sum(phase['seconds'] for phase in one['phases']):g}",
                codes(one["objectives"]),
            )
            for name, one in listed.items()
        ],
    )


def profile_defaults() -> str:
    """The keys of a profile that have a default."""
    return table(
        ("key", "default"),
        [
            (code(one.name), "–" if one.default is None else f"`{one.default!r}`")
            for one in fields(Profile)
            if one.default is not MISSING and one.name != "actions"
        ],
    )


def objectives() -> str:
    """What can be asked of a load run."""
    named = {metric: name for name, metrics in of_load.NAMED.items() for metric in metrics}
    return table(
        ("value", "unit", "may be compared with"),
        [
            (
                code(metric),
                _UNITS.get(unit, unit),
                "a number" + (f", or {code(named[metric])}" if metric in named else ""),
            )
            for metric, unit in of_load.METRICS.items()
        ],
    )


def drills() -> str:
    """The drills that are shipped."""
    rows = []
    for name in drill_names():
        one = find_drill(name, ROOT)
        rows.append(
            (
                code(name),
                one.summary,
                codes(dict.fromkeys(fault.kind for fault in one.faults)),
                codes(one.needs),
                codes(one.expected.properties),
            )
        )
    return table(("drill", "what it does", "faults", "needs", "is to hold"), rows)


def drill_faults() -> str:
    """The kinds of faults that a drill can make."""
    return table(
        ("kind", "its own keys", "stops every message"),
        [
            (code(name), codes(one.options), "yes" if one.stops else "")
            for name, one in KINDS.items()
        ],
    )


def drill_needs() -> str:
    """What a drill may say that it needs."""
    return table(("need", "the stack has"), [(code(n), text) for n, (_, text) in NEEDS.items()])


def blueprints() -> str:
    """Every blueprint that is shipped, as its template describes itself."""
    rows = []
    for folder in sorted(BLUEPRINTS.iterdir()):
        text = (folder / "template.yaml").read_text(encoding="utf-8")
        [described] = [line for line in text.splitlines() if line.startswith("Description: ")]
        about = described.partition(": ")[2].strip('"').partition(": ")[2]
        rows.append((f"[{folder.name}]({folder.name}.md)", about))
    return table(("blueprint", "what it is"), rows)


PARTS = (
    profiles,
    profile_defaults,
    objectives,
    drills,
    drill_faults,
    drill_needs,
    blueprints,
)
