"""report.html of a load run: what was offered, what waited, what became of it.

It is one file without scripts. The charts are those of load_course.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_storagefirst.ledger.circuit import OPEN
from pytest_storagefirst.report.load_course import course
from pytest_storagefirst.report.load_story import (
    Document,
    amiss,
    column,
    done,
    drained_at,
    duration,
    headline,
    in_queues,
    measured,
    moment,
    most,
    stands,
    story,
    verdict_word,
)
from pytest_storagefirst.report.page import Markup, element, joined, names, page, section, table
from pytest_storagefirst.report.plots import (
    HIGH,
    WIDE,
)

_SIGNS = {
    True: ("ok", "✓ met"),
    False: ("violated", "✗ missed"),
    None: ("unknown", "? no evidence"),
}
_BADGES = {"ok": "✓", "violated": "✗"}


def write_html(document: Document, directory: Path) -> Path:
    """Write report.html into `directory`, which is made; return its path."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "report.html"
    file.write_text(load_page(document), encoding="utf-8")
    return file


def load_page(document: Document) -> str:
    """The report document of a load run as one HTML page."""
    title = f"{verdict_word(document)}: {document.get('profile')} on {document.get('stack')}"
    return page(
        title,
        element(
            "main",
            _verdict(document),
            _figures(document),
            _named(document, "lost", "Lost messages"),
            course(document),
            _ledger(document),
            _objectives(document),
            _named(document, "duplicated", "Messages whose effect stands more than once"),
            _named(document, "phantom", "Messages rejected and processed all the same"),
            _answers(document),
            _table_of_all(document),
        ),
    )


# --- the top ------------------------------------------------------------------------------------


def _verdict(document: Document) -> Markup:
    look = _look_of(document)
    why = [element("li", one) for one in document.get("why", ())]
    facts = [
        ("drill" if document.get("kind") == "drill" else "profile", document.get("profile")),
        ("target", document.get("target")),
        ("stack", document.get("stack")),
        ("started", document.get("started")),
        ("took", duration(float(document.get("seconds", 0)))),
        ("run", document.get("run")),
        ("exit code", document.get("exit")),
    ]
    return element(
        "header",
        element("div", f"{_BADGES.get(look, '?')} {verdict_word(document)}", class_="badge"),
        element("h1", headline(document)),
        element("ul", *why, class_="why") if why else None,
        element("p", " ".join(story(document))) if story(document) else None,
        element(
            "ul",
            *(element("li", f"{name} ", element("code", value)) for name, value in facts),
            class_="facts",
        ),
        class_=f"verdict {look}",
    )


def _look_of(document: Document) -> str:
    verdict = document.get("verdict")
    return verdict if verdict in _BADGES else "unknown"


def _figures(document: Document) -> Markup:
    ledger = document.get("ledger", {})
    lost = len(ledger.get("lost", ()))
    shown: list[tuple[str, str, str]] = [
        (f"{ledger.get('accepted', 0):,}", "accepted", ""),
        (f"{done(ledger):,}", "of them processed", ""),
        _of_lost(document, lost),
    ]
    held, drained = most(document, in_queues(document)), drained_at(document)
    age = most(document, column(document, "oldest_age_s"))
    if held:
        at = f", at {moment(held[1])}" if held[0] else ""
        shown.append((f"{held[0]:,.0f}", f"in the queues at most{at}", ""))
    if age:
        shown.append((duration(age[0]), "waited longest", ""))
    opened = [one for one in stands(document) if one.state == OPEN]
    if opened:
        text = f"circuit open, from {moment(opened[0].from_s)} on"
        shown.append((duration(sum(one.seconds for one in opened)), text, ""))
    if held and held[0]:
        told = "not drained" if drained is None else moment(drained)
        shown.append((told, "queues empty from then on", "unknown" if drained is None else ""))
    dead = most(document, column(document, "dead"))
    if dead:
        shown.append((f"{dead[0]:,.0f}", "dead letters at most", ""))
    return element(
        "ul",
        *(
            element("li", element("b", value), element("span", what), class_=look or None)
            for value, what, look in shown
        ),
        class_="figures",
    )


def _of_lost(document: Document, lost: int) -> tuple[str, str, str]:
    """Where a run shows too little, none being known to be lost is no good news."""
    if not lost and _look_of(document) == "unknown":
        return "0", "known to be lost so far", "unknown"
    return f"{lost:,}", "lost", "violated" if lost else "ok"


# --- the ledger, the objectives, the ids --------------------------------------------------------


