"""docs/emulators.md, made of results.json, the probes and the rules that tests hold."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from pathlib import Path
from typing import Any

from emulators.probe import PROBES, Probe

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results.json"
PAGE = ROOT / "docs" / "emulators.md"
CONFORMANCE = ROOT / "tests" / "conformance"
DOCS = "https://docs.aws.amazon.com/"
OF_RULE = re.compile(r"(?:test_(?:rule_)?|TestRule)(\d+)(?!\d)")

# Rules that no probe puts to an emulator, and why.
NOT_ASKED = {
    15: "what the function has to do, not the service",
    25: "a race with the mapping's making, which takes AWS minutes",
    27: "comes of chance",
    38: "comes of AWS's load",
    39: "boto3's own, whatever it talks to",
    40: "boto3's own, before anything is sent",
}

HEAD = """\
# Where moto and ministack differ from AWS

A test on an emulator passes where AWS loses a message if the emulator is kinder than AWS: it never
delivers twice, takes what AWS refuses, deletes what a function has not processed, or drops what AWS
would keep aside. This page says where. It is generated: `make emulators` asks each emulator through
plain boto3, and writes down what was observed.

- **AWS**: what AWS's documentation says, with the page.
- **simulation**: what `pytest -p storagefirst` plays. "Same" where the simulated SQS was asked this
  very question; else the conformance tests that hold the rule, with questions of their own.
- **moto {moto}**: `mock_aws` alone, without this plugin. It runs functions in Docker; for the
  probes they run in the same process instead. Where a probe waits, the clock is set forward.
- **ministack {ministack}**: a process of its own, in real time. What would take minutes is not
  asked.

"Same" means that this one question was answered as AWS would answer it, and no more. What has not
come within 5 seconds is said not to come. Where AWS does now one thing and now another, "only ever"
says which one the emulator keeps to: AWS may do that as well, but a test will see nothing else.

{counts}

| rule | asked | AWS | simulation | moto | ministack |
|---|---|---|---|---|---|
"""


def written(results: dict[str, Any]) -> str:
    """The page for these results."""
    rules = tomllib.loads((CONFORMANCE / "rules.toml").read_text(encoding="utf-8"))
    tests = tests_of_rules()
    lines = []
    observed = results["observed"]
    for text, rule in rules.items():
        number = int(text)
        page = f"{DOCS}{rule['page']}"
        held = f"held by {tests[number]}"
        if number in NOT_ASKED:
            why = f"not asked: {NOT_ASKED[number]}"
            lines.append(_row(number, rule["rule"], f"[documented]({page})", held, why, why))
        for probe in PROBES:
            if probe.rule != number:
                continue
            cells = [
                _told(probe, observed[world].get(probe.name), held)
                for world in ("simulation", "moto", "ministack")
            ]
            answers = f"{DOCS}{probe.page}" if probe.page else page
            lines.append(_row(number, probe.asks, f"[{probe.aws}]({answers})", *cells))
    counts = " ".join(_counted(world, observed[world]) for world in ("moto", "ministack"))
    head = HEAD.format(**results["versions"], counts=counts)
    return head + "\n".join(lines) + "\n"


def _counted(world: str, observed: dict[str, str]) -> str:
    told = [_told(probe, observed[probe.name], "") for probe in PROBES]
    words = {"same": "same", "**differs": "different", "lacks": "lacking", "not asked": "not asked"}
    counts = {word: sum(one.startswith(start) for one in told) for start, word in words.items()}
    assert sum(counts.values()) == len(told)
    return f"{world}: " + ", ".join(f"{count} {word}" for word, count in counts.items()) + "."


def _row(*cells: Any) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _told(probe: Probe, observed: str | None, held: str) -> str:
    if observed is None:
        return held
    if observed == probe.aws:
        return "same"
    if observed.startswith(("lacks", "not asked")):
        return observed
    return f"**differs**: {observed}"


def tests_of_rules() -> dict[int, str]:
    """Of each rule, links to the modules of its conformance tests."""
    modules: dict[int, dict[str, None]] = {}
    for module in sorted(CONFORMANCE.glob("test_*.py")):
        for node in ast.parse(module.read_text(encoding="utf-8")).body:
            found = OF_RULE.match(getattr(node, "name", ""))
            if found:
                modules.setdefault(int(found[1]), {})[module.stem] = None
    return {
        number: ", ".join(f"[{name}](../tests/conformance/{name}.py)" for name in names)
        for number, names in modules.items()
    }


def read() -> dict[str, Any]:
    results: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return results
