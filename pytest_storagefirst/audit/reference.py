"""The rules as a page's part, for people: `python -m pytest_storagefirst.audit.reference FILE`.

It stands in FILE between two marks, and is written there anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from pytest_storagefirst.audit.catalogue import rules
from pytest_storagefirst.audit.rule import Rule, Trial

BEGINS, ENDS = "<!-- rules: generated -->", "<!-- rules: end -->"


def reference() -> str:
    """A table of all rules, and a section on each."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield "| rule | severity | what is lost or doubled |"
    yield "|---|---|---|"
    for rule in rules().values():
        yield f"| [`{rule.id}`](#{rule.id}) | {rule.severity} | {rule.harm} |"
    for rule in rules().values():
        yield ""
        yield from _section(rule)


def _section(rule: Rule) -> Iterator[str]:
    yield f"### {rule.id}"
    yield ""
    yield f"**{rule.title}** ({rule.severity})."
    yield ""
    yield f"Looks for {rule.looks_for}. What comes of it: {rule.harm}."
    yield ""
    yield "<!-- not run: part of a template -->"
    yield "```yaml"
    yield from rule.remedy
    yield "```"
    yield ""
    yield f"Shown by: {_shown_by(rule)}"
    yield ""
    yield f"AWS: <{rule.page}>"


def _shown_by(rule: Rule) -> str:
    if not rule.trials:
        return "nothing that can be run; a finding is always advice."
    told = "; ".join(dict.fromkeys(map(_trial, rule.trials)))
    code = "" if rule.needs_code else " Needs no handler that can be run here."
    return f"{told}.{code}"


def _trial(trial: Trial) -> str:
    judged = f"(`{trial.property_name}`)"
    if trial.content:
        return f"a body with `&`, `+`, `%` and the like {judged}"
    if trial.bad:
        company = " among good ones" if trial.messages > 1 else ""
        return f"a bad message{company} {judged}"
    if not trial.point:
        return f"a message, without any fault {judged}"
    place = "each write" if trial.point == "writes" else f"the {trial.point}"
    kind = f"{trial.kind}({trial.variant})" if trial.variant else trial.kind
    lasting = ", for longer than the retries in its way" if trial.lasting else ""
    return f"`{kind}` at {place}{lasting} {judged}"


def renewed(text: str) -> str:
    """A page with its part about the rules written anew. Raises ValueError without its marks."""
    before, begins, rest = text.partition(BEGINS)
    _, ends, after = rest.partition(ENDS)
    if not (begins and ends):
        raise ValueError(f"the page has no {BEGINS} … {ENDS}")
    return f"{before}{BEGINS}\n{reference()}\n{ENDS}{after}"


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(renewed(file.read_text(encoding="utf-8")), encoding="utf-8")
