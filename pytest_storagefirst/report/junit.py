"""JUnit XML of a load run, for CI: one test case for the ledger, and one for each objective."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from pytest_storagefirst.ledger.verdict import OK, UNKNOWN, VIOLATED
from pytest_storagefirst.report.covered import counted
from pytest_storagefirst.report.load_story import Document, amiss, headline, measured
from pytest_storagefirst.report.page import plain

LEDGER = "no-message-loss"


@dataclass(frozen=True)
class Case:
    """`verdict` is OK, VIOLATED (a failure) or UNKNOWN (an error)."""

    name: str
    verdict: str
    told: str = ""
    detail: str = ""


def write_junit(document: Document, file: Path) -> Path:
    """Write the run as JUnit XML; its folder is made. Returns the path."""
    file.parent.mkdir(parents=True, exist_ok=True)
    cases = list(cases_of(document))
    counts = {
        "tests": len(cases),
        "failures": sum(one.verdict == VIOLATED for one in cases),
        "errors": sum(one.verdict == UNKNOWN for one in cases),
        "skipped": 0,
        "time": f"{float(document.get('seconds', 0)):.3f}",
    }
    told = {name: str(value) for name, value in counts.items()}
    kind = document.get("kind", "load")
    root = ElementTree.Element("testsuites", told)
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        {
            "name": plain(f"{kind} {document.get('profile')} on {document.get('stack')}"),
            "timestamp": plain(document.get("started", "")).removesuffix("Z"),
            **told,
        },
    )
    for number, one in enumerate(cases):
        case = ElementTree.SubElement(
            suite,
            "testcase",
            {
                "classname": plain(f"{kind}.{document.get('profile')}"),
                "name": plain(one.name),
                # One run shows them all: who adds them up comes to its time.
                "time": "0" if number else told["time"],
            },
        )
        if one.verdict != OK:
            tag = "failure" if one.verdict == VIOLATED else "error"
            wrong = ElementTree.SubElement(
                case, tag, {"message": plain(one.told), "type": one.verdict}
            )
            wrong.text = plain(one.detail or one.told)
    ElementTree.ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)
    return file


def cases_of(document: Document) -> Iterator[Case]:
    """The ledger first; the whole verdict is its own where no objective explains it.

    A drill's objectives are properties, and one of them may be about the ledger: then it is one
    case with it.
    """
    verdict = document.get("verdict", UNKNOWN)
    objectives = [_objective(one) for one in document.get("objectives", ())]
    ledger = _ledger(document)
    told = next((one for one in objectives if one.name == LEDGER), ledger)
    own = ledger if told.verdict in (OK, ledger.verdict) else told
    yield own
    yield from (one for one in objectives if one.name != LEDGER)
    if verdict == VIOLATED and not any(one.verdict == VIOLATED for one in (own, *objectives)):
        why = "\n".join(str(one) for one in document.get("why", ()))
        yield Case("verdict", VIOLATED, counted(len(document.get("why", ())), "reason"), why)


def _ledger(document: Document) -> Case:
    ledger = document.get("ledger", {})
    lost, phantom = list(ledger.get("lost", ())), list(ledger.get("phantom", ()))
    if lost or phantom:
        named = [*(f"lost: {one}" for one in lost), *(f"phantom: {one}" for one in phantom)]
        return Case(LEDGER, VIOLATED, headline(document), "\n".join(named))
    if document.get("verdict", UNKNOWN) == UNKNOWN or not ledger.get("accepted") or amiss(ledger):
        why = "\n".join(str(one) for one in document.get("why", ()))
        return Case(LEDGER, UNKNOWN, headline(document), why)
    return Case(LEDGER, OK)


def _objective(one: Mapping[str, Any]) -> Case:
    reason = f" ({one['why']})" if one.get("why") else ""
    if one.get("met") is True:
        return Case(one["expression"], OK)
    if one.get("met") is False:
        missed = f"missed: {measured(one.get('value'), one.get('unit') or '')}{reason}"
        return Case(one["expression"], VIOLATED, missed)
    return Case(one["expression"], UNKNOWN, f"no evidence{reason}")
