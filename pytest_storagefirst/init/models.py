"""A body from a route's request model, where what the engine guesses does not fit it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from random import Random
from typing import Any

from pytest_storagefirst.errors import EntryError
from pytest_storagefirst.explore.judge import Judge
from pytest_storagefirst.init import identifying
from pytest_storagefirst.simulation.deployed import Entry


def example(judge: Judge, entry: Entry) -> Any:
    """The smallest body of the entry's model that the stack takes; None without one."""
    for body in _smallest(entry):
        try:
            return identifying.with_unique(judge, entry, body)
        except EntryError:
            continue
    return None


def _smallest(entry: Entry) -> Iterator[Any]:
    if entry.route is None:
        return
    from hypothesis import find, settings
    from hypothesis.errors import HypothesisException
    from hypothesis_jsonschema import from_schema

    for text in entry.route.request_models.values():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield find(
                    from_schema(json.loads(text)),
                    lambda body: isinstance(body, dict) and bool(body),
                    settings=settings(database=None, max_examples=200, deadline=None),
                    random=Random(0),
                )
        except (HypothesisException, ValueError, TypeError, KeyError, RecursionError):
            continue  # a schema that the library does not know: none is made of it
