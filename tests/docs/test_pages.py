"""The pages: where links go, that all are in the table of contents, and that they build."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s#]*)(#[^)]*)?\)")
# What a page loads without being asked: scripts, pictures, style sheets, frames.
_LOADED = re.compile(
    r"<(?:script|img|iframe|source|video|audio|embed|object)\b[^>]*(?:src|data)=\"(?:https?:)?//"
    r"|<link\b[^>]*rel=\"(?:stylesheet|preconnect|preload|icon|prefetch|dns-prefetch)\"[^>]*"
    r"href=\"(?:https?:)?//"
    r"|url\([\"']?(?:https?:)?//|@import\s+[\"'](?:https?:)?//"
)


@pytest.mark.parametrize("page", PAGES)
def test_links_between_files_go_somewhere(page: str) -> None:
    path = ROOT / page
    targets = [found[1] for found in _LINK.finditer(path.read_text(encoding="utf-8"))]
    inside = [one for one in targets if one and not re.match(r"[a-z]+:", one)]

    assert [one for one in inside if not (path.parent / one).exists()] == []


def test_the_pages_that_our_texts_name_are_there() -> None:
    """Errors, comments and changes name pages: docs/drills.md."""
    for folder in ("pytest_storagefirst", "emulators", "changelog.d"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".md", ".toml", ".yaml"):
                for name in re.findall(r"docs/[\w/-]+\.md", path.read_text(encoding="utf-8")):
                    assert (ROOT / name).is_file(), f"{path} names {name}"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages as `make docs` builds them: every warning is an error."""
    folder = tmp_path_factory.mktemp("pages")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "sphinx", "--builder", "html", "--quiet"),
            *("--fail-on-warning", "--keep-going", "--doctree-dir", str(folder / "doctrees")),
            *(str(ROOT / "docs"), str(folder / "html")),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    return folder / "html"


def test_they_build_without_a_warning(built: Path) -> None:
    pages = {path.relative_to(built).as_posix() for path in built.rglob("*.html")}

    assert {"index.html", "tutorial/first-verdict.html", "reference/settings.html"} <= pages
    assert not [path for path in built.rglob("*.html") if "!-- gener" in path.read_text("utf-8")]


def test_no_page_asks_another_host_for_anything(built: Path) -> None:
    loaded = [
        f"{path.relative_to(built)}: {found[0]}"
        for path in built.rglob("*")
        if path.suffix in (".html", ".css", ".js", ".svg")
        for found in _LOADED.finditer(path.read_text(encoding="utf-8"))
    ]

    assert loaded == []


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://cdn.example/a.js">',
        '<link rel="stylesheet" href="//fonts.example/a.css">',
        "src: url(https://fonts.example/a.woff2)",
    ],
)
def test_a_request_to_another_host_would_be_seen(text: str) -> None:
    assert _LOADED.search(text)
