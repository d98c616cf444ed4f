"""A user's mistakes: each line that mypy --strict must refuse says so.

--strict reports an ignore that is not needed, so a mistake that is let pass fails, too.
"""

from __future__ import annotations

import pytest_storagefirst
from pytest_storagefirst import StorageFirst, StorageFirstError, schedules, stateful

pytest_storagefirst.schedule  # type: ignore[attr-defined]  # noqa: B018
stateful(1)  # type: ignore[arg-type]
schedules("template.yaml", max_faults="two")  # type: ignore[arg-type]
schedules()  # type: ignore[call-arg]


def test_by_hand(storagefirst: StorageFirst) -> None:
    storagefirst("template.yaml").send("POST /orders")  # type: ignore[attr-defined]
    with storagefirst("template.yaml", handlers={"Worker": 1}) as stack:  # type: ignore[dict-item]
        stack.inject(1)  # type: ignore[arg-type]
        stack.send(entry=2)  # type: ignore[arg-type]
        stack.rum()  # type: ignore[attr-defined]
        stack.table("Orders").item("o-1")  # type: ignore[call-arg]
    storagefirst.verify()  # type: ignore[call-arg]


def told(error: StorageFirstError) -> int:
    return error.problem  # type: ignore[return-value]
