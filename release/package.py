"""The wheel and the sdist: built, read, and used from outside of the checkout."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from release.environments import Environment, emptied, made, run

ROOT = Path(__file__).parent.parent
EXTRAS = ("", "load", "local", "chaostoolkit", "load,local,chaostoolkit")
# W002: blueprints that are alike have files that are alike. W004: they are deployed, not imported.
IGNORED = "W002,W004"
USES_OF_EXTRAS = {
    "load": "import locust, pathlib; from pytest_storagefirst.load import files; "
    "assert (files.shipped() / 'locustfile.py').is_file()",
    "local": "import ministack",
    "chaostoolkit": "import chaoslib, pytest_storagefirst.chaos.toolkit",
}


def check(folder: Path) -> None:
    """Raises SystemExit at the first thing that is not as it should be."""
    wheel, sdist = _built(emptied(folder / "dist"))
    tools = Path(sys.executable).parent
    run(tools / "twine", "check", "--strict", wheel, sdist)
    run(tools / "check-wheel-contents", "--ignore", IGNORED, wheel)
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB; {sdist.name}: fit to be published")
    outside = emptied(folder / "outside")
    shutil.copytree(ROOT / "examples/orders", outside / "orders")
    for extras in EXTRAS:
        environment = made(folder / "environment")
        environment.install(f"{wheel}[{extras}]" if extras else str(wheel))
        environment.check()
        _use(environment, outside, extras)
        print(
            f"pip install pytest-storagefirst{f'[{extras}]' if extras else ''}: "
            f"{environment.distributions()} distributions, {environment.megabytes():.0f} MB",
            flush=True,
        )


def _built(folder: Path) -> tuple[Path, Path]:
    """The wheel, made from the sdist, and the sdist."""
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    return wheel, sdist


def _use(environment: Environment, outside: Path, extras: str) -> None:
    command = environment.python.with_name("storagefirst")
    home = run(
        environment.python, "-c", "import pytest_storagefirst as p; print(p.__file__)", cwd=outside
    )
    if not Path(home.strip()).is_relative_to(environment.folder):
        raise SystemExit(f"{home} is not the wheel's")
    judge = ("-m", "pytest", "-q", "-p", "storagefirst", "-p", "no:cacheprovider")
    blueprint = outside / "blueprint"
    shutil.copytree(
        Path(home.strip()).parent / "stack/blueprints/api-queue-table",
        blueprint,
        dirs_exist_ok=True,
    )
    for folder in (outside / "orders", blueprint):
        budget = "--storagefirst-budget=1"
        told = run(environment.python, *judge, budget, "template.yaml", cwd=folder)
        if "5 passed" not in told:
            raise SystemExit(told)
    for arguments in (
        ("--version",),
        ("load", "--list"),
        ("load", "--path"),
        ("drill", "--list"),
        ("up", "--help"),
        ("init", "--force", "orders"),
        ("audit", "orders/template.yaml", "--budget", "1"),
        ("survey", "orders", "--budget", "1", "--report", "survey"),
    ):
        if not run(command, *arguments, cwd=outside).strip():
            raise SystemExit(f"storagefirst {' '.join(arguments)} says nothing")
    for extra in filter(None, extras.split(",")):
        run(environment.python, "-c", USES_OF_EXTRAS[extra], cwd=outside)
