"""`storagefirst init`: writes storagefirst.toml and a first test beside a template."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pytest_storagefirst.cloud_assembly import of_cloud_assembly, plain_name, project_folder
from pytest_storagefirst.errors import SettingsError
from pytest_storagefirst.init.choosing import chosen_template
from pytest_storagefirst.init.proposing import propose
from pytest_storagefirst.init.writing import settings_text, test_text
from pytest_storagefirst.settings_file import (
    FILE_NAME,
    load_settings,
    own_name,
    settings_place,
)

TEST_NAME = "test_storagefirst.py"


def init(named: Path | None, folder: Path, *, force: bool) -> Iterator[str]:
    """Write the files, and say line by line what was done and what comes next.

    Raises StorageFirstError, before anything is written, where there is no template or several,
    where it does not stand up or has no way in, and where something is there already.
    """
    template = chosen_template(named, folder)
    home = project_folder(template)
    # An app of the CDK may have several stacks, each with a template of its own.
    is_cdk = of_cloud_assembly(template)
    settings_file = home / (own_name(template) if is_cdk else FILE_NAME)
    tests = home / "tests"
    test_file = (tests if tests.is_dir() else home) / (
        f"test_{_word(plain_name(template))}_storagefirst.py" if is_cdk else TEST_NAME
    )
    if not force:
        _refuse_to_overwrite(template, named, settings_file, test_file, folder)
    told = propose(template)
    text = settings_text(told)
    _check(template, text)
    shown = _shown(template, folder)
    files = {settings_file: text, test_file: test_text(told, test_file.parent)}
    for file, content in files.items():
        if not content:
            continue
        try:
            file.write_text(content, encoding="utf-8")
        except OSError as error:
            raise SettingsError(
                "can't be written", where=str(file), found=error.strerror or str(error)
            ) from None
        yield f"wrote {_shown(file, folder)}"
    for way in told.ways:
        if way.body is not None:
            yield f"  {way.name}: the body is {way.origin}"
            yield from (f"    {line}" for line in way.doubt.splitlines())
        else:
            yield f"  {way.name}: no body was found that the stack takes: {way.off}"
    if told.parameters:
        yield f"  parameters were made up, edit them: {', '.join(told.parameters)}"
    if told.stand_ins:
        yield f"  can't be run here, name what stands in for them: {', '.join(told.stand_ins)}"
    for note in told.notes:
        yield from (f"  {line}" for line in note.splitlines())
    yield f"next: pytest -p storagefirst {shown}"


def _refuse_to_overwrite(
    template: Path, named: Path | None, settings: Path, test: Path, folder: Path
) -> None:
    place = settings_place(template)
    candidates = [*([place] if place is not None else []), settings, test]
    # One file may be named in two ways, from the folder and from the root.
    there = {file.resolve(): file for file in candidates if file.exists()}
    if there:
        files = [_shown(file, folder) for file in there]
        again = f"storagefirst init {named} --force" if named else "storagefirst init --force"
        raise SettingsError(
            "there are settings already" if place is not None else "there is a file already",
            where=files[0],
            found=", ".join(files),
            expected="none: init overwrites nothing by itself",
            remedy=f"{again} writes {_shown(settings, folder)} and {_shown(test, folder)} anew",
        )


def _check(template: Path, text: str) -> None:
    """What is written is read back before it is: a text that our own reader refuses is a defect."""
    with tempfile.TemporaryDirectory(prefix="storagefirst-") as scratch:
        place = Path(scratch, FILE_NAME)
        place.write_text(text, encoding="utf-8")
        load_settings(Path(scratch, template.name))


def _word(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _shown(path: Path, folder: Path) -> str:
    path = path.resolve()
    folder = folder.resolve()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
