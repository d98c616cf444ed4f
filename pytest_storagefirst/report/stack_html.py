"""report.html of tests: each stack's verdicts, topology, coverage and witnesses on one page.

A pure function of report.json's document: what `merge` wrote, or an earlier run, renders as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_storagefirst.report import matrix, topology_svg
from pytest_storagefirst.report.audit_html import AUDIT, audit_part
from pytest_storagefirst.report.covered import counted, with_article
from pytest_storagefirst.report.load_story import duration
from pytest_storagefirst.report.page import (
    Markup,
    bounded,
    element,
    joined,
    names,
    page,
    section,
    table,
)
from pytest_storagefirst.report.witness_html import SIGNS, tone, witness

STYLES = ("page.css", "stack.css")
MOST_OPEN = 3  # stacks; where there are more, each is folded away behind its line
_ORDER = ("violated", "unknown", "ok", "not-applicable")

Stack = Mapping[str, Any]
Property = Mapping[str, Any]


def write_html(document: Mapping[str, Any], directory: Path) -> Path:
    """Write report.html into `directory`, which is made; return its path."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "report.html"
    file.write_text(stacks_page(document), encoding="utf-8")
    return file


def stacks_page(document: Mapping[str, Any]) -> str:
    """The document of report.json as one HTML page."""
    stacks = list(document.get("stacks", ()))
    told = [stack_part(stack, f"stack-{number}") for number, stack in enumerate(stacks, 1)]
    if len(stacks) > MOST_OPEN:
        told = [_folded(stack, part) for stack, part in zip(stacks, told, strict=True)]
    if len(stacks) == 1:
        title = f"{headline(stacks[0])}: {stacks[0]['template']}"
        return page(title, element("main", *told), styles=STYLES)
    worst = verdict_of_all(stacks)
    title = f"{counted(len(stacks), 'stack')}: {worst}"
    return page(title, element("main", index(title, stacks), *told), styles=STYLES)


def _folded(stack: Stack, part: Markup) -> Markup:
    """One of many: its line, and behind it all of it. A link into it opens it."""
    summary = element("summary", tone(worst_of(stack)), " ", element("code", stack["template"]))
    return element("details", summary, part, class_="stack")


def index(title: str, stacks: Sequence[Stack]) -> Markup:
    """All stacks in a table that leads to each."""
    rows: list[list[object]] = [
        [
            element("a", stack["template"], href=f"#stack-{number}"),
            tone(worst_of(stack)),
            _counts(stack),
        ]
        for number, stack in enumerate(stacks, 1)
    ]
    return element(
        "header",
        element("h1", title),
        table(["Template", "Verdict", "Properties"], rows, class_="stacked"),
        class_="index",
    )


def stack_part(stack: Stack, id: str) -> Markup:
    """All of one stack."""
    topology = stack.get("topology") or {}
    order = topology_svg.order_of(topology)
    properties = [one for one in stack["properties"] if not one["name"].startswith(AUDIT)]
    findings = [one for one in stack["properties"] if one["name"].startswith(AUDIT)]
    violated = [one for one in properties if one["verdict"] == "violated" and one["story"]]
    struck = [
        step.get("where", "")
        for one in violated
        for step in one.get("steps", ())
        if step["kind"] == "faulted"
    ]
    return element(
        "article",
        _verdict(stack),
        _topology(topology, struck),
        _unjudged(properties) if stack.get("refused") else _properties(properties, id),
        *(
            section(
                joined("Witness: ", element("code", one["name"])),
                element("p", bounded(one.get("why", ""))),
                *witness(one, topology, order),
                class_="witness",
                id=f"{id}-{one['name']}",
            )
            for one in violated
        ),
        audit_part(findings, topology, order) if findings else None,
        _coverage(stack),
        _notes(stack),
        id=id,
    )


# --- the verdict ----------------------------------------------------------------------------------


def verdict_of_all(stacks: Sequence[Stack]) -> str:
    """ "2 violated, 1 unknown, 3 ok", of whole stacks."""
    told = [worst_of(stack) for stack in stacks]
    return (
        ", ".join(f"{told.count(one)} {one}" for one in _ORDER if one in told) or "nothing judged"
    )


def worst_of(stack: Stack) -> str:
    """What is worst among a stack's verdicts; a refused one is unknown."""
    verdicts = {one["verdict"] for one in stack["properties"]}
    if stack.get("refused"):
        return "unknown"
    return next((one for one in _ORDER if one in verdicts), "unknown")


def headline(stack: Stack) -> str:
    """What is to be known first, in a line."""
    if stack.get("refused"):
        return "Not judged"
    properties = stack["properties"]
    violated = [one["name"] for one in properties if one["verdict"] == "violated"]
    unknown = [one["name"] for one in properties if one["verdict"] == "unknown"]
    if violated:
        return f"Violated: {', '.join(violated)}"
    if unknown:
        return f"Not shown: {', '.join(unknown)}"
    held = sum(one["verdict"] == "ok" for one in properties)
    return "1 property holds" if held == 1 else f"{held} properties hold"


