"""What was tried as a table: a row for each site, a column for each fault, a sign in each cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_storagefirst.report.page import Markup, bounded, element, joined

MOST_ROWS, MOST_COLUMNS = 400, 120
# Sign, class of the style, and what it means, worst first: by more than its colour.
SIGNS = {
    "violated": ("✗", "violated", "a property was violated"),
    "held": ("✓", "ok", "all properties held"),
    "never fired": ("○", "unknown", "never fired: the run did not come by"),
    "not tried": ("–", "soft", "not tried: another shard's, or out of time"),
}


def matrix(cells: Sequence[Mapping[str, Any]]) -> Markup | None:
    """The table with its legend, or None where no single fault was to be tried."""
    if not cells:
        return None
    sites = list(dict.fromkeys(cell["site"] for cell in cells))
    faults = list(dict.fromkeys(cell["fault"] for cell in cells))
    rows, columns = sites[:MOST_ROWS], faults[:MOST_COLUMNS]
    outcome = {(cell["site"], cell["fault"]): cell["outcome"] for cell in cells}
    head = element(
        "tr",
        element("th", "site", scope="col"),
        *(element("th", element("span", _brief(one)), scope="col", title=one) for one in columns),
    )
    body = [
        element(
            "tr",
            element("th", element("code", bounded(site, 200)), scope="row"),
            *(_cell(outcome.get((site, fault)), site, fault) for fault in columns),
        )
        for site in rows
    ]
    present = [one for one in SIGNS if any(cell["outcome"] == one for cell in cells)]
    return joined(
        element("p", *(_key(one) for one in present), _blank(), class_="keys small"),
        element(
            "p",
            "Each fault by itself. What pairs of faults, orders, bad messages and drawn schedules "
            "showed is in the verdicts.",
            class_="soft small",
        ),
        element(
            "div",
            element("table", element("thead", head), element("tbody", *body)),
            class_="scrolls matrix",
            tabindex=0,
            role="region",
            aria_label="Which fault was tried at which site, and what came of it",
        ),
        _left_out(len(sites) - len(rows), len(faults) - len(columns)),
    )


def _brief(fault: str) -> str:
    return fault if len(fault) <= 60 else f"{fault[:59]}…"


def _cell(outcome: str | None, site: str, fault: str) -> Markup:
    if outcome is None:
        return element("td")
    sign, look, _ = SIGNS.get(outcome, ("?", "unknown", ""))
    return element(
        "td",
        element("span", sign, role="img", aria_label=outcome, class_=look),
        title=f"{site}: {fault}: {outcome}",
    )


def _key(outcome: str) -> Markup:
    sign, look, meaning = SIGNS[outcome]
    return element("span", element("b", sign, class_=f"tone {look}"), f" {meaning}", class_="key")


def _blank() -> Markup:
    return element("span", "blank: does not apply there", class_="key")


def _left_out(sites: int, faults: int) -> Markup | None:
    told = [
        f"{number} more {what}" for number, what in ((sites, "sites"), (faults, "faults")) if number
    ]
    if not told:
        return None
    return element("p", f"{' and '.join(told)} stand in report.json.", class_="soft small")
