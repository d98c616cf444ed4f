"""Whose modules are whose: an environment's own, a build's, the tester's."""

from __future__ import annotations

import importlib
import sys
import textwrap
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.simulation import modules
from pytest_storagefirst.simulation.environment import Code, Environment

HANDLER = """
import json
import {module}
def handler(event, context):
    print(json.dumps({expression}))
"""


def printed(
    rig: Any, folder: Path, expression: str, module: str = "sys", **files: str
) -> list[str]:
    source = HANDLER.format(module=module, expression=expression)
    played = rig.with_files(folder, app=source, **files).play()
    assert played.errors == (), played.errors
    return played.printed.split("\n")[:-1]


def test_siblings_packages_and_relative_imports(rig: Any, tmp_path: Path) -> None:
    lines = printed(
        rig,
        tmp_path,
        "[sibling.NAME, package.NAME, package.inner.deep.NAME, package.relative.NAME]",
        "sibling, package, package.inner.deep, package.relative",
        sibling="NAME = 's'",
        package__init="NAME = 'p'",
        package__inner__deep="NAME = 'd'",  # a namespace package in a package
        package__relative="from . import NAME as OTHER\nfrom .inner.deep import NAME\n",
    )
    assert lines == ['["s", "p", "d", "d"]']


def test_namespace_packages(rig: Any, tmp_path: Path) -> None:
    assert printed(rig, tmp_path, "space.one.NAME", "space.one", space__one="NAME = 1") == ["1"]


@pytest.mark.parametrize("handler", ["deep.er.app.handler", "deep/er/app.handler"])
def test_a_handler_in_a_folder(rig: Any, tmp_path: Path, handler: str) -> None:
    stack = rig.with_files(tmp_path, handler, deep__er__app="def handler(e, c): print(__name__)")
    assert stack.play().printed == "deep.er.app\n"


def test_lazy_imports_are_the_environments_own(rig: Any, tmp_path: Path) -> None:
    source = """
    seen = []
    def handler(event, context):
        import lazy
        lazy.seen.append(1)
        from pack import later
        later.seen.append(1)
        print(len(lazy.seen), len(later.seen))
    """
    stack = rig.with_files(
        tmp_path, app=source, lazy="seen = []", pack__init="", pack__later="seen = []"
    )
    for _ in range(2):
        played = stack.play("Worker: invocation #3: recycled", messages=3, batch_limit=1)
        assert played.printed.split("\n") == ["1 1", "2 2", "1 1", ""]
    assert "lazy" not in sys.modules
    assert "pack" not in sys.modules


def test_two_functions_may_both_be_called_app(rig: Any, tmp_path: Path) -> None:
    worker = """
    import boto3, shared
    shared.seen.append("worker")
    def handler(event, context):
        boto3.client("lambda").invoke(FunctionName="callee", Payload=b"{}")
        import shared as again
        print(__name__, again.seen, again is shared)
    """
    callee = """
    import shared
    shared.seen.append("callee")
    def handler(event, context):
        print(__name__, shared.seen)
    """
    for name, source in (("worker", worker), ("callee", callee)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "app.py").write_text(textwrap.dedent(source))
        (folder / "shared.py").write_text("seen = []\n")
    stack = rig.with_code(
        Worker=Code("Worker", "app.handler", search=(tmp_path / "worker",)),
        Callee=Code("Callee", "app.handler", search=(tmp_path / "callee",)),
    )
    assert stack.play().printed.split("\n") == [
        "app ['callee']",
        "app ['worker'] True",
        "",
    ]


def test_two_environments_of_one_function_share_nothing(rig: Any, tmp_path: Path) -> None:
    source = """
    import time
    seen = []
    def handler(event, context):
        seen.append(1)
        time.sleep(1)
        print(len(seen))
    """
    stack = rig.with_files(tmp_path, app=source)
    assert stack.play(messages=2, concurrency=2, batch_limit=1).printed.split() == ["1", "1"]


