"""Every example of the README and of the pages does what stands there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import LANGUAGES, PAGES, RUN_ELSEWHERE, Workspace, assert_told, blocks
from tests.docs.pages import examples as examples_of


def run_elsewhere(page: str) -> bool:
    return any(page.startswith(f"{folder}/") for folder in RUN_ELSEWHERE)


SHOWING = [page for page in PAGES if not run_elsewhere(page) and examples_of(page)]


@pytest.mark.parametrize("page", SHOWING)
def test_the_examples_of_a_page(page: str, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, page)
    for example in examples_of(page, workspace):
        example.evaluate()
    workspace.nothing_raised()


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_of_a_language_that_is_run(page: str) -> None:
    assert {language for language, _ in blocks(page)} <= {*LANGUAGES, "", "{toctree}"}


def test_what_is_shown_has_to_be_what_is_told() -> None:
    told = "one\ntwo in 1.5 s\nthree\nfour"

    assert_told("one\ntwo in 9 s\nthree\nfour", told)
    assert_told("one\n…\nfour", told)
    assert_told("…\nt… in 3 s\n…", told)
    assert_told("…\none\ntwo in 9 s\nthree\nfour\n…", told)
    for shown in ("one\ntwo in 9 s\nfour", "one\n…\nthree", "two\n…", "…\none", "one"):
        with pytest.raises(AssertionError, match="printed:"):
            assert_told(shown, told)
