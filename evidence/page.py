"""docs/evidence.md, made of results.json and of what people counted by hand."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from evidence.by_hand import BY_HAND, Counted
from evidence.laying import Listed, clones, listed
from evidence.results import RESULTS

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "evidence.md"
PROPERTIES = {
    "no-message-loss": "loss",
    "no-duplicate-effects": "duplicates",
    "poison-isolated": "poison",
    "redrive-completes": "redrive",
    "order-preserved": "order",
    "drains": "drains",
}
MARKS = {"ok": "ok", "violated": "**violated**", "unknown": "unknown", "not-applicable": "–"}
MOST_CHARACTERS = 240  # of a reason

HEAD = """\
# Sixty public templates, surveyed

What this project finds in templates that other people wrote: sixty public ones for storage-first
systems, each with its own code beside it, none of them changed or told anything about. The page is
made by `make survey` of what the commands below print; its numbers are counted, not written. Made
with Python {python}, moto {moto}, boto3 {boto3}, Hypothesis {hypothesis}.

{totals}

Most of these templates are lessons, not products, and to none was a body given: bodies were
guessed. A guess that leaves no effect shows nothing, and is *unknown*. Some of what is violated
takes an outage that is longer than a queue's four days of retention: what has no dead-letter queue
is gone then.

## Count it yourself

Git, make and Python are all that is needed, and about a quarter of an hour on two cores.

<!-- not run: your files -->
```sh
mkdir clones
{clones}
python -m evidence lay clones corpus    # each template with its code, at these commits
make .venv/.installed
.venv/bin/pip install 'aws-lambda-powertools[tracer]' requests    # what five functions import
export POWERTOOLS_TRACE_DISABLED=true
make survey CORPUS=corpus    # storagefirst survey corpus, storagefirst audit corpus, this page
```

`lay` takes the commits that [evidence/templates.tsv](../evidence/templates.tsv) names, and changes
nothing but where files lie. A replay file for each violated property and each finding with a
witness is in `.storagefirst/survey/replays`: `pytest -p storagefirst --storagefirst-replay=FILE`
plays it again. The budget is of real time: a slower machine tries fewer schedules.

## Template by template

