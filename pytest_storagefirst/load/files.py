"""Where the files that a user may edit are: load/ of the repository, or their copy in the wheel."""

from __future__ import annotations

import shutil
from pathlib import Path

from pytest_storagefirst.errors import LoadError
from pytest_storagefirst.load.profiles import Profile, read_profiles

NAMES = ("locustfile.py", "profiles.toml")
SETTINGS = "storagefirst.toml"


def shipped() -> Path:
    """The folder of the files as they come."""
    here = Path(__file__).resolve().parent
    for folder in (here / "files", here.parent.parent / "load"):
        if all((folder / name).is_file() for name in NAMES):
            return folder
    raise LoadError(
        "the load files are not there",
        found=f"no {NAMES[0]} in {here / 'files'}",
        remedy="install pytest-storagefirst again",
    )


def profiles_for(folder: Path, current: Path) -> dict[str, Profile]:
    """The profiles beside a locustfile, as storagefirst.toml of the current folder changes them."""
    files: list[tuple[Path, tuple[str, ...]]] = [(folder / "profiles.toml", ())]
    if (current / SETTINGS).is_file():
        files.append((current / SETTINGS, ("profiles",)))
    return read_profiles(files)


def copy_to(folder: Path) -> list[Path]:
    """Copy the files there. Raises LoadError rather than overwrite one."""
    wanted = [folder / name for name in NAMES]
    there = [path for path in wanted if path.exists()]
    if there:
        raise LoadError(
            "a file is there already",
            where=str(there[0]),
            expected="a folder without it",
            remedy="name another folder, or move the file away",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in wanted:
            shutil.copyfile(shipped() / path.name, path)
    except OSError as error:
        raise LoadError(
            "can't be written", where=str(folder), found=error.strerror or str(error)
        ) from None
    return wanted
