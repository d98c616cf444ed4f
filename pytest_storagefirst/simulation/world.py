"""One moto of its own per stack: attached while in use, out of reach of everyone else's moto.

moto keeps its state in module globals that any `mock_aws` in the user's own tests resets. A world's
state is put in place when it is entered and taken out when it is left, so a stack survives such
tests and they never see it. Between runs the data plane is rewound; the control plane is built once.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

ACCOUNT = "123456789012"


class World:
    """The moto state of one stack."""

    def __init__(self, region: str) -> None:
        self.region = region
        self._state: list[tuple[Any, dict[Any, Any]]] = []
        self._attached = False
        self._baselines: dict[str, dict[str, Any]] = {}
        self._touched: set[str] = set()
        self._rewinds: list[Callable[[], None]] = []

    @contextmanager
    def attached(self, *, by_moto: bool = False) -> Iterator[None]:
        """Within this block moto's state is this world's.

        Calls are answered by moto's own hook when `by_moto` is set, else by the boundary alone: a
        `mock_aws` round the user's test would answer before it could.
        """
        from moto.core.base_backend import BackendDict
        from moto.core.models import botocore_stubber

        from pytest_storagefirst.simulation.queues import simulated_sqs

        if self._attached:
            yield
            return
        outside = [(backends, dict(backends)) for backends in BackendDict._instances]
        _replace(BackendDict, self._state)
        stubbing, botocore_stubber.enabled = botocore_stubber.enabled, by_moto
        self._attached = True
        try:
            with simulated_sqs():
                yield
        finally:
            self._attached = False
            self._state = [(backends, dict(backends)) for backends in BackendDict._instances]
            botocore_stubber.enabled = stubbing
            _replace(BackendDict, outside)

    def backend(self, service: str) -> Any:
        """moto's backend of a service in this world's region; the world must be attached."""
        from moto import backends

        found: Any = backends.get_backend(service)  # type: ignore[call-overload,unused-ignore]
        regions = found[ACCOUNT]
        return regions["aws"] if service in ("s3", "iam") else regions[self.region]

    def mark(self) -> None:
        """Remember the data plane as it is now: `rewind` comes back to this."""
        self._baselines.clear()
        self._touched.clear()
        self._rewinds = [*self._table_rewinds(), *self._queue_rewinds(), *self._bucket_rewinds()]

    def about_to_change(self, service: str) -> None:
        """Called before the first write of a run to a service whose data has no rewind of its own."""
        if service not in self._baselines:
            try:
                backend = self.backend(service)
            except Exception:
                return
            self._baselines[service] = copy.deepcopy(backend.__dict__)
        self._touched.add(service)

    def rewind(self) -> None:
        for restore in self._rewinds:
            restore()
        for service in self._touched:
            backend = self.backend(service)
            backend.__dict__.clear()
            backend.__dict__.update(copy.deepcopy(self._baselines[service]))
        self._touched.clear()

    def copy_of_tables(self) -> dict[str, Any]:
        """What every table holds now, for a read that comes too early."""
        return {
            name: copy.deepcopy(dict(table.items))
            for name, table in self.backend("dynamodb").tables.items()
        }

    @contextmanager
    def tables_as(self, contents: dict[str, Any]) -> Iterator[None]:
        """Within this block the tables hold `contents`, a `copy_of_tables`."""
        tables = self.backend("dynamodb").tables
        present = {name: dict(tables[name].items) for name in contents}
        _fill(tables, contents)
        try:
            yield
        finally:
            _fill(tables, present)

    def _table_rewinds(self) -> Iterator[Callable[[], None]]:
        # By the table of the day: a transaction that fails puts copies in the tables' place.
        for table in self.backend("dynamodb").tables.values():
            yield _table_rewind(table, lambda name=table.name: self.backend("dynamodb").tables[name])

    def _queue_rewinds(self) -> Iterator[Callable[[], None]]:
        backend = self.backend("sqs")
        for queue in backend.queues.values():
            snapshot = queue.snapshot()
            yield lambda queue=queue, snapshot=snapshot: queue.restore(snapshot)

    def _bucket_rewinds(self) -> Iterator[Callable[[], None]]:
        for bucket in self.backend("s3").buckets.values():
            yield _bucket_rewind(bucket)


def _fill(tables: Any, contents: dict[str, Any]) -> None:
    for name, items in contents.items():
        tables[name].items.clear()
        tables[name].items.update(items)


def _replace(backend_dict: Any, state: list[tuple[Any, dict[Any, Any]]]) -> None:
    for backends in backend_dict._instances:
        dict.clear(backends)
    backend_dict._instances[:] = [backends for backends, _ in state]
    for backends, accounts in state:
        dict.update(backends, accounts)


def _table_rewind(table: Any, find: Callable[[], Any]) -> Callable[[], None]:
    kept = copy.deepcopy(dict(table.items))
    records = len(getattr(getattr(table, "stream_shard", None), "items", ()))

    def restore() -> None:
        table = find()
        shard = getattr(table, "stream_shard", None)
        if table.items or kept:
            table.items.clear()
            if kept:
                table.items.update(copy.deepcopy(kept))
        if shard is not None and len(shard.items) != records:
            del shard.items[records:]

    return restore


def _bucket_rewind(bucket: Any) -> Callable[[], None]:
    kept = dict(bucket.keys.items())

    def restore() -> None:
        if len(bucket.keys) != len(kept) or kept:
            bucket.keys.clear()
            for name, key in kept.items():
                bucket.keys[name] = key

    return restore
