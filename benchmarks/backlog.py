"""A backlog of 100,000 messages against one of 1,000: what a message costs, in time and memory.

All of it is in the figure: every message is sent through the example's front door, lies in its
queue until all are sent, goes through the example's own handler and its boto3 calls, and is judged
by `no-message-loss`. No two messages are equal, in a run or between runs, as what is remembered of
one call would serve the next. Time is the processor's; what a run costs whatever its size (a few
messages are seen alone first) is taken from a run of fifty and left out of the ratio, where it
would make the small backlog look dear. ministack does the same with the same
handler, in processes of its own whose time is counted, its client's not.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import ministack

BASE, FEW, MANY = 50, 1_000, 100_000
ROUNDS = 4  # of the small ones, before and after the large one
MINISTACK_MESSAGES = 2_000
TEMPLATE = Path(__file__).parent.parent / "examples" / "orders" / "template.yaml"
ROUTE = "POST /orders"

AIM_RATIO = 1.2
AIM_RATE = 3_000


def measure(few: int = FEW, many: int = MANY, rounds: int = ROUNDS) -> Iterator[dict[str, Any]]:
    _run("warm-up", few)
    bases, fews = [], []

    def small(name: str) -> None:
        for turn in range(rounds):
            bases.append(_run(f"{name}-base-{turn}", BASE)[0])
            fews.append(_run(f"{name}-{turn}", few)[0])

    small("before")
    seconds, held = _run("many", many)
    small("after")
    fixed = statistics.median(bases)
    usual = (statistics.median(fews) - fixed) / (few - BASE)
    cost = (seconds - fixed) / (many - BASE)
    yield {
        "figure": "backlog",
        "value": round(cost * 1e6, 1),
        "unit": "us/message",
        "ratio": round(cost / usual, 3),
        "against": f"a backlog of {few}",
        "messages": many,
        "aim": AIM_RATIO,
    }
    yield {"figure": "backlog_memory", "value": round(held / many), "unit": "bytes/message"}
    rate = many / seconds
    theirs = ministack.messages_a_second(MINISTACK_MESSAGES)
    figure = {"figure": "throughput", "value": round(rate), "unit": "1/s", "aim": AIM_RATE}
    if isinstance(theirs, str):
        yield {**figure, "against": f"ministack: {theirs}"}
        return
    yield {
        **figure,
        "ratio": round(rate / theirs.by_processor, 2),
        "against": "ministack, end to end, by its own processor time",
    }
    yield {"figure": "ministack", "value": round(theirs.by_processor), "unit": "1/s"}
    yield {"figure": "ministack_by_the_clock", "value": round(theirs.by_clock), "unit": "1/s"}


def _run(name: str, count: int) -> tuple[float, float]:
    """Processor seconds and resident bytes that `count` messages take, from send to verdict."""
    from pytest_storagefirst.explore.stack import open_stack
    from pytest_storagefirst.settings_file import load_settings

    with open_stack(TEMPLATE, load_settings(TEMPLATE)) as stack:
        gc.collect()
        resident = _resident_bytes()
        started = time.process_time()
        for number in range(count):
            reply = stack.send(ROUTE, {"orderId": f"{name}-{number}", "amount": number})
            assert reply.status == 200, reply
        assert len(stack.effects("Orders")) == 0, "the consumer did not wait for all to be sent"
        assert stack.run()
        stack.verify("no-message-loss", "no-duplicate-effects", "drains")
        seconds = time.process_time() - started
        held = _resident_bytes() - resident
        table = {item["orderId"]: item["amount"] for item in stack.table("Orders").items}
        assert table == {f"{name}-{number}": number for number in range(count)}
        processed = [event for event in stack.history if event.kind == "deleted"]
        assert len(processed) == count
    return seconds, held


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    for found in measure():
        print(json.dumps(found), flush=True)
