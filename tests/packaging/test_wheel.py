"""What is in the wheel and in the sdist, built as an index would get them."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = "pytest_storagefirst"


def built(kind: str, source: Path, folder: Path) -> Path:
    """The path of what hatchling makes of a source tree."""
    code = f"import hatchling.build as b; print(b.build_{kind}({str(folder)!r}))"
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=source, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return folder / ended.stdout.split()[-1]


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {
            name: archive.read(name)
            for name in archive.namelist()
            if not name.endswith(("/RECORD", "/WHEEL"))
        }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return built("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The sdist, unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(built("sdist", ROOT, folder)) as archive:
        # 3.11.2, which Debian has, knows no filters yet.
        archive.extractall(
            folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {})
        )
    (unpacked,) = (path for path in folder.iterdir() if path.is_dir())
    return unpacked


def test_all_of_the_package_is_in_it_and_nothing_else(wheel):
    names = set(contents(wheel))

    tree = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / PACKAGE).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    beside = {f"{PACKAGE}/load/files/{name}" for name in ("locustfile.py", "profiles.toml")}
    beside |= {
        f"{PACKAGE}/chaos/drills/{path.relative_to(ROOT / 'chaos').as_posix()}"
        for path in (ROOT / "chaos").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    kept = {name for name in names if ".dist-info/" not in name}
    assert kept == tree | beside
    assert f"{PACKAGE}/py.typed" in kept
    assert any(name.endswith("/page.css") for name in kept)
    assert any(name.endswith("/blueprints/api-queue-table/template.yaml") for name in kept)


def test_its_metadata_is_fit_to_be_published(wheel):
    (metadata,) = (
        text.decode() for name, text in contents(wheel).items() if name.endswith("/METADATA")
    )

    assert "License-Expression: MIT" in metadata
    assert "License-File: LICENSE" in metadata
    assert "Description-Content-Type: text/markdown" in metadata
    assert "Project-URL" not in metadata  # none is known
    for extra in ("load", "local", "chaostoolkit"):
        assert f"Provides-Extra: {extra}" in metadata


def test_its_source_makes_the_same_wheel(wheel, source, tmp_path):
    again = built("wheel", source, tmp_path)

    assert contents(again) == contents(wheel)


def test_its_source_has_what_its_tests_need_and_no_machinery(source):
    there = {path.name for path in source.iterdir()}

    assert {"tests", "docs", "examples", "load", "chaos", "Makefile", "conftest.py"} <= there
    assert not {".ci", ".storagefirst", ".hypothesis", ".venv"} & there
