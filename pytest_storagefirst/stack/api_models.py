"""AWS's API models and endpoints, read once a process and not once a session.

botocore reads its JSON files per session, and moto anew for each service, after a look through the
folder of all services: tenths of a second in a process that has just been started.
"""

from __future__ import annotations

import gzip
import importlib
import json
import os
from collections.abc import Mapping
from functools import cache
from typing import Any

_OPENED_BY: Mapping[str, Any] = {".json": open, ".json.gz": gzip.open}
_loaders: dict[tuple[str, ...], Any] = {}


class _Files:
    """botocore's file loader, without its OrderedDicts: a plain dict keeps the order as well.

    They take three times as long to make, and the garbage collector visits each of them.
    """

    def exists(self, file_path: str) -> bool:
        return any(os.path.isfile(file_path + ending) for ending in _OPENED_BY)

    def load_file(self, file_path: str) -> Any:
        for ending, opened in _OPENED_BY.items():
            if os.path.isfile(file_path + ending):
                with opened(file_path + ending, "rb") as file:
                    return json.loads(file.read())
        return None


def share_models(session: Any) -> None:
    """Let a new boto3 session read with what an earlier one of the same data path has read.

    A loader whose path was changed since, as a handler may do with its own, is not given on.
    """
    core = session._session
    loader = core.get_component("data_loader")
    path = tuple(loader.search_paths)
    shared = _loaders.get(path)
    if shared is None or tuple(shared.search_paths) != path:
        shared = _loaders[path] = loader
        shared.file_loader = _Files()
    core.register_component("data_loader", shared)
    session._loader = shared


@cache
def share_models_of_moto() -> None:
    """The same for moto's own loaders and for the session that it asks for regions."""
    from moto.core.base_backend import AccountSpecificBackend

    share_models(AccountSpecificBackend.get_session())
    utils: Any = importlib.import_module("moto.core.utils")
    shared = utils.create_loader()
    shared.file_loader = _Files()
    utils.create_loader = lambda: shared
