"""What a library keeps in its globals is an environment's own (lambda-runtime-environment).

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

import sys

import pytest

from pytest_storagefirst.simulation import shared_state

LIBRARY = """
import threading
seen = {}
order = []
told = set()
mine = threading.local()
registry = {"a": 1}
count = 0

def note(what):
    global count
    count += 1
    seen[what] = order.append(what)
    told.add(what)
    mine.last = what
    registry[what] = 2

def state():
    return count, sorted(seen), list(order), sorted(told), getattr(mine, "last", None)
"""
NOTHING = (0, [], [], [], None)


@pytest.fixture
def library(tmp_path, monkeypatch):
    monkeypatch.setattr(shared_state, "_containers", [])
    monkeypatch.setattr(shared_state, "_globals", [])
    monkeypatch.setattr(shared_state, "_seen", set())
    monkeypatch.setattr(shared_state, "_known", set())
    path = tmp_path / "a_shared_library.py"
    path.write_text(LIBRARY, encoding="utf-8")
    import importlib.util

    loader = shared_state.SharedLoader("a_shared_library", str(path))
    spec = importlib.util.spec_from_loader("a_shared_library", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["a_shared_library"] = module
    loader.exec_module(module)
    yield module
    del sys.modules["a_shared_library"]


def test_two_environments_share_nothing_that_was_empty_or_is_rebound(library):
    outer = shared_state.swap({})
    library.note("one")
    one = library.state()
    of_one = shared_state.swap({})

    assert library.state() == NOTHING
    library.note("two")
    of_two = shared_state.swap(of_one)
    assert library.state() == one == (1, ["one"], ["one"], ["one"], "one")
    shared_state.swap(of_two)
    assert library.state() == (1, ["two"], ["two"], ["two"], "two")
    shared_state.swap(outer)
    assert library.state() == NOTHING


def test_a_registry_that_the_import_has_filled_is_everyones(library):
    library.note("one")
    shared_state.swap({})

    assert library.registry == {"a": 1, "one": 2}