def test_names_of_the_testers_modules_are_free(rig: Any, tmp_path: Path) -> None:
    """A handler's `app` is its own though the tester has imported one, or a package."""
    own = types.ModuleType("shadowed")
    own.NAME = "tester's"  # type: ignore[attr-defined]
    inner = types.ModuleType("shadowed.inner")
    sys.modules["shadowed"], sys.modules["shadowed.inner"] = own, inner
    try:
        lines = printed(
            rig,
            tmp_path,
            "[shadowed.NAME, 'shadowed.inner' in sys.modules]",
            "sys, shadowed",
            shadowed="NAME = 'handler'",
        )
        assert lines == ['["handler", false]']
        assert sys.modules["shadowed"] is own
        assert sys.modules["shadowed.inner"] is inner
    finally:
        del sys.modules["shadowed"], sys.modules["shadowed.inner"]


def test_what_one_function_hides_another_still_sees(rig: Any, tmp_path: Path) -> None:
    own = types.ModuleType("library")
    own.NAME = "installed"  # type: ignore[attr-defined]
    sys.modules["library"] = own
    worker = """
    import boto3, library
    def handler(event, context):
        boto3.client("lambda").invoke(FunctionName="callee", Payload=b"{}")
        print(library.NAME)
    """
    callee = "def handler(event, context):\n    import library\n    print(library.NAME)\n"
    try:
        stack = rig.with_files(tmp_path / "w", app=worker, library="NAME = 'of its own'")
        (tmp_path / "c").mkdir()
        (tmp_path / "c" / "app.py").write_text(callee)
        stack = stack.with_code(Callee=Code("Callee", "app.handler", search=(tmp_path / "c",)))
        assert stack.play().printed.split("\n") == ["installed", "of its own", ""]
        assert sys.modules["library"] is own
    finally:
        del sys.modules["library"]


