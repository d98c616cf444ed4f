"""The terminal's summary of a load run, as data; who prints it colours it."""

from __future__ import annotations

from pytest_storagefirst.ledger.verdict import OK, VIOLATED
from pytest_storagefirst.report.load_story import (
    Document,
    amiss,
    done,
    duration,
    headline,
    measured,
    story,
)
from pytest_storagefirst.report.page import plain
from pytest_storagefirst.report.terminal import Line

_COLOURS = {OK: "green", VIOLATED: "red"}
_SIGNS = {True: ("met", "green"), False: ("missed", "red"), None: ("no evidence", "yellow")}
MOST_NAMED = 10


def load_lines(document: Document, verbosity: int = 0) -> list[Line]:
    """The verdict and why, what happened, the ledger, the objectives that are not met.

    With more verbosity all objectives, and all ids of lost messages.
    """
    verdict = document.get("verdict", "")
    colour = _COLOURS.get(verdict, "yellow")
    name = f"load {document.get('profile')} on {document.get('stack')}"
    took = duration(float(document.get("seconds", 0)))
    lines = [Line(f"{name}: {verdict} in {took}: {headline(document)}", {colour: True})]
    lines += [Line(f"  why: {one}") for one in document.get("why", ())]
    lines += [Line(f"  {one}") for one in story(document)]
    lines.append(Line(f"  ledger: {_ledger(document)}"))
    ledger = document.get("ledger", {})
    for key in ("lost", "duplicated", "phantom"):
        ids = list(ledger.get(key, ()))
        is_told = any(ids and ids[0] in one for one in document.get("why", ()))
        if verbosity > 0 or not is_told:
            lines += _named(key, ids, verbosity)
    for one in document.get("objectives", ()):
        sign, look = _SIGNS.get(one.get("met"), _SIGNS[None])
        if one.get("met") is not True or verbosity > 0:
            value = measured(one.get("value"), one.get("unit") or "")
            reason = f" ({one['why']})" if one.get("why") else ""
            lines.append(Line(f"  {one['expression']}: {sign}: {value}{reason}", {look: True}))
    met = sum(one.get("met") is True for one in document.get("objectives", ()))
    if met and verbosity <= 0:
        lines.append(Line(f"  objectives met: {met} of {len(document['objectives'])}"))
    return [Line(plain(one.text), one.markup) for one in lines]


def _ledger(document: Document) -> str:
    ledger = document.get("ledger", {})
    counts = {
        "attempted": ledger.get("attempted", 0),
        "accepted": ledger.get("accepted", 0),
        "processed": done(ledger),
        "stranded": ledger.get("stranded", 0),
        "lost": len(ledger.get("lost", ())),
    }
    besides = {
        "unaccounted for": amiss(ledger),
        "rejected": ledger.get("rejected", 0),
        "unknown": ledger.get("unknown", 0),
        "recovered": ledger.get("recovered", 0),
        "not sent": ledger.get("not_sent", 0),
        "dead letters": ledger.get("dead", 0),
        "duplicated": len(ledger.get("duplicated", ())),
        "phantom": len(ledger.get("phantom", ())),
    }
    told = counts | {name: number for name, number in besides.items() if number}
    return ", ".join(f"{number:,} {name}" for name, number in told.items())


def _named(what: str, ids: list[str], verbosity: int) -> list[Line]:
    if not ids:
        return []
    shown = ids if verbosity > 0 else ids[:MOST_NAMED]
    more = f", and {len(ids) - len(shown):,} more" if len(shown) < len(ids) else ""
    return [Line(f"  {what}: {', '.join(shown)}{more}", {"red": True})]