def _ledger(document: Document) -> Markup:
    ledger = document.get("ledger", {})

    def count(name: str) -> int:
        value = ledger.get(name, 0)
        return int(value) if isinstance(value, (int, float)) else len(value)

    accepted = count("accepted")
    away = [(name, count(key)) for name, key in _AWAY if count(key)]
    attempted = max(count("attempted"), accepted + sum(number for _, number in away))
    rows: list[tuple[str, int, int, str, bool]] = [("attempted", 0, attempted, "whole", True)]
    left = attempted
    for name, number in away:
        left -= number
        rows.append((f"− {name}", left, number, "away", False))
    rows.append(("= accepted", 0, accepted, "kept", True))
    left = accepted
    for name, number, look in (
        ("− lost", count("lost"), "lost"),
        ("− unaccounted for", amiss(ledger), "waits"),
        ("− stranded: held in storage", count("stranded"), "waits"),
    ):
        if number or look == "lost":
            left -= number
            rows.append((name, left, number, look, False))
    rows.append(("= processed", 0, done(ledger), "done", True))
    notes = [
        f"{count(key):,} {text}"
        for key, text in (
            ("recovered", "without a clear answer were processed as well"),
            ("dead", "in dead-letter queues"),
            ("duplicated", "left their effect more than once"),
            ("phantom", "were rejected and processed all the same"),
        )
        if count(key)
    ]
    cells = [
        element(
            "tr",
            element("th", name, scope="row"),
            element("td", f"{number:,}", class_="number"),
            element("td", _bar(start, number, attempted, look), class_="bar"),
            class_="total" if total else None,
        )
        for name, start, number, look, total in rows
    ]
    return section(
        "Ledger",
        element("table", element("tbody", *cells), class_="waterfall"),
        element("p", "Besides: ", "; ".join(notes), ".", class_="soft small") if notes else None,
    )


_AWAY = (
    ("not sent", "not_sent"),
    ("rejected", "rejected"),
    ("unknown: no clear answer", "unknown"),
)


def _bar(start: int, number: int, whole: int, look: str) -> Markup:
    """A part of the whole; however small, it is to be seen."""
    width = number / max(whole, 1) * WIDE
    left = start / max(whole, 1) * WIDE
    return element(
        "svg",
        element("rect", x=f"{left:.1f}", y=8, width=f"{width:.1f}", height=HIGH - 16, class_=look)
        if number
        else None,
        viewBox=f"0 0 {WIDE} {HIGH}",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def _objectives(document: Document) -> Markup:
    # A drill is judged by properties, which have no measure.
    is_drill = document.get("kind") == "drill"
    title, what = ("Properties", "Property") if is_drill else ("Objectives", "Objective")
    rows: list[list[object]] = []
    for one in document.get("objectives", ()):
        look, sign = _SIGNS.get(one.get("met"), _SIGNS[None])
        rows.append(
            [
                element("code", one["expression"]),
                element("span", sign, class_=f"tone {look}"),
                joined(
                    None if is_drill else measured(one.get("value"), one.get("unit") or ""),
                    element("div", one["why"], class_="soft small") if one.get("why") else None,
                ),
            ]
        )
    if not rows:
        return section(title, element("p", "The profile sets none.", class_="soft"))
    return section(title, table([what, "Verdict", "Shown" if is_drill else "Measured"], rows))


def _answers(document: Document) -> Markup | None:
    """What senders were answered, where the document says."""
    rows: list[list[object]] = [
        [text, element("span", f"{int(count):,}", class_="number")]
        for text, count in document.get("answers", ())
    ]
    return section("Answers", table(["Answer", "How often"], rows)) if rows else None


def _named(document: Document, key: str, title: str) -> Markup | None:
    """The ids of what went wrong."""
    ids = [str(one) for one in document.get("ledger", {}).get(key, ())]
    return section(f"{title} ({len(ids):,})", names(ids), id=key) if ids else None


_COLUMNS = (
    *("at_s", "offered", "accepted", "rejected", "unknown", "visible", "in_flight"),
    *("oldest_age_s", "downstream", "circuit", "mapping", "dead", "processed"),
    *("service_p99_ms", "latency_p99_ms"),
)
MOST_ROWS = 600


def _table_of_all(document: Document) -> Markup | None:
    """The timeline as a table, for those who read figures; timeline.csv has all of a long one."""
    rows = [dict(one) for one in document.get("timeline", ())]
    if not rows:
        return None
    every = -(-len(rows) // MOST_ROWS)
    cells: list[list[object]] = [
        [_cell(row.get(name)) for name in _COLUMNS] for row in rows[::every]
    ]
    part = "" if every == 1 else f", one of {every}"
    return element(
        "details",
        element("summary", f"The timeline as a table ({len(cells):,} rows{part})"),
        table([name.replace("_", " ") for name in _COLUMNS], cells, class_="small"),
    )


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:,.6g}" if isinstance(value, (int, float)) else str(value)
