"""The archives of functions and layers, and what their requirements come to."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import pytest

from pytest_storagefirst.errors import TargetError
from pytest_storagefirst.stack.code import FunctionCode
from pytest_storagefirst.stack.template import Template
from pytest_storagefirst.target import packaging
from pytest_storagefirst.target.packaging import archives


def packed(root: Path, built: Path, notes: list[str] | None = None) -> dict[str, bytes]:
    template = Template(Path("template.yaml"), {}, {"Worker": FunctionCode(root)})
    [(name, archive)] = archives(template, built, [] if notes is None else notes)
    assert name == "Worker"
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {one: opened.read(one) for one in opened.namelist()}


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "src"
    (folder / "inner" / "__pycache__").mkdir(parents=True)
    (folder / "app.py").write_text("handler = 1")
    (folder / "inner" / "more.py").write_text("")
    (folder / "inner" / "__pycache__" / "more.pyc").write_text("compiled")
    return folder


def test_a_folder_is_packed_without_what_python_made_of_it(source, tmp_path):
    assert packed(source, tmp_path) == {"app.py": b"handler = 1", "inner/more.py": b""}


def test_the_same_files_make_the_same_archive(source, tmp_path):
    template = Template(Path("t"), {}, {"Worker": FunctionCode(source)})
    once = dict(archives(template, tmp_path, []))
    (source / "app.py").touch()

    assert dict(archives(template, tmp_path, [])) == once


def test_an_archive_is_taken_as_it_is_and_a_file_alone(source, tmp_path):
    archive = tmp_path / "code.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("one.py", "1")

    assert packed(archive, tmp_path) == {"one.py": b"1"}
    assert packed(source / "app.py", tmp_path) == {"app.py": b"handler = 1"}


def test_code_that_is_not_here_is_left_out(tmp_path):
    template = Template(Path("t"), {}, {"Worker": FunctionCode(None, (), "inline")})

    assert list(archives(template, tmp_path, [])) == []


@pytest.mark.parametrize(
    "text", ["boto3", "boto3>=1.0 # comment", "# none", "", "x ; python_version < '3'", "click[x]"]
)
def test_packages_that_are_here_are_not_packed(source, tmp_path, text):
    (source / "requirements.txt").write_text(text)
    notes: list[str] = []

    assert "app.py" in packed(source, tmp_path, notes)
    assert notes == []


@pytest.mark.parametrize(
    "text", ["no-such-package-here", "boto3<0.1", "x @ file:///x.whl", "-r other.txt"]
)
def test_others_are_installed_beside_the_code(source, tmp_path, monkeypatch, text):
    (source / "requirements.txt").write_text(text)
    asked = []

    def run(command, **_):
        asked.append(command)
        target = Path(command[command.index("--target") + 1])
        target.mkdir()
        (target / "thing.py").write_text("packaged")
        (target / "app.py").write_text("not the handler's")
        return type("Ended", (), {"returncode": 0})

    monkeypatch.setattr(packaging.subprocess, "run", run)
    notes: list[str] = []
    files = packed(source, tmp_path, notes)

    assert (files["thing.py"], files["app.py"]) == (b"packaged", b"handler = 1")
    assert len(notes) == 1
    assert packed(source, tmp_path) == files
    assert len(asked) == 1  # the second time they are there already


def test_what_can_not_be_installed_is_told(source, tmp_path, monkeypatch):
    (source / "requirements.txt").write_text("no-such-package-here")
    monkeypatch.setattr(packaging.sys, "executable", "/bin/false")

    with pytest.raises(TargetError, match=r"requirements.txt: packages(.|\n)*no-such-package-here"):
        packed(source, tmp_path)
    assert sys.executable == "/bin/false"
