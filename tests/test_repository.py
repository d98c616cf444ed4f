"""What holds over the whole repository: who imports whom, what is documented, what is not said."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import pytest_storagefirst

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "pytest_storagefirst"
MODULES = sorted(PACKAGE.rglob("*.py"))

# From the ground up: a module imports only from its own floor and those below. The longest name
# that fits counts. The narrative reads only the ledger's words, so that each floor can use it.
FLOORS = (
    ("errors",),
    ("ledger",),
    ("report.narrative", "report.folding"),
    ("audit.rule", "audit.catalogue"),
    ("settings", "settings_file", "settings_reader", "scripts", "cloud_assembly"),
    ("faults",),
    ("stack",),
    ("target",),
    ("simulation",),
    ("target.emulator",),
    ("explore",),
    ("audit",),
    ("report",),
    ("load",),
    ("chaos",),
    ("exchange", "options", "apart"),
    ("session", "factory", "progress", "survey"),
    ("audit.command",),
    ("init",),
    ("collect", "conclusion", "failures", "told_once"),
    ("fixtures", "active", "plugin", "cli", ""),
)


def name_of(module: Path) -> str:
    """ "stack.topology" of pytest_storagefirst/stack/topology.py; "" of the package itself."""
    parts = module.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def floor_of(name: str) -> int:
    fitting = [
        (len(part), floor)
        for floor, parts in enumerate(FLOORS)
        for part in parts
        if name == part or (part and name.startswith(f"{part}."))
    ]
    assert fitting, f"pytest_storagefirst.{name} stands on no floor: add it to FLOORS"
    return max(fitting)[1]


def imports_of(source: str, package: tuple[str, ...] = ()) -> list[tuple[int, str]]:
    """(line, module of ours) of each import, at whatever depth and for whatever purpose.

    `package` is where the source stands, ("stack", "cloudformation") for what is in that folder.
    """
    modules = {name_of(module) for module in MODULES}
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                above = ("pytest_storagefirst", *package)[: len(package) + 2 - node.level]
                origin = ".".join((*above, node.module) if node.module else above)
            found += [(node.lineno, f"{origin}.{alias.name}") for alias in node.names]
    ours = [
        (line, text.removeprefix("pytest_storagefirst").removeprefix("."))
        for line, text in found
        if text.split(".")[0] == "pytest_storagefirst"
    ]
    # "from package.module import name" names a module or something in it.
    return sorted(
        (line, text if text in modules else text.rpartition(".")[0]) for line, text in ours
    )


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_imports_go_downwards(module):
    name = name_of(module)
    own = floor_of(name)
    upwards = [
        f"line {line}: {other}"
        for line, other in imports_of(
            module.read_text(encoding="utf-8"), module.relative_to(PACKAGE).parts[:-1]
        )
        if floor_of(other) > own
    ]

    assert upwards == [], f"pytest_storagefirst.{name} imports from a floor above its own"


def test_the_direction_test_sees_every_kind_of_import():
    source = """
import pytest_storagefirst.plugin
from pytest_storagefirst import errors
from pytest_storagefirst.ledger.verdict import OK
if TYPE_CHECKING:
    from pytest_storagefirst.explore.result import require
def function():
    from pytest_storagefirst import collect
from . import template
from ..errors import StorageFirstError
from .template import load_template
"""
    assert imports_of(source, ("stack",)) == [
        (2, "plugin"),
        (3, "errors"),
        (4, "ledger.verdict"),
        (6, "explore.result"),
        (8, "collect"),
        (9, "stack.template"),
        (10, "errors"),
        (11, "stack.template"),
    ]


@pytest.mark.parametrize(
    "module", [m for m in MODULES if name_of(m).split(".")[0] in ("ledger", "errors")], ids=name_of
)
def test_the_ground_floor_needs_only_the_standard_library(module):
    import sys

    roots = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }

    assert roots <= sys.stdlib_module_names | {"pytest_storagefirst"}


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_modules_say_what_they_are_and_stay_small(module):
    source = module.read_text(encoding="utf-8")

    assert module.stem not in ("utils", "helpers", "common", "misc")
    assert len(source.splitlines()) <= 400
    assert ast.get_docstring(ast.parse(source)) or not source.strip()


@pytest.mark.parametrize("name", sorted(pytest_storagefirst.__all__))
def test_public_names_exist_and_are_documented(name):
    value = getattr(pytest_storagefirst, name)

    assert name in dir(pytest_storagefirst)
    assert isinstance(value, str) or value.__doc__
    assert name == "__version__" or name in (ROOT / "README.md").read_text(encoding="utf-8")


def test_a_name_that_does_not_exist_is_refused():
    with pytest.raises(AttributeError, match="has no attribute 'schedule'"):
        pytest_storagefirst.schedule  # noqa: B018


def test_every_option_and_property_is_in_the_readme(pytestconfig):
    from pytest_storagefirst.ledger.properties import registered

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    options = re.findall(r'"(--storagefirst-[a-z-]+)"', (PACKAGE / "options.py").read_text())
    assert len(options) == 6

    missing = [
        name for name in (*options, "storagefirst_templates", *registered()) if name not in readme
    ]
    assert missing == []


def tracked_texts() -> list[Path]:
    """The files that make up the repository, without what was made in it."""
    files = [
        path
        for path in ROOT.rglob("*")
        if path.is_file()
        and not any(
            part in ("__pycache__", "_build")
            or (part[0] == "." and part not in (".ci", ".gitignore"))
            for part in path.relative_to(ROOT).parts
        )
    ]
    return [path for path in files if path.suffix not in (".pyc", ".zip", ".png")]


def test_no_file_names_a_place_of_one_machine():
    places = [("", part, "") for part in ("work", "root", "farm", "home", "Users")]
    hosts = ["pypi" + ".org", "pythonhosted" + ".org", "npmjs" + ".com"]
    forbidden = re.compile(
        r"(?<![\w.])(?:" + "|".join("/".join(place) for place in places) + ")|"
        r"https?://[^\s/]*(?:" + "|".join(map(re.escape, hosts)) + ")"
    )
    assert forbidden.search("see " + "/".join(places[0]) + "x")

    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in tracked_texts()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if forbidden.search(line)
    ]

    assert found == []
