"""What audits found in a template, on the page: each finding with what to write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_storagefirst.report.page import Markup, bounded, element, joined, section
from pytest_storagefirst.report.witness_html import tone, witness

AUDIT = "audit:"
ADVICE = "advice"

Property = Mapping[str, Any]


def audit_part(
    audits: Sequence[Property], topology: Mapping[str, Any], order: Sequence[str]
) -> Markup:
    """The properties `audit:<rule>` as a list of findings, those that a run shows first."""
    shown = sorted(audits, key=lambda one: one["verdict"] != "violated")
    return section(
        "Audit",
        element("ul", *(_rule(one, topology, order) for one in shown), class_="findings"),
        class_="audit",
    )


def _rule(one: Property, topology: Mapping[str, Any], order: Sequence[str]) -> Markup:
    findings = list(one.get("findings", ())) or [one]
    severity = f", {one['severity']}" if one.get("severity") else ""
    is_shown = one["verdict"] == "violated"
    sign = tone("violated") if is_shown else element("b", f"– {ADVICE}")
    if one["verdict"] in ("unknown", "ok"):
        sign = tone(one["verdict"])
    return element(
        "li",
        element(
            "h3",
            sign,
            " ",
            element("code", one.get("rule") or one["name"].removeprefix(AUDIT)),
            severity,
        ),
        *(part for finding in findings for part in _finding(finding)),
        element("p", "AWS: ", element("code", one["page"]), class_="small soft")
        if one.get("page")
        else None,
        element(
            "details",
            element("summary", "The run that shows it"),
            element("p", bounded(one.get("why", ""))),
            *witness(one, topology, order),
        )
        if is_shown and one["story"]
        else None,
    )


def _finding(finding: Mapping[str, Any]) -> Iterator[Markup]:
    line = f", line {finding['line']}" if finding.get("line") else ""
    where = f"{finding.get('resource') or ''}{line}".lstrip(", ")
    said = finding.get("message") or finding.get("why") or ""
    yield element("p", joined(element("code", where), ": ") if where else None, bounded(said))
    remedy = finding.get("remedy") or ()
    lines = [remedy] if isinstance(remedy, str) else [str(one) for one in remedy]
    if lines:
        yield element("pre", "\n".join(lines), class_="remedy")
    if finding.get("advice"):
        yield element("p", f"No run shows it: {finding['advice']}", class_="small soft")
