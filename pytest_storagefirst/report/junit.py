"""JUnit XML of a load run, for CI: one test case for the ledger, and one for each objective."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
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
    for one in cases:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            {
                "classname": plain(f"{kind}.{document.get('profile')}"),
                "name": plain(one.name),
                "time": "0",
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
    """The ledger first; the whole verdict is its own where no objective explains it."""
    ledger = document.get("ledger", {})
    why = "\n".join(str(one) for one in document.get("why", ()))
    lost, phantom = list(ledger.get("lost", ())), list(ledger.get("phantom", ()))
    verdict = document.get("verdict", UNKNOWN)
    if lost or phantom:
        named = "\n".join(
            [*(f"lost: {one}" for one in lost), *(f"phantom: {one}" for one in phantom)]
        )
        yield Case(LEDGER, VIOLATED, headline(document), named)
    elif verdict == UNKNOWN or not ledger.get("accepted") or amiss(ledger):
        yield Case(LEDGER, UNKNOWN, headline(document), why)
    else:
        yield Case(LEDGER, OK)
    explained = bool(lost or phantom)
    for one in document.get("objectives", ()):
        met = one.get("met")
        value = measured(one.get("value"), one.get("unit") or "")
        reason = f" ({one['why']})" if one.get("why") else ""
        if met is True:
            yield Case(one["expression"], OK)
        elif met is False:
            explained = True
            yield Case(one["expression"], VIOLATED, f"missed: {value}{reason}")
        else:
            yield Case(one["expression"], UNKNOWN, f"no evidence{reason}")
    if verdict == VIOLATED and not explained:
        yield Case("verdict", VIOLATED, counted(len(document.get("why", ())), "reason"), why)
