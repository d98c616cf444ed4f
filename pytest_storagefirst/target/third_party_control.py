"""The local target's scripted third parties, as who leads a load run or drill talks to them."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from pytest_storagefirst.target.downstream import CONTROL

PATIENCE_S = 5


class ThirdPartyControl:
    """`url` is a target's `downstream_url`; see `pytest_storagefirst.target.downstream`.

    What they refuse, or do not answer, is raised as OSError.
    """

    def __init__(self, url: str) -> None:
        self._base = url.rstrip("/").removesuffix(CONTROL) + CONTROL
        self._told_s: int | None = None  # the last second that `busiest` told of
        self._busiest = 0

    def tell(self, script: Iterable[str] | None) -> None:
        """Do so from now on. None: what was told this way no longer holds, the settings do."""
        told = {"script": None if script is None else list(script), "url": ""}
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(
            f"{self._base}/script", json.dumps(told).encode(), headers, method="POST"
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_S):
            pass

    def calls(self, since_s: float) -> list[Mapping[str, Any]]:
        """Each call that reached them: began_ms, ended_ms, downstream, answer, key."""
        return list(self._ask(f"calls?since={int(since_s * 1000)}"))

    def busiest(self, since_s: float) -> int:
        """The calls of the busiest whole second since this was asked last, or since then."""
        before_s = int(since_s) - 2 if self._told_s is None else self._told_s
        told = self._ask(f"counts?since={before_s + 1}")
        last_s = int(told["now_s"]) - 1  # the last second that is over
        if last_s > before_s:
            calls: Counter[int] = Counter()
            for one in told["seconds"]:
                if one["at_s"] <= last_s:
                    calls[one["at_s"]] += one["calls"]
            self._told_s, self._busiest = last_s, max(calls.values(), default=0)
        return self._busiest

    def _ask(self, what: str) -> Any:
        with urllib.request.urlopen(f"{self._base}/{what}", timeout=PATIENCE_S) as answer:
            return json.load(answer)
