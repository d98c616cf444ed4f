"""The `storagefirst` command."""

from __future__ import annotations

from importlib.metadata import entry_points, version

from click.testing import CliRunner

from pytest_storagefirst.cli import main


def test_it_says_its_version():
    result = CliRunner().invoke(main, ["--version"])

    assert result.output == f"storagefirst, version {version('pytest-storagefirst')}\n"
    assert result.exit_code == 0


def test_a_command_that_does_not_exist_is_refused():
    result = CliRunner().invoke(main, ["loadd"])

    assert result.exit_code == 2
    assert "No such command 'loadd'" in result.output


def test_it_is_installed():
    (script,) = entry_points(group="console_scripts", name="storagefirst")

    assert script.load() is main
