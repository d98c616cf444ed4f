"""Certificate authorities are loaded when TLS needs them, which it never does inside a simulation.

Loading takes some 20 ms, and `httpx.Client()` does it each time: more than all else in a run.
"""

from __future__ import annotations

import functools
import os
import ssl
from collections.abc import Callable
from typing import Any

from pytest_storagefirst.simulation.isolation import switch
from pytest_storagefirst.simulation.wire.exchange import Respond

_LOADING = ("load_verify_locations", "set_default_verify_paths")
_USING = ("wrap_socket", "wrap_bio", "get_ca_certs", "cert_store_stats")


def patch_certificates(active: Callable[[], Respond | None]) -> list[Callable[[], None]]:
    """Put off what `ssl.SSLContext` loads while `active()`, until it is used."""
    restores = [switch.restoring(ssl.SSLContext, name) for name in (*_LOADING, *_USING)]
    for name in _LOADING:
        setattr(ssl.SSLContext, name, _put_off(getattr(ssl.SSLContext, name), active))
    for name in _USING:
        setattr(ssl.SSLContext, name, _after_loading(getattr(ssl.SSLContext, name)))
    return restores


def _put_off(load: Any, active: Callable[[], Respond | None]) -> Any:
    @functools.wraps(load)
    def load_later(
        self: ssl.SSLContext, cafile: Any = None, capath: Any = None, cadata: Any = None
    ) -> None:
        arguments = {"cafile": cafile, "capath": capath, "cadata": cadata}
        given = {name: value for name, value in arguments.items() if value is not None}
        there = all(os.path.exists(path) for path in (cafile, capath) if path is not None)
        if active() is None or not there:
            load(self, **given)
        else:
            vars(self).setdefault("_put_off", []).append((load, given))

    return load_later


def _after_loading(use: Any) -> Any:
    @functools.wraps(use)
    def method(self: ssl.SSLContext, *arguments: Any, **named: Any) -> Any:
        for load, given in vars(self).pop("_put_off", ()):
            load(self, **given)
        return use(self, *arguments, **named)

    return method
