"""pytest does not rewrite what the plugin imports for its work; the tests' own it does."""

from __future__ import annotations

import sys

from pytest_storagefirst.explore import prepare, unrewritten


def test_the_plugins_modules_are_imported_as_they_were_compiled() -> None:
    assert type(prepare.__loader__).__name__ == "SourceFileLoader"
    assert type(__loader__).__name__ == "AssertionRewritingHook"  # type: ignore[name-defined]


def test_others_are_left_to_their_finders() -> None:
    assert unrewritten.Unrewritten.find_spec("json") is None
    assert unrewritten.Unrewritten.find_spec("pytest_storagefirsthand") is None


def test_the_finder_is_there_once() -> None:
    unrewritten.install()
    assert sys.meta_path.count(unrewritten.Unrewritten) == 1
