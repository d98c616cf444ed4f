"""One moto of its own per stack: attached while in use, out of reach of everyone else's moto.

moto keeps its state in module globals that any `mock_aws` in the user's own tests resets. A world's
state is put in place when it is entered and taken out when it is left, so a stack survives such
tests and they never see it. The control plane is built once, and all that a run changed is put back
before the next.
"""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import lru_cache, partial
from typing import Any, NamedTuple

from pytest_storagefirst.simulation.world import corrections, rewinds, shortcuts
from pytest_storagefirst.simulation.world.copies import deep_copy

ACCOUNT = "123456789012"

_GLOBAL = frozenset({"s3", "iam"})
_RUNS_BETWEEN_CLEANINGS = 256

# What these change is rewound by itself, table by table and queue by queue: in each run, and fast.
_DATA_OPERATIONS = {
    "dynamodb": frozenset(
        {
            "BatchExecuteStatement",
            "BatchWriteItem",
            "DeleteItem",
            "ExecuteStatement",
            "ExecuteTransaction",
            "PutItem",
            "TransactWriteItems",
            "UpdateItem",
        }
    ),
    "kinesis": frozenset({"PutRecord", "PutRecords"}),
    "sqs": frozenset(
        {
            "CancelMessageMoveTask",
            "ChangeMessageVisibility",
            "ChangeMessageVisibilityBatch",
            "DeleteMessage",
            "DeleteMessageBatch",
            "PurgeQueue",
            "SendMessage",
            "SendMessageBatch",
            "StartMessageMoveTask",
        }
    ),
    "s3": frozenset(
        {
            "AbortMultipartUpload",
            "CompleteMultipartUpload",
            "CopyObject",
            "CreateMultipartUpload",
            "DeleteObject",
            "DeleteObjects",
            "PutObject",
            "UploadPart",
            "UploadPartCopy",
        }
    ),
    # Of these nothing is kept that a run could see.
    "events": frozenset({"PutEvents"}),
    "sns": frozenset({"Publish", "PublishBatch"}),
}
_REWOUND = ("dynamodb", "sqs", "s3", "kinesis")
# These don't reach moto at all.
_EXECUTING = frozenset(
    {
        "SendTaskFailure",
        "SendTaskHeartbeat",
        "SendTaskSuccess",
        "StartExecution",
        "StartSyncExecution",
        "StopExecution",
    }
)
_INVOKING = {
    "lambda": frozenset({"Invoke", "InvokeAsync", "InvokeWithResponseStream"}),
    "states": _EXECUTING,
    "stepfunctions": _EXECUTING,
}


class MotoRandom:
    """moto's own random ids, of topics' messages, versions and the like: by seed while in a run."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._own: Any = None
        self._outer: Any = None

    def enter(self) -> None:
        """Called before each call that goes to moto whole; does its work once."""
        if self._outer is not None:
            return
        from moto.moto_api._internal import mock_random

        self._outer = mock_random.getstate()
        if self._own is None:
            mock_random.seed(self._seed)
        else:
            mock_random.setstate(self._own)

    def leave(self, *, goes_on: bool = False) -> None:
        if self._outer is None:
            return
        from moto.moto_api._internal import mock_random

        if goes_on:
            self._own = mock_random.getstate()
        mock_random.setstate(self._outer)
        self._outer = None


@lru_cache(maxsize=256)
def _moto_name(service: str) -> str:
    from moto import backends

    known = {"lambda", *backends.list_of_moto_modules()}
    for name in (service, service.replace("-", "")):
        if name in known:
            return name
    raise KeyError(service)


@lru_cache(maxsize=256)
def _backends(moto_name: str) -> Any:
    from moto import backends

    return backends.get_backend(moto_name)  # type: ignore[call-overload,unused-ignore]


def _tracking() -> list[Any]:
    from moto.core.model_instances import model_data

    return [
        kind
        for kinds in model_data.values()
        for kind in kinds.values()
        if isinstance(getattr(kind, "instances_tracked", None), list)
    ]


@contextmanager
def nobodys_configuration() -> Iterator[None]:
    """Within this block botocore finds no profile, credentials or endpoints of the tester's."""
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("AWS_")}
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    try:
        yield
    finally:
        del os.environ["AWS_CONFIG_FILE"], os.environ["AWS_SHARED_CREDENTIALS_FILE"]
        os.environ.update(kept)


