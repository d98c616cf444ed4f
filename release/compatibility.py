"""Lowest and newest versions of what is depended on, with each Python that is here."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

from release.environments import VERSIONS, Environment, interpreters, made, run

ROOT = Path(__file__).parent.parent
SHOWN = ("moto", "boto3", "hypothesis", "pytest", "greenlet", "time-machine")
# AWS's rules, templates, the plugin's ways to run, and what Hypothesis is asked for.
TESTS = (
    "tests/conformance",
    "tests/unit/stack/test_template.py",
    "tests/unit/stack/test_deploy.py",
    "tests/unit/init",
    "tests/unit/simulation/machines",
    "tests/unit/explore/test_exploration.py",
    "tests/plugin/test_ways_to_run.py",
    "tests/plugin/test_hypothesis.py",
)
# What these need beside the package; the rest of dev stays out, as it would raise versions.
BESIDE = ("aws-lambda-powertools", "httpx", "requests", "pytest-xdist", "locust>=2.40")


def check(folder: Path) -> None:
    """Raises SystemExit where a combination fails its tests."""
    pythons = interpreters()
    lowest, newest = min(pythons), max(pythons)
    missing = [version for version in VERSIONS if version not in pythons]
    if missing:
        print(f"not on this machine, and not tried: Python {', '.join(missing)}")
    # The newest Python, too: a lower bound may be older than it.
    lows = [(one, "lowest-direct") for one in dict.fromkeys((lowest, newest))]
    for version, resolution in (*lows, *((one, "highest") for one in pythons)):
        environment = made(folder / resolution / version, pythons[version])
        pins = [f"{name}=={version}" for name, version in _bounds().items()]
        environment.install(
            *("--resolution", resolution, "--editable", str(ROOT)),
            *(pins if resolution == "lowest-direct" else ()),
        )
        environment.install(*BESIDE, *(pins if resolution == "lowest-direct" else ()))
        told = _tests(environment)
        print(f"Python {version}, {resolution}: {_versions(environment)}: {told}", flush=True)
    others = [str(folder / "highest" / one / "bin/python") for one in pythons if one != newest]
    if others:
        told = _tests(
            environment,
            "tests/unit/simulation/test_other_pythons.py",
            STORAGEFIRST_TEST_PYTHONS=os.pathsep.join(others),
        )
        print(f"Python {newest} and {len(others)} more tell the same: {told}", flush=True)


def _bounds() -> dict[str, str]:
    """The lowest versions that pyproject.toml allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pairs = (re.split(r"(?:\[.*\])?>=", text) for text in project["dependencies"])
    return dict(pair for pair in pairs if len(pair) == 2)


def _versions(environment: Environment) -> str:
    listed = run(
        environment.python,
        "-c",
        "import sys; from importlib.metadata import version as v; "
        "print(', '.join(f'{n} {v(n)}' for n in sys.argv[1:]))",
        *SHOWN,
    )
    return listed.strip()


def _tests(environment: Environment, *tests: str, **variables: str) -> str:
    said = run(
        *(environment.python, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
        *("-o", "addopts=--import-mode=importlib"),
        *(tests or TESTS),
        cwd=ROOT,
        variables=variables,
    )
    return said.strip().splitlines()[-1]