def test_the_testers_own_import_of_the_handler_stays(
    rig: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test module that imports the handler, with its folder on sys.path, keeps its module."""
    stack = rig.with_files(tmp_path, app="seen = []\ndef handler(e, c): seen.append(1)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "app", raising=False)
    own = importlib.import_module("app")
    stack.play()
    assert sys.modules["app"] is own
    assert own.seen == []
    monkeypatch.delitem(sys.modules, "app")


def test_site_packages_inside_the_code_folder_are_shared(
    rig: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`CodeUri: .` with the tester's venv in it: what lies there is not the function's."""
    site = tmp_path / ".venv" / "site-packages"
    (site / "installed_thing").mkdir(parents=True)
    (site / "installed_thing" / "__init__.py").write_text("")
    (site / "installed_thing" / "later.py").write_text("seen = [0]\n")
    monkeypatch.syspath_prepend(str(site))
    try:
        source = "installed_thing.later.seen.append(1) or len(installed_thing.later.seen)"
        assert printed(rig, tmp_path, source, "installed_thing.later") == ["2"]
        assert printed(rig, tmp_path, source, "installed_thing.later") == ["3"]
        assert "installed_thing.later" in sys.modules
    finally:
        for name in ("installed_thing", "installed_thing.later"):
            sys.modules.pop(name, None)


def test_moto_and_boto3_beside_the_handler_are_not_used(rig: Any, tmp_path: Path) -> None:
    lines = printed(
        rig,
        tmp_path,
        "boto3.__version__",
        "boto3",
        boto3__init="raise RuntimeError",
        moto__init="raise RuntimeError",
        werkzeug="raise RuntimeError",
    )
    assert lines == [f'"{importlib.import_module("boto3").__version__}"']


def test_a_sibling_may_be_named_as_a_module_that_nobody_needs(rig: Any, tmp_path: Path) -> None:
    assert printed(rig, tmp_path, "secrets.NAME", "secrets", secrets="NAME = 1") == ["1"]
    assert importlib.import_module("secrets").token_hex(1)


def test_a_sibling_that_the_runtime_has_imported_already_is_not_seen(
    rig: Any, tmp_path: Path
) -> None:
    assert printed(rig, tmp_path, "hasattr(json, 'NAME')", "sys", json="NAME = 1") == ["false"]


def test_what_a_build_installed_is_imported_once(rig: Any, tmp_path: Path) -> None:
    """Like site-packages: compiled modules can't be imported twice, and none holds state."""
    (tmp_path / "vendored-1.0.dist-info").mkdir()
    (tmp_path / "vendored-1.0.dist-info" / "RECORD").write_text(
        "vendored/__init__.py,,\nvendored/inner.py,,\nsingle.py,,\nvendored-1.0.dist-info/RECORD,,\n"
    )
    expression = "[len(x) for x in (vendored.seen, vendored.inner.seen, single.seen, own.seen)]"
    stack_files = {
        "vendored__init": "seen = []",
        "vendored__inner": "seen = []",
        "single": "seen = []",
        "own": "seen = []",
    }
    source = HANDLER.format(
        module="vendored.inner, single, own\n"
        "for module in (vendored, vendored.inner, single, own): module.seen.append(1)",
        expression=expression,
    )
    stack = rig.with_files(tmp_path, app=source, **stack_files)
    assert stack.play().printed == "[1, 1, 1, 1]\n"
    assert stack.play().printed == "[2, 2, 2, 1]\n"
    assert "vendored" not in sys.modules


def test_a_package_that_was_cut_off_in_its_import_is_imported_again(
    rig: Any, tmp_path: Path
) -> None:
    (tmp_path / "calling-1.0.dist-info").mkdir()
    (tmp_path / "calling-1.0.dist-info" / "RECORD").write_text("calling.py,,\n")
    calling = """
    import boto3
    boto3.client("dynamodb").put_item(TableName="keys", Item={"id": {"S": "x"}})
    DONE = True
    """
    app = "import calling\ndef handler(e, c): print(calling.DONE)\n"
    stack = rig.with_files(tmp_path, app=app, calling=calling)
    played = stack.play("Worker: dynamodb.PutItem #1: crash-after")
    assert played.printed == "True\n"


def test_paths_that_a_handler_adds_are_its_own(rig: Any, tmp_path: Path) -> None:
    source = """
    import os, sys
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "vendor"))
    def handler(event, context):
        import boto3
        boto3.client("lambda").invoke(FunctionName="callee", Payload=b"{}")
        import added
        added.seen.append(1)
        print(len(added.seen))
    """
    before = list(sys.path)
    stack = rig.with_files(tmp_path / "w", app=source, vendor__added="seen = []")
    stack = stack.with_code(Callee=Code("Callee", "index.handler", inline="handler = print"))
    for _ in range(2):
        assert stack.play().printed.splitlines()[-1] == "1"
    assert sys.path == before
    assert "added" not in sys.modules


def test_layers_come_after_the_code(rig: Any, tmp_path: Path) -> None:
    for name in ("code", "layer"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "both.py").write_text(f"NAME = '{name}'\n")
    (tmp_path / "layer" / "only.py").write_text("NAME = 'layer'\n")
    (tmp_path / "code" / "app.py").write_text(
        "import both, only\ndef handler(e, c): print(both.NAME, only.NAME)\n"
    )
    code = Code("Worker", "app.handler", search=(tmp_path / "code", tmp_path / "layer"))
    assert rig.with_code(Worker=code).play().printed == "code layer\n"


def test_a_file_that_changed_is_read_again(rig: Any, tmp_path: Path) -> None:
    assert rig.with_files(tmp_path, app="def handler(e, c): print(1)").play().printed == "1\n"
    path = tmp_path / "app.py"
    path.write_text("def handler(e, c): print(22)")
    stat = path.stat()
    importlib.import_module("os").utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    code = Code("Worker", "app.handler", search=(tmp_path,))
    assert rig.with_code(Worker=code).play().printed == "22\n"


def test_inline_code_is_a_module(rig: Any) -> None:
    inline = """
from __future__ import annotations
import sys
from dataclasses import dataclass
@dataclass
class Order:
    amount: int
seen = []
def handler(event, context):
    seen.append(Order(1))
    print(__name__, sys.modules[__name__].seen)
    if __name__ == "__main__":
        print("never")
"""
    code = Code("Worker", "index.handler", inline=inline)
    assert rig.with_code(Worker=code).play().printed == "index [Order(amount=1)]\n"
    assert "index" not in sys.modules


def test_a_module_is_compiled_once_for_all_runs(rig: Any, tmp_path: Path) -> None:
    stack = rig.with_files(tmp_path, app="def handler(e, c): pass")
    stack.play()
    before = modules._compiled.cache_info().misses
    stack.play()
    assert modules._compiled.cache_info().misses == before


def test_nothing_is_found_outside_of_an_environment() -> None:
    assert modules.finder.environment is None
    assert modules.finder.find_spec("json") is None
    assert modules.finder not in sys.meta_path
    environment = Environment(Code("Worker", "app.handler", search=(Path("/nowhere"),)), {}, 0)
    assert environment.search == ("/nowhere",)
    assert replace(environment, search=()).search == ("/nowhere",)
