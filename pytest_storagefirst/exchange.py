"""What one pytest run found, kept once: also when xdist spreads the run over processes.

A value is made by whoever asks first. The others wait for it on a file lock, which the operating
system frees when its holder dies, so that one of them then makes the value instead of waiting on.
What takes long is shared out instead: whoever asks for it while it is made joins the crew.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from pytest_storagefirst.explore.crew import Alone, Crew, crew_in

if sys.platform == "win32":

    def _lock(handle: IO[str]) -> None:
        """Windows has no flock: each worker makes the value for itself, to the same result."""

else:
    import fcntl

    def _lock(handle: IO[str]) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)


class Exchange:
    """Values of JSON by name, in memory, and in `directory` where several processes share a run."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._values: dict[str, Any] = {}

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """The value of that name; `make` is called when no process of the run has made it yet."""
        if name in self._values:
            return self._values[name]
        if self._directory is None:
            self._values[name] = make()
            return self._values[name]
        with open(self._file(name).with_suffix(".lock"), "w") as handle:
            _lock(handle)
            value = self.get(name)
            if value is None:
                value = make()
                self.put(name, value)
            self._values[name] = value
        return value

    def together(self, name: str, make: Callable[[Callable[[], Crew]], Any]) -> Any:
        """The value of that name, to which all processes that ask for it meanwhile contribute.

        `make` gets what makes this process one of the crew, and returns the whole value.
        """
        value = self.get(name)
        if value is None:
            value = make(self._crew(name))
            self.put(name, value)
        self._values[name] = value
        return value

    def _crew(self, name: str) -> Callable[[], Crew]:
        if self._directory is None:
            return Alone
        directory = self._file(name).with_suffix("")
        return lambda: crew_in(directory)

    def put(self, name: str, value: Any) -> None:
        """Keep a value; a file appears whole or not at all."""
        self._values[name] = value
        if self._directory is not None:
            file = self._file(name)
            draft = file.with_suffix(f".{os.getpid()}")
            draft.write_text(json.dumps([name, value]), encoding="utf-8")
            os.replace(draft, file)

    def get(self, name: str) -> Any:
        """The value of that name, or None when no process of the run has put one."""
        if name in self._values or self._directory is None:
            return self._values.get(name)
        try:
            return json.loads(self._file(name).read_text(encoding="utf-8"))[1]
        except FileNotFoundError:
            return None

    def names(self) -> list[str]:
        """All names that have a value, of whichever process, sorted."""
        found = set(self._values)
        if self._directory is not None:
            for file in self._directory.glob("*.json"):
                found.add(json.loads(file.read_text(encoding="utf-8"))[0])
        return sorted(found)

    def gather(self) -> None:
        """Take all values into memory and remove the shared directory: the run is over."""
        self._values = {name: self.get(name) for name in self.names()}
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    def _file(self, name: str) -> Path:
        assert self._directory is not None
        return self._directory / f"{sha256(name.encode()).hexdigest()[:24]}.json"
