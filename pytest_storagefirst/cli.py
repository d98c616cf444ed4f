"""The `storagefirst` command."""

from __future__ import annotations

import click

from pytest_storagefirst import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="storagefirst")
def main() -> None:
    """Finds out whether a storage-first system can lose an acknowledged message.

    A template is judged by pytest: pytest -p storagefirst template.yaml
    """
