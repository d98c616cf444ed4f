"""Every rule is seen firing, at the line that is meant, and seen silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_storagefirst.audit.catalogue import rules
from pytest_storagefirst.audit.findings import CHECKS, Audit, audit
from pytest_storagefirst.audit.rule import SEVERITIES
from pytest_storagefirst.ledger.properties import registered
from pytest_storagefirst.stack.template import load_template

TEMPLATES = Path(__file__).parent / "templates"


def found_in(name: str) -> Audit:
    return audit(load_template(TEMPLATES / name))


@pytest.mark.parametrize("rule", rules())
def test_it_fires_where_it_is_meant(rule):
    found = found_in(f"{rule}.unsound.yaml")
    text = (TEMPLATES / f"{rule}.unsound.yaml").read_text(encoding="utf-8")
    (marked,) = [n for n, line in enumerate(text.splitlines(), 1) if line.endswith("# here")]

    (finding,) = [one for one in found.findings if one.rule.id == rule]

    assert finding.line == marked
    assert finding.column > 1
    assert f"{finding.resource}:" in text
    assert finding.remedy
    assert "<" not in "".join(finding.remedy)


@pytest.mark.parametrize("rule", rules())
def test_it_is_silent_where_all_is_well(rule):
    found = found_in(f"{rule}.sound.yaml")

    assert [one.message for one in found.findings if one.rule.id == rule] == []
    assert found.notes == ()
    assert found.examined[rule] >= 1


def test_each_rule_has_a_check_and_says_what_it_is():
    assert set(CHECKS) == set(rules())
    for rule in rules().values():
        assert rule.severity in SEVERITIES
        assert rule.page.startswith("https://docs.aws.amazon.com/")
        assert {one.property_name for one in rule.trials} <= set(registered())


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_template_of_one_rule_is_accused_of_little_else(path):
    """What a small template leaves out besides is known, so that no rule comes to fire too often."""
    rule = path.name.partition(".")[0]
    others = {one.rule.id for one in audit(load_template(path)).findings} - {rule}

    assert others <= EXPECTED_TOO.get(path.stem, {"no-alarm"}), others


EXPECTED_TOO = {
    # A function's failures and a topic's are two things, and each can be lost.
    "async-no-destination.unsound": {"subscription-no-dlq"},
    "async-no-destination.sound": {"subscription-no-dlq", "no-alarm"},
}
