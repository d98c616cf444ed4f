"""What is generated holds all that the code has, and every part of it stands on a page."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import pytest_storagefirst
from pytest_storagefirst.chaos.breaking import KINDS
from pytest_storagefirst.chaos.drill import drill_names
from pytest_storagefirst.cli import main
from pytest_storagefirst.explore.stack import Stack
from pytest_storagefirst.faults import catalogue
from pytest_storagefirst.ledger.properties import registered
from pytest_storagefirst.load.objectives import METRICS
from pytest_storagefirst.stack.locating import BLUEPRINTS
from tests.docs.pages import PAGES, ROOT, Workspace, blocks

sys.path.append(str(ROOT / "docs" / "_ext"))
import generated
from generated.meaning_of_settings import MEANING
from generated.of_settings import keys

PUBLIC = [name for name in pytest_storagefirst.__all__ if name != "__version__"]


def page(name: str) -> str:
    text: str = generated.expanded((ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8"))
    return text


def test_every_part_stands_on_exactly_one_page() -> None:
    marked = [
        name
        for each in PAGES
        for name in generated.MARK.findall((ROOT / each).read_text(encoding="utf-8"))
    ]

    assert sorted(marked) == sorted(generated.PARTS)


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith("docs/")])
def test_what_lies_in_the_repository_is_what_the_code_says(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")

    assert text == generated.written(text), "make tables"


def test_a_part_is_written_between_its_marks_again_and_again() -> None:
    marked = "# Page\n\n<!-- generated: pytest-options -->\n\nMore.\n"

    once = generated.written(marked)

    assert "`--storagefirst-seed" in once
    assert once.startswith("# Page\n\n<!-- generated: pytest-options -->\n")
    assert once.endswith("\n<!-- end of pytest-options -->\n\nMore.\n")
    assert generated.written(once) == once
    assert generated.expanded(once) == generated.expanded(marked)


def test_every_key_of_the_settings_has_a_meaning() -> None:
    meant = {(*filter(None, path.split(".")),): set(keys) for path, keys in MEANING.items()}

    assert meant.keys() == keys().keys()
    assert {path: set(valid) - meant[path] for path, valid in keys().items()} == {
        path: set() for path in meant
    }


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("faults", [f"`{name}`" for name in catalogue.KINDS]),
        ("reference/properties", [f"### `{name}`" for name in registered()]),
        ("reference/properties", [f"| `{name}` |" for name in registered()]),
        ("reference/commands", [f"## {name}" for name in main.commands]),
        ("reference/python", [f"`{name}" for name in PUBLIC]),
        ("reference/python", [f"`stack.{name}" for name in vars(Stack) if name[0] != "_"]),
        ("reference/deployments", [f"| `{name}` |" for name in (*METRICS, *KINDS)]),
        ("reference/deployments", [f"| `{name}` |" for name in drill_names()]),
        ("reference/rules", [f"| {number} |" for number in range(1, 42)]),
        ("blueprints/index", [f"[{folder.name}]" for folder in BLUEPRINTS.iterdir()]),
    ],
)
def test_nothing_is_left_out(where: str, names: list[str]) -> None:
    text = page(where)

    assert names
    assert [name for name in names if name not in text] == []


def test_a_part_that_nobody_makes_is_an_error() -> None:
    with pytest.raises(KeyError):
        generated.expanded("<!-- generated: nothing -->")


def test_a_page_that_no_list_names_is_listed_all_the_same() -> None:
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert generated.OTHERS in text

    assert "\nfaults\n" in generated.expanded(text.replace("\nfaults\n", "\n"))


def test_the_documented_report_has_the_keys_of_a_real_one(tmp_path: Path) -> None:
    template = ROOT / "examples" / "orders_broken" / "template.yaml"
    Workspace(tmp_path).shell(f"pytest -p storagefirst --storagefirst-report=report {template}")
    real = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    shown, _ = [text for language, text in blocks("docs/reference/report.md") if language == "json"]

    assert _keys(json.loads(shown)) <= _keys(real)


def _keys(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for part in value.values() for key in _keys(part)}
    if isinstance(value, list | tuple):
        return {key for part in value for key in _keys(part)}
    return set()
