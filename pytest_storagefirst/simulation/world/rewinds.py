"""What puts a table, a stream or a bucket of moto's back as it was, made once for all runs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any


def of_table(table: Any, find: Callable[[], Any]) -> Callable[[], None]:
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


def keep_records(records: dict[int, Any], kept: dict[int, Any]) -> None:
    if len(records) != len(kept):
        records.clear()
        records.update(kept)


def of_bucket(bucket: Any) -> Callable[[], None]:
    kept = dict(bucket.keys.items())

    def restore() -> None:
        bucket.multiparts.clear()
        if len(bucket.keys) != len(kept) or kept:
            bucket.keys.clear()
            for name, key in kept.items():
                bucket.keys[name] = key

    return restore