class World:
    """The moto state of one stack."""

    def __init__(self, region: str) -> None:
        self.region = region
        self._state = _State([], {})
        self._rewound = 0
        self._attached = False
        # By service and region; None for a service that can't be copied.
        self._baselines: dict[tuple[str, str], dict[str, Any] | None] = {}
        self._touched: set[tuple[str, str]] = set()
        self._buckets: dict[str, Any] = {}
        self._runs = 0
        self._rewinds: list[tuple[str, Callable[[], None]]] = []  # by service

    @contextmanager
    def attached(self, *, by_moto: bool = False) -> Iterator[None]:
        """Within this block moto's state is this world's.

        Calls are answered by moto's own hook when `by_moto` is set, else by the boundary alone: a
        `mock_aws` round the user's test would answer before it could.
        """
        from moto.core.base_backend import BackendDict
        from moto.core.models import botocore_stubber

        from pytest_storagefirst.simulation.queues.service import simulated_sqs

        if self._attached:
            yield
            return
        outside = _state(BackendDict)
        _replace(BackendDict, self._state)
        stubbing, botocore_stubber.enabled = botocore_stubber.enabled, by_moto
        self._attached = True
        try:
            with simulated_sqs(), nobodys_configuration() if by_moto else nullcontext():
                yield
        finally:
            self._attached = False
            self._state = _state(BackendDict)
            botocore_stubber.enabled = stubbing
            _replace(BackendDict, outside)

    def backend(self, service: str, region: str = "") -> Any:
        """moto's backend of a service in a region, this world's own unless another is named.

        The world must be attached. Raises KeyError when moto has no such service.
        """
        name = _moto_name(service)
        regions = _backends(name)[ACCOUNT]
        wanted = region or self.region
        return regions["aws" if name in _GLOBAL or wanted not in regions else wanted]

    def mark(self) -> None:
        """Remember the data plane as it is now: `rewind` comes back to this."""
        shortcuts.install()
        corrections.install()
        self._baselines.clear()
        self._touched.clear()
        for service in _REWOUND:
            if service == "kinesis" and not self._has_streams():
                continue
            self._baselines[service, self.region] = self._copy_of(service, self.region)
        self._make_rewinds()
        self._buckets = dict(self._bucket_accounts())

    def about_to_change(self, service: str, operation: str, region: str = "") -> bool:
        """Called before a write: `rewind` takes it back. False when it can't."""
        region = region or self.region
        data_operations = _DATA_OPERATIONS.get(service)
        if data_operations and region == self.region and operation in data_operations:
            return True
        if operation in _INVOKING.get(service, ()):
            return True
        key = (service, region)
        if key not in self._baselines:
            try:
                self._baselines[key] = self._copy_of(service, region)
            except KeyError:
                return True  # moto will say that it doesn't know the call
        self._touched.add(key)
        return self._baselines[key] is not None

    def rewind(self) -> None:
        """Put back everything that was changed since `mark`."""
        for service, restore in self._rewinds:
            if (service, self.region) not in self._touched:
                restore()
        for service, region in self._touched:
            baseline = self._baselines.get((service, region))
            if baseline is not None:
                backend = self.backend(service, region)
                backend.__dict__.clear()
                backend.__dict__.update(deep_copy(baseline))
            if service == "s3":
                self._bucket_accounts().clear()
                self._bucket_accounts().update(self._buckets)
        if any(service in _REWOUND for service, _ in self._touched):
            self._make_rewinds()
        self._touched.clear()
        self._runs += 1
        if self._runs % _RUNS_BETWEEN_CLEANINGS == 0:
            self._forget_instances()

    @staticmethod
    def _bucket_accounts() -> dict[str, Any]:
        """Whose each bucket is: names are global, and so is moto's register of them."""
        from moto.s3.models import s3_backends

        return s3_backends.bucket_accounts

    def _copy_of(self, service: str, region: str) -> dict[str, Any] | None:
        backend = self.backend(service, region)
        try:
            copied: dict[str, Any] = deep_copy(backend.__dict__)
        except Exception:
            return None
        return copied

    def _make_rewinds(self) -> None:
        kept = {
            "dynamodb": self._table_rewinds(),
            "sqs": self._queue_rewinds(),
            "s3": self._bucket_rewinds(),
            "kinesis": self._stream_rewinds(),
        }
        self._rewinds = [(service, one) for service, found in kept.items() for one in found]

    def _forget_instances(self) -> None:
        """moto keeps a list of all instances of its models, for a dashboard; nothing is freed."""
        for kind in _tracking():
            kind.instances_tracked.clear()

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
            yield rewinds.of_table(table, partial(self._table, table.name))

    def _table(self, name: str) -> Any:
        return self.backend("dynamodb").tables[name]

    def _queue_rewinds(self) -> Iterator[Callable[[], None]]:
        backend = self.backend("sqs")
        for queue in backend.queues.values():
            yield partial(queue.restore, queue.snapshot())

    def _has_streams(self) -> bool:
        """Whether there is a data stream; a stack without one doesn't load moto's Kinesis."""
        models = sys.modules.get("moto.kinesis.models")
        if models is None or ACCOUNT not in dict.keys(models.kinesis_backends):
            return False
        regions = dict.values(models.kinesis_backends[ACCOUNT])
        return any(backend.streams for backend in regions)

    def _stream_rewinds(self) -> Iterator[Callable[[], None]]:
        if self._has_streams():
            for stream in self.backend("kinesis").streams.values():
                for shard in stream.shards.values():
                    yield partial(rewinds.keep_records, shard.records, dict(shard.records))

    def _bucket_rewinds(self) -> Iterator[Callable[[], None]]:
        for bucket in self.backend("s3").buckets.values():
            yield rewinds.of_bucket(bucket)


