"""HTTP calls of a handler, answered here instead of by a network.

Served are http.client (and with it urllib.request), urllib3 1 and 2 (and with it requests), and
httpx. Only what would have gone over the wire is replaced: each client builds its request, parses
the answer, raises its own exceptions and retries by its own rules. Proxies are never contacted, TLS
is never spoken. What other clients open (aiohttp, raw sockets) is refused by `isolation`.
"""

from __future__ import annotations

import importlib.machinery
import sys
from _thread import get_ident
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from pytest_storagefirst.simulation.isolation import switch
from pytest_storagefirst.simulation.wire import certificates, connections
from pytest_storagefirst.simulation.wire.exchange import (
    ConnectionRefused,
    ConnectionResetAfterEffect,
    ConnectTimeout,
    HttpAnswer,
    HttpCall,
    NameNotFound,
    ReadTimeout,
    Respond,
    WireFault,
)

__all__ = [
    "ConnectTimeout",
    "ConnectionRefused",
    "ConnectionResetAfterEffect",
    "HttpAnswer",
    "HttpCall",
    "NameNotFound",
    "ReadTimeout",
    "Respond",
    "WireFault",
    "install",
    "intercept",
    "uninstall",
]

_respond: Respond | None = None
_owner = 0
_undo: list[Callable[[], None]] = []


@contextmanager
def intercept(respond: Respond) -> Iterator[None]:
    """Within this block `respond` answers the HTTP calls of this thread.

    It returns an `HttpAnswer` or raises a `WireFault`; anything else that it raises passes through
    the client to its caller.
    """
    global _respond, _owner
    install()
    outer = _respond, _owner
    _respond, _owner = respond, get_ident()
    try:
        yield
    finally:
        _respond, _owner = outer


def _active() -> Respond | None:
    if _respond is None or get_ident() != _owner:
        return None
    switch.stop_the_unwinding()
    return _respond


def _patch_urllib3(module: ModuleType) -> list[Callable[[], None]]:
    return connections.patch_urllib3(_active, module)


def _patch_httpx(module: ModuleType) -> list[Callable[[], None]]:
    from pytest_storagefirst.simulation.wire import transports

    return transports.patch_httpx(_active, module)


_CLIENTS = {"urllib3.connection": _patch_urllib3, "httpx": _patch_httpx}


def install() -> None:
    """Patch the clients, those imported later when they are; once per process."""
    if _undo:
        return
    _undo.extend(connections.patch_http_client(_active))
    _undo.extend(certificates.patch_certificates(_active))
    for name, patch in _CLIENTS.items():
        if name in sys.modules:
            _undo.extend(patch(sys.modules[name]))
    sys.meta_path.insert(0, _late_clients)
    _undo.append(lambda: sys.meta_path.remove(_late_clients))


def uninstall() -> None:
    """Put every original back."""
    while _undo:
        _undo.pop()()


class _LateClients:
    """Finds a client like everyone else does, and patches it once it has been imported."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        patch = _CLIENTS.get(name)
        if patch is None:
            return None
        for finder in sys.meta_path:
            if isinstance(finder, _LateClients) or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                _patch_after_import(spec.loader, patch)
                return spec
        return None


def _patch_after_import(
    loader: Any, patch: Callable[[ModuleType], list[Callable[[], None]]]
) -> None:
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        execute(module)
        _undo.extend(patch(module))

    loader.exec_module = exec_module


_late_clients: Any = _LateClients()
