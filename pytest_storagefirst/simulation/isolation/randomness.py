"""Chance, as a function of the seed: what a handler draws is the same in every run of a schedule.

`secrets`, `uuid.uuid4` and `random.SystemRandom` all draw on `os.urandom`. What differs from one
machine to another (host name, process id, network card) is as bad as chance and is made constant.
"""

from __future__ import annotations

import random
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pytest_storagefirst.simulation.isolation.switch import Act, Patch, Surroundings

_HOST_NAME = "169.254.100.1"  # link-local, as a Lambda environment's is
_NETWORK_CARD = 0x02A9FE640101  # locally administered
_PROCESS_ID = 8


def patches() -> Iterator[Patch]:
    yield Patch("os.urandom", _urandom)
    yield Patch("os.getrandom", _urandom)
    yield Patch("random:Random.seed", _seed)
    yield Patch("random.seed", _seed_global)
    yield Patch("uuid.uuid1", _uuid1)
    yield Patch("uuid.getnode", lambda simulation, original: _NETWORK_CARD)
    yield Patch("os.getpid", lambda simulation, original: _PROCESS_ID)
    yield Patch("socket.gethostname", lambda simulation, original: _HOST_NAME)
    yield Patch("platform.node", lambda simulation, original: _HOST_NAME)


def _urandom(simulation: Surroundings, original: Act, size: int, flags: int = 0, /) -> bytes:
    return simulation.random.randbytes(size)


def _seed(
    simulation: Surroundings, original: Act, this: random.Random, a: Any = None, version: int = 2
) -> None:
    # `random.Random()` without a seed asks the operating system, in C.
    original(this, simulation.random.getrandbits(128) if a is None else a, version)


def _seed_global(simulation: Surroundings, original: Act, a: Any = None, version: int = 2) -> None:
    original(simulation.random.getrandbits(128) if a is None else a, version)


def _uuid1(
    simulation: Surroundings, original: Act, node: int | None = None, clock_seq: int | None = None
) -> uuid.UUID:
    # With both given, uuid takes its time from time.time_ns, which time-machine moves.
    if clock_seq is None:
        clock_seq = simulation.random.getrandbits(14)
    made: uuid.UUID = original(_NETWORK_CARD if node is None else node, clock_seq)
    return made


_is_kept = False


@contextmanager
def kept() -> Iterator[None]:
    """The `random` module's own generator is as it was after this block, whatever is in it.

    To keep and restore its 625 words takes longer than a call; many runs do it once.
    """
    global _is_kept
    if _is_kept:
        yield
        return
    outer, _is_kept = random.getstate(), True
    try:
        yield
    finally:
        random.setstate(outer)
        _is_kept = False


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within this block the `random` module's own generator begins at `seed`; then as it was."""
    with kept():
        random.seed(seed)
        _forget()
        try:
            yield
        finally:
            _forget()


def _forget() -> None:
    """Drop what earlier draws left behind in modules that live longer than a run."""
    uuid._last_timestamp = None  # type: ignore[attr-defined]
    temporary_files: Any = sys.modules.get("tempfile")
    if temporary_files is not None:
        temporary_files._name_sequence = None
