"""Bodies that a user's own Hypothesis strategy draws: `strategy = "tests.strategies:orders"`."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from pytest_storagefirst.errors import SettingsError


def load_strategy(name: str, folder: Path, where: str) -> Any:
    """The strategy that "module:name" means to a user whose storagefirst.toml lies in `folder`.

    Raises SettingsError when it can't be imported, or is no strategy.
    """
    from hypothesis.strategies import SearchStrategy

    module_name, _, attribute = name.partition(":")
    before = list(sys.path)
    sys.path.insert(0, str(folder))
    try:
        found = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise SettingsError(
            f"the strategy {name!r} can't be imported",
            where=where,
            found=f"{type(error).__name__}: {error}",
            expected=f'"module:name", importable from {folder}',
        ) from None
    finally:
        sys.path[:] = before
    if not isinstance(found, SearchStrategy):
        raise SettingsError(
            f"{name!r} is no Hypothesis strategy",
            where=where,
            found=type(found).__name__,
            expected="a strategy of bodies, such as st.fixed_dictionaries({…})",
        )
    return found


def simplest(strategy: Any, name: str, where: str) -> Any:
    """The simplest body that a strategy draws. Raises SettingsError where it is no JSON."""
    from hypothesis import find, settings

    body = find(strategy, lambda _: True, settings=settings(database=None, derandomize=True))
    try:
        json.dumps(body)
    except (TypeError, ValueError) as error:
        raise SettingsError(
            f"the strategy {name!r} draws a body that is no JSON",
            where=where,
            found=f"{body!r}: {error}",
            expected="a text, or what JSON can hold",
        ) from None
    return body


def some_bodies(strategy: Any, seed: int, most: int = 50) -> list[Any]:
    """Bodies that a strategy draws, the same ones for the same seed."""
    import hypothesis

    drawn: list[Any] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=most,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(strategy)
    def draw(body: Any) -> None:
        drawn.append(body)

    draw()
    return drawn