def _fill(tables: Any, contents: dict[str, Any]) -> None:
    for name, items in contents.items():
        tables[name].items.clear()
        tables[name].items.update(items)


class _State(NamedTuple):
    """All of moto's state: backends by account, and S3's register of bucket names."""

    backends: list[tuple[Any, dict[Any, Any]]]
    bucket_accounts: dict[str, Any]


def _state(backend_dict: Any) -> _State:
    from moto.s3.models import s3_backends

    # moto looks a service up in its list at each call: those that are called most come first.
    used = sorted(backend_dict._instances, key=lambda one: one.service_name not in _DATA_OPERATIONS)
    # By dict's own items, which don't go through moto's __getitem__ for each.
    backends = [(backends, dict(dict.items(backends))) for backends in used]
    return _State(backends, dict(s3_backends.bucket_accounts))


def _replace(backend_dict: Any, state: _State) -> None:
    from moto.s3.models import s3_backends

    for backends in backend_dict._instances:
        dict.clear(backends)
    kept = [backends for backends, _ in state.backends]
    known = {id(backends) for backends in kept}
    # A service that was imported meanwhile is moto's to reset, too.
    more = [backends for backends in backend_dict._instances if id(backends) not in known]
    backend_dict._instances[:] = [*kept, *more]
    for backends, accounts in state.backends:
        dict.update(backends, accounts)
    s3_backends.bucket_accounts.clear()
    s3_backends.bucket_accounts.update(state.bucket_accounts)
