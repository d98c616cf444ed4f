"""What an exploration tried, left out and never saw, in a line or two; in whole when asked."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_storagefirst.explore.coverage import BROKE, HELD, NEVER_FIRED, NOT_TRIED, Coverage

MOST_NAMED = 3  # faults that never fired, where not all are asked for
_OUTCOMES = (BROKE, HELD, NEVER_FIRED, NOT_TRIED)


def coverage_lines(coverage: Coverage, verbosity: int) -> list[str]:
    """Lines for people. 0: what was tried and never seen; 1: all by name; 2: site by site."""
    lines = []
    tried = ", ".join(_tried(coverage))
    if tried:
        lines.append(f"tried: {tried}")
    idle = [f"{cell.site}: {cell.fault}" for cell in coverage.cells if cell.outcome == NEVER_FIRED]
    if idle:
        named = idle if verbosity > 0 else idle[:MOST_NAMED]
        more = f", and {len(idle) - len(named)} more" if len(named) < len(idle) else ""
        lines.append(f"never fired: {'; '.join(named)}{more}")
    seen = {fact: runs for fact, runs in coverage.sometimes.items() if runs}
    unseen = [fact for fact in coverage.sometimes if fact not in seen]
    if seen and verbosity > 0:
        told = (f"{with_article(fact)} in {counted(runs, 'run')}" for fact, runs in seen.items())
        lines.append(f"seen: {', '.join(told)}")
    if unseen:
        lines.append(f"never seen: {', '.join(map(with_article, unseen))}")
    if verbosity > 1:
        lines += _matrix(coverage)
    return lines


def counted(number: int, what: str) -> str:
    """1 run, 1,204 runs."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def with_article(fact: str) -> str:
    """ "a dead letter", "an open breaker"; a plural or a count stays as it is."""
    first = fact.split(" ", 1)[0]
    if not first or first.isdecimal() or first in ("a", "an", "two", "one") or fact.endswith("s"):
        return fact
    return f"{'an' if first[0] in 'aeiou' else 'a'} {fact}"


def _tried(coverage: Coverage) -> Iterable[str]:
    if coverage.cells:
        faults = len(coverage.cells) - coverage.count(NOT_TRIED)
        text = f"{counted(faults, 'fault')} at {counted(coverage.sites, 'site')}"
        yield _with_rest(text, {"not tried": coverage.count(NOT_TRIED)})
    if coverage.pairs_tried or coverage.pairs_skipped or coverage.pairs_left:
        yield _with_rest(
            counted(coverage.pairs_tried, "pair"),
            {"skipped as seen before": coverage.pairs_skipped, "left": coverage.pairs_left},
        )
    if coverage.orders_tried or coverage.orders_left:
        what = "order" if coverage.orders_tried == 1 else "orders"
        text = f"{coverage.orders_tried:,} {what} of crossings"
        yield _with_rest(text, {"left": coverage.orders_left})
    if coverage.drawn:
        yield f"{counted(coverage.drawn, 'schedule')} drawn"


def _with_rest(text: str, rest: dict[str, int]) -> str:
    named = ", ".join(f"{number:,} {what}" for what, number in rest.items() if number)
    return f"{text} ({named})" if named else text


def _matrix(coverage: Coverage) -> Iterable[str]:
    """One line a site: which faults it held against, and which not."""
    by_site: dict[str, dict[str, list[str]]] = {}
    for cell in coverage.cells:
        by_site.setdefault(cell.site, {}).setdefault(cell.outcome, []).append(cell.fault)
    for site, faults in by_site.items():
        told = (
            f"{outcome}: {', '.join(faults[outcome])}" for outcome in _OUTCOMES if outcome in faults
        )
        yield f"{site}  {'; '.join(told)}"
