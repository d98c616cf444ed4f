"""Third parties that do what scripts say, in real time, and what each was asked."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pytest_storagefirst.ledger.load import FAILED, TAKEN, THROTTLED
from pytest_storagefirst.scripts import (
    NO_TROUBLE,
    TROUBLE_STATUS,
    Script,
    Trouble,
    parse_script,
    step_at,
    trouble,
)
from pytest_storagefirst.settings import Downstream

REFUSED = "refused"  # no connection: it never reached who it was for
KEPT_ARRIVALS = 200_000
ANSWER_SECONDS = 0.2  # of one with a cap on calls at once, as in the simulation
WINDOW_MS = 1000
_JSON = {"Content-Type": "application/json"}
_UNKNOWN = Downstream("")  # answers 200 {} to what no [[downstream]] describes


@dataclass(frozen=True)
class Answer:
    """What a call is told after `delay_s`; status 0: nothing, the connection ends."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    delay_s: float = 0.0


@dataclass
class Arrival:
    """A call that came; `ended_ms` None while it is under way. Milliseconds are of the epoch."""

    began_ms: int
    downstream: str
    answer: str
    key: str | None
    ended_ms: int | None = None


class ThirdParties:
    """All that are described, and those that are not: they answer 200 {}.

    Calls come from several threads; `now_ms` is the time in milliseconds.
    """

    def __init__(
        self,
        downstreams: Iterable[Downstream],
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.downstreams = tuple(downstreams)
        self._now_ms = now_ms
        self._lock = threading.Lock()
        # The newest last. One of the settings begins with the first call that it is about.
        self._scripts: list[tuple[str, int | None, Script]] = [
            (one.url, None, parse_script(one.script)) for one in self.downstreams if one.script
        ]
        self._settings = len(self._scripts)
        # Those that were told and not taken back, by their place in the list.
        self._told: dict[int, tuple[str, list[object]]] = {}
        self._numbers: Counter[tuple[int, int]] = Counter()
        self._arrivals: deque[Arrival] = deque(maxlen=KEPT_ARRIVALS)
        self._seconds: dict[tuple[int, str], Counter[str]] = {}
        self._under_way: Counter[str] = Counter()

    def script(self, texts: Iterable[object] | None, url: str = "") -> None:
        """From now on all whose URL begins so do this; None: what they did before they were told.

        Raises FaultError for what is no script.
        """
        told = None if texts is None else list(texts)
        script = None if told is None else parse_script(told)
        with self._lock:
            if script is None:
                self._told = {at: one for at, one in self._told.items() if one[0] != url}
            else:
                self._told[len(self._scripts)] = (url, told or [])
                self._scripts.append((url, self._now_ms(), script))

    def told(self, url: str) -> list[object] | None:
        """The script that was told last for just this URL; None when none was."""
        with self._lock:
            found = [told for place, told in self._told.values() if place == url]
        return found[-1] if found else None

    def arrive(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[Arrival, Answer]:
        """What a call is answered. `leave` has to be said when it was."""
        described = self._described(method, url)
        place = described.url or "{0.scheme}://{0.netloc}".format(urlsplit(url))
        with self._lock:
            now_ms = self._now_ms()
            met = self._meets(url, now_ms)
            if not met.kind and self._is_full(described, place, now_ms):
                met = Trouble("http-429", 1)
            answer, told = _answer(described, met)
            arrival = Arrival(now_ms, place, told, _key(described, headers, body))
            self._arrivals.append(arrival)
            self._seconds.setdefault((now_ms // 1000, place), Counter())[told] += 1
            self._under_way[place] += 1
        return arrival, answer

    def leave(self, arrival: Arrival) -> None:
        with self._lock:
            arrival.ended_ms = self._now_ms()
            self._under_way[arrival.downstream] -= 1

    def refuse(self, url: str) -> None:
        """Count a call that could not be taken at all."""
        with self._lock:
            second = self._seconds.setdefault((self._now_ms() // 1000, url), Counter())
            second[REFUSED] += 1

    def counts(self, since_s: int = 0) -> dict[str, Any]:
        """Calls of each second of the epoch in which some came, by how they were answered."""
        with self._lock:
            return {
                "now_s": self._now_ms() / 1000,
                "seconds": [
                    {
                        "at_s": at_s,
                        "downstream": place,
                        "calls": answers.total(),
                        **{name: answers[name] for name in (TAKEN, THROTTLED, FAILED, REFUSED)},
                    }
                    for (at_s, place), answers in sorted(self._seconds.items())
                    if at_s >= since_s
                ],
            }

    def calls(self, since_ms: int = 0) -> list[dict[str, Any]]:
        """The calls that came since then, the last 200,000 at most."""
        with self._lock:
            return [vars(one) for one in self._arrivals if one.began_ms >= since_ms]

    def _described(self, method: str, url: str) -> Downstream:
        fitting = [
            one
            for one in self.downstreams
            if url.startswith(one.url) and one.method in ("ANY", method)
        ]
        return max(fitting, key=lambda one: len(one.url), default=_UNKNOWN)

    def _meets(self, url: str, now_ms: int) -> Trouble:
        for number, (place, began_ms, script) in reversed(list(enumerate(self._scripts))):
            if not url.startswith(place) or (number >= self._settings and number not in self._told):
                continue
            if began_ms is None:
                began_ms = now_ms
                self._scripts[number] = place, now_ms, script
            found = step_at(script, now_ms - began_ms)
            if found is None or not found[1].kind:
                return NO_TROUBLE
            at, step, since_ms = found
            self._numbers[number, at] += 1
            return trouble(step.kind, self._numbers[number, at], since_ms, step.retry_after_seconds)
        return NO_TROUBLE

    def _is_full(self, described: Downstream, place: str, now_ms: int) -> bool:
        if 0 < described.at_once <= self._under_way[place]:
            return True
        if not described.per_second:
            return False
        recent = 0
        for one in reversed(self._arrivals):
            if one.began_ms <= now_ms - WINDOW_MS:
                break
            recent += one.downstream == place and one.answer not in (THROTTLED, REFUSED)
        return recent >= described.per_second


def _answer(described: Downstream, met: Trouble) -> tuple[Answer, str]:
    """What is sent, and how the ledger calls it."""
    reply = described.reply
    status = TROUBLE_STATUS.get(met.kind)
    if status is not None:
        retry = {"Retry-After": str(met.retry_after_seconds)} if status == 429 else {}
        return Answer(status, {**_JSON, **retry}, b"{}"), THROTTLED if status == 429 else FAILED
    if met.kind == "refused":
        return Answer(0, {}, b""), REFUSED
    delay_s = described.answer_seconds
    if delay_s is None:
        delay_s = ANSWER_SECONDS if described.at_once else 0.0
    delay_s = met.delay_seconds or delay_s
    if met.kind == "response-lost":
        return Answer(0, {}, b"", delay_s), FAILED
    if reply.text is not None:
        headers, body = {}, reply.text.encode()
    else:
        headers, body = _JSON, json.dumps({} if reply.json is None else reply.json).encode()
    answer = Answer(reply.status, {**headers, **reply.headers}, body, delay_s)
    return answer, TAKEN if reply.status < 400 else FAILED


def _key(described: Downstream, headers: Mapping[str, str], body: bytes) -> str | None:
    """What makes repeats count once, where the call says it."""
    for name, value in headers.items():
        if name.lower() == "idempotency-key":
            return value
    if described.idempotency:
        try:
            said = json.loads(body)
        except ValueError:
            return None
        if isinstance(said, dict) and described.idempotency in said:
            return json.dumps(said[described.idempotency])
    return None
