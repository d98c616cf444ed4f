"""The templates that are surveyed, and how they come into one folder, each with its code beside."""

from __future__ import annotations

import csv
import io
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

LIST = Path(__file__).parent / "templates.tsv"


@dataclass(frozen=True)
class Listed:
    """A public template: where it comes from, and its place in the folder that is surveyed.

    `parts` are the repository's folders that are laid down for it ("" is all of it), each with its
    place below the template's own folder.
    """

    template: str
    repository: str
    commit: str
    path: str
    parts: tuple[tuple[str, str], ...]


def listed() -> tuple[Listed, ...]:
    with LIST.open(encoding="utf-8", newline="") as file:
        return tuple(
            Listed(
                row["template"],
                row["repository"],
                row["commit"],
                row["path"],
                tuple(
                    (folder, place)
                    for part in row["parts"].split()
                    for folder, _, place in [part.partition(":")]
                ),
            )
            for row in csv.DictReader(file, delimiter="\t")
        )


def clones() -> dict[str, str]:
    """The commit that is wanted of each repository."""
    return {one.repository: one.commit for one in listed()}


def lay(sources: Path, folder: Path) -> None:
    """Lay all templates down in `folder`, from the clones in `sources`.

    A clone is a folder named as its repository, without its owner. Raises SystemExit with git's
    words where one lacks the commit.
    """
    for one in listed():
        top = folder / one.template.partition("/")[0]
        clone = sources / one.repository.rpartition("/")[2]
        for part, place in one.parts:
            _laid(clone, f"{one.commit}:{part}" if part else one.commit, top / place)
        if not (folder / one.template).is_file():
            raise SystemExit(f"{one.repository} at {one.commit} has no {one.path}")


def _laid(clone: Path, tree: str, place: Path) -> None:
    packed = subprocess.run(
        ["git", "-C", str(clone), "archive", "--format=tar", tree],
        capture_output=True,
        check=False,
    )
    if packed.returncode:
        raise SystemExit(f"{clone}: {packed.stderr.decode(errors='replace').strip()}")
    place.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        # 3.11.2, which Debian has, knows no filters yet.
        archive.extractall(place, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