A name leads to the reason below. Findings are the [audit's](audits.md): with a witness, a run
showed the harm and that the remedy cures it; the others are advice.

"""
BESIDE = """
## Beside what people counted

Before there was a tool, 79 templates (these and nineteen others) were read and counted by hand. The
rules count again, *found of looked at*; a test over the public templates holds these numbers.

| what | rule | 60, by the rules | with a witness | 79, by hand | the difference |
|---|---|---|---|---|---|
"""


def read() -> dict[str, Any]:
    results: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return results


def written(results: Mapping[str, Any]) -> str:
    """The page for these results."""
    templates = results["templates"]
    head = HEAD.format(
        totals="\n".join(_totals(templates)), clones="\n".join(_clones()), **results["with"]
    )
    lines = [*_table(templates), "", "## What was violated, and what was not judged", ""]
    for one in listed():
        lines += _reasons(one, templates[one.template])
    beside = [_beside(counted, templates) for counted in BY_HAND]
    rules = [*_rules(templates)]
    return head + "\n".join(lines) + BESIDE + "\n".join([*beside, "", *rules, ""])


def _clones() -> Iterator[str]:
    for repository, commit in sorted(clones().items(), key=lambda pair: pair[0].lower()):
        name = repository.rpartition("/")[2]
        yield f"git clone https://github.com/{repository} clones/{name}    # has {commit[:12]}"


def _totals(templates: Mapping[str, Any]) -> Iterator[str]:
    stand = sum(one["stands_up"] for one in templates.values())
    judged = sum(bool(one["properties"]) for one in templates.values())
    findings = [each for one in templates.values() for each in one["findings"]]
    shown = sum(each["witness"] for each in findings)
    yield (
        f"**{len(templates)} templates: {stand} stand up, {judged} are judged. The audit finds "
        f"{len(findings)} things, {shown} of them with a witness.**"
    )
    yield ""
    yield "| property | violated | ok | unknown | does not apply |"
    yield "|---|---|---|---|---|"
    for name in PROPERTIES:
        counts = Counter(
            one["properties"][name]["verdict"] for one in templates.values() if one["properties"]
        )
        yield f"| `{name}` | " + " | ".join(str(counts[verdict]) for verdict in (
            "violated", "ok", "unknown", "not-applicable"
        )) + " |"  # fmt: skip


def _table(templates: Mapping[str, Any]) -> Iterator[str]:
    yield f"| template | stands up | {' | '.join(PROPERTIES.values())} | with a witness | advice |"
    yield "|---|---|" + "---|" * len(PROPERTIES) + "---|---|"
    for one in listed():
        found = templates[one.template]
        verdicts = found["properties"]
        marks = [MARKS[verdicts[name]["verdict"]] if verdicts else "" for name in PROPERTIES]
        shown = Counter(each["rule"] for each in found["findings"] if each["witness"])
        told = ", ".join(
            f"`{rule}`" + (f" {count} times" if count > 1 else "") for rule, count in shown.items()
        )
        advice = len(found["findings"]) - shown.total()
        stands = "yes" if found["stands_up"] else "no"
        yield (
            f"| [{_name(one)}](#{_anchor(one)}) | {stands} | {' | '.join(marks)} | {told} | "
            f"{advice or ''} |"
        )


def _name(one: Listed) -> str:
    """Its folder in the repository, or the repository."""
    folder = one.path.rpartition("/")[0]
    return folder.replace("_", "\\_") or one.repository.rpartition("/")[2]


def _anchor(one: Listed) -> str:
    """As GitHub and MyST make it of a heading."""
    return re.sub(r"[^\w -]", "", _name(one).lower()).replace(" ", "-")


def _reasons(one: Listed, found: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {_name(one)}"
    yield ""
    yield f"`{one.path}` in {one.repository} at `{one.commit[:12]}`."
    yield ""
    told = [*_verdicts(found["properties"]), *_shown(found["findings"])]
    yield from told
    if found["refused"]:
        yield from ([""] if told else [])
        yield f"{'Not judged' if found['stands_up'] else 'Does not stand up'}:"
        yield ""
        yield "<!-- not run: your files -->"
        yield "```text"
        yield from found["refused"].splitlines()
        yield "```"
    elif not told:
        yield "Nothing is violated."
    yield ""


def _verdicts(properties: Mapping[str, Any]) -> Iterator[str]:
    """What is violated, each with its reason; and what is unknown, by reason."""
    unknown: dict[str, list[str]] = {}
    for name, verdict in properties.items():
        if verdict["verdict"] == "violated":
            yield f"- `{name}`: {_text(verdict['why'])}"
        elif verdict["verdict"] == "unknown":
            unknown.setdefault(verdict["why"], []).append(f"`{name}`")
    for why, names in unknown.items():
        yield f"- unknown: {', '.join(names)}: {_text(why)}"


def _shown(findings: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    places: dict[str, list[str]] = {}
    for each in findings:
        if each["witness"]:
            places.setdefault(each["rule"], []).append(f"{each['resource']}, line {each['line']}")
    for rule, where in places.items():
        yield f"- `audit:{rule}`: {'; '.join(where)}"


def _text(why: str) -> str:
    """A reason as Markdown prints it: what looks like HTML or emphasis stays as it is."""
    shown = why if len(why) <= MOST_CHARACTERS else f"{why[:MOST_CHARACTERS]}…"
    for mark in "\\`*_<>[]":
        shown = shown.replace(mark, f"\\{mark}")
    return " ".join(shown.split())


def _beside(counted: Counted, templates: Mapping[str, Any]) -> str:
    numbers = [count(rule, templates) for rule in counted.rules]
    found = ", ".join(f"{number} of {looked}" for number, looked, _ in numbers)
    shown = ", ".join(str(number) for _, _, number in numbers)
    rules = ", ".join(f"`{rule}`" for rule in counted.rules)
    return (
        f"| {counted.what} | {rules} | {found} | {shown} | {counted.by_hand} | "
        f"{counted.difference} |"
    )


def count(rule: str, templates: Mapping[str, Any]) -> tuple[int, int, int]:
    """How often a rule finds something, in how many places it looked, how often a run shows it."""
    found = [each for one in templates.values() for each in one["findings"] if each["rule"] == rule]
    looked = sum(one["examined"].get(rule, 0) for one in templates.values())
    return len(found), looked, sum(each["witness"] for each in found)


def _rules(templates: Mapping[str, Any]) -> Iterator[str]:
    counted = {rule for one in BY_HAND for rule in one.rules}
    rules = sorted({each["rule"] for one in templates.values() for each in one["findings"]})
    others = [rule for rule in rules if rule not in counted]
    yield "Of what nobody had counted, the rules find:"
    yield ""
    yield "| rule | found of looked at | with a witness |"
    yield "|---|---|---|"
    for rule in others:
        found, looked, shown = count(rule, templates)
        yield f"| `{rule}` | {found} of {looked} | {shown} |"