def _verdict(stack: Stack) -> Markup:
    worst = worst_of(stack)
    sign, look = SIGNS[worst]
    runs = max((one["runs"] for one in stack["properties"]), default=0)
    faults = max((one["faults_tried"] for one in stack["properties"]), default=0)
    shard = stack.get("shard", [1, 1])
    tried = [
        counted(runs, "run"),
        f"{counted(faults, 'fault')} tried",
        f"took {duration(float(stack.get('seconds', 0)))}",
    ]
    facts = [
        *([] if stack.get("refused") else tried),
        f"shard {shard[0]} of {shard[1]}" if shard[1] > 1 else "",
        "interrupted" if stack.get("interrupted") else "",
        f"pytest-storagefirst {stack['plugin']}" if stack.get("plugin") else "",
    ]
    first, _, rest = str(stack.get("refused") or "").partition("\n")
    return element(
        "header",
        element("div", f"{sign} {worst}", class_="badge"),
        element("h1", headline(stack)),
        element("p", element("code", stack["template"])),
        element("p", bounded(first)) if first else None,
        element("pre", bounded(rest, 4_000)) if rest else None,
        element(
            "ul",
            *(element("li", fact) for fact in facts if fact),
            class_="facts",
        ),
        class_=f"verdict {look}",
    )


def _counts(stack: Stack) -> str:
    if stack.get("refused"):
        return bounded(str(stack["refused"]).partition("\n")[0], 200)
    told = [one["verdict"] for one in stack["properties"]]
    return ", ".join(f"{told.count(one)} {one}" for one in _ORDER if one in told)


def _properties(properties: Sequence[Property], id: str) -> Markup | None:
    if not properties:
        return section("Properties", element("p", "None was judged.", class_="soft"))
    rows: list[list[object]] = []
    for one in properties:
        name = element("code", one["name"])
        has_story = one["verdict"] == "violated" and one["story"]
        rows.append(
            [
                element("a", name, href=f"#{id}-{one['name']}") if has_story else name,
                tone(one["verdict"]),
                bounded(one.get("why", "")),
                _number(one["runs"], "runs"),
                _number(one["faults_tried"], "faults tried"),
            ]
        )
    heads = ["Property", "Verdict", "Why", "Runs", "Faults tried"]
    return section("Properties", table(heads, rows, class_="properties stacked"))


def _unjudged(properties: Sequence[Property]) -> Markup | None:
    """Of a stack that was refused: all for the same reason, which stands above."""
    if not properties:
        return None
    return section("Properties that were not judged", names([one["name"] for one in properties]))


def _number(value: int, what: str) -> Markup:
    """A figure, and what it counts where the column has no head: on a phone."""
    return element("span", f"{value:,}", element("i", f" {what}"), class_="number")


# --- what was tried -------------------------------------------------------------------------------


def _topology(topology: Mapping[str, Any], struck: Sequence[str]) -> Markup | None:
    drawn = topology_svg.drawing(topology, struck)
    if drawn is None:
        return None
    return section(
        "Topology",
        drawn,
        element(
            "details", element("summary", "The same in words"), topology_svg.in_words(topology)
        ),
    )


def _coverage(stack: Stack) -> Markup | None:
    coverage = stack.get("coverage")
    if not coverage:
        return None
    cells = coverage.get("cells", ())
    told = matrix.matrix(cells)
    facts = [
        f"{what}: {coverage[key]:,}"
        for key, what in (
            ("pairs_tried", "pairs of faults tried"),
            ("pairs_skipped", "pairs skipped, as the same had been seen before"),
            ("pairs_left", "pairs left for want of time"),
            ("orders_tried", "orders of crossings tried"),
            ("orders_left", "orders left for want of time"),
            ("drawn", "schedules drawn"),
        )
        if coverage.get(key)
    ]
    sometimes = coverage.get("sometimes", {})
    seen = [
        f"{with_article(fact)} in {counted(runs, 'run')}"
        for fact, runs in sometimes.items()
        if runs
    ]
    unseen = [with_article(fact) for fact, runs in sometimes.items() if not runs]
    return section(
        "What was tried",
        told or element("p", "No single fault was tried.", class_="soft"),
        element("ul", *(element("li", one) for one in facts), class_="facts") if facts else None,
        element("p", f"Seen: {', '.join(seen)}.", class_="small") if seen else None,
        element("p", f"Never seen: {', '.join(unseen)}.", class_="small") if unseen else None,
    )


def _notes(stack: Stack) -> Markup | None:
    notes, inert = list(stack.get("notes", ())), list(stack.get("inert", ()))
    if not notes and not inert:
        return None
    return section(
        "What qualifies this",
        element("ul", *(element("li", bounded(one)) for one in notes)) if notes else None,
        joined(
            element(
                "details",
                element("summary", f"{counted(len(inert), 'resource')} without a part in it"),
                names(inert),
            )
        )
        if inert
        else None,
    )
