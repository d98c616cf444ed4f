"""The `storagefirst` command."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from pytest_storagefirst import __version__

if TYPE_CHECKING:
    from pytest_storagefirst.report.terminal import Line


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="storagefirst")
def main() -> None:
    """Finds out whether a storage-first system can lose an acknowledged message.

    A template is judged by pytest: pytest -p storagefirst template.yaml
    """


@main.command()
@click.argument("reports", nargs=-1, metavar="REPORT.json REPORT.json…", type=Path)
@click.option(
    "--report",
    "directory",
    type=Path,
    metavar="DIR",
    help="Write report.json and the replay files into DIR.",
)
@click.option("-v", "--verbose", "verbosity", count=True, help="Tell more; -vv site by site.")
def merge(reports: tuple[Path, ...], directory: Path | None, verbosity: int) -> None:
    """Merge the reports of shards, or of several templates.

    Each is the report.json of a run with --storagefirst-report=DIR. A stack whose shards are not
    all there is unknown. Exits with 0 when every property holds or does not apply, 1 when one is
    violated or unknown, 2 when the reports can't be read or merged.
    """
    from pytest_storagefirst.errors import StorageFirstError
    from pytest_storagefirst.report.merged import merge_reports, write_merged
    from pytest_storagefirst.report.terminal import stack_lines, story_lines

    try:
        merged = merge_reports(reports)
        if directory is not None:
            merged = write_merged(merged, directory)
    except StorageFirstError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"--report: {directory} can't be written: {error.strerror or error}")
    for template, outcome in merged.outcomes.items():
        _tell(stack_lines(template, outcome, merged.expected[template], verbosity=verbosity))
        _tell(story_lines(outcome))
    for outcome in merged.outcomes.values():
        for name, file in outcome.replays.items():
            click.echo(f"replay of {name}: {file}")
    if directory is not None:
        click.echo(f"report: {directory / 'report.json'}")
    sys.exit(0 if merged.passes else 1)


def _tell(lines: Iterable[Line]) -> None:
    """On a terminal in colour, unless NO_COLOR says otherwise (no-color.org)."""
    colour = False if os.environ.get("NO_COLOR") else None
    for line in lines:
        shown = next((name for name, wanted in line.markup.items() if wanted), None)
        click.secho(line.text, fg=shown, color=colour)


def _fail(text: str) -> NoReturn:
    click.echo(text, err=True)
    sys.exit(2)
