"""Every rule is seen firing, at the line that is meant, and seen silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_storagefirst.audit import front_door
from pytest_storagefirst.audit.catalogue import rules
from pytest_storagefirst.audit.findings import CHECKS, Audit, audit
from pytest_storagefirst.audit.reference import renewed
from pytest_storagefirst.audit.rule import SEVERITIES
from pytest_storagefirst.audit.view import View
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
    """What small templates leave out besides is known: no rule comes to fire more often."""
    rule = path.name.partition(".")[0]
    others = {one.rule.id for one in audit(load_template(path)).findings} - {rule}

    assert others <= EXPECTED_TOO.get(path.stem, {"no-alarm"}), others


EXPECTED_TOO = {
    # A function's failures and a topic's are two things, and each can be lost.
    "async-no-destination.unsound": {"subscription-no-dlq"},
    "async-no-destination.sound": {"subscription-no-dlq", "no-alarm"},
}


@pytest.mark.parametrize(
    ("field", "raw", "mended"),
    [
        ("MessageBody=$input.body", True, "MessageBody=$util.urlEncode($input.body)"),
        ("MessageBody=${input.body}", True, "MessageBody=$util.urlEncode(${input.body})"),
        ("Message=$input.json('$')", True, "Message=$util.urlEncode($input.json('$'))"),
        (
            'MessageBody={"data":$input.body}',
            True,
            'MessageBody={"data":$util.urlEncode($input.body)}',
        ),
        (
            "Message=$util.parseJson($input.json('$.a'))&TopicArn=x",
            True,
            "Message=$util.urlEncode($util.parseJson($input.json('$.a')))&TopicArn=x",
        ),
        ("MessageBody=$util.urlEncode($input.body)", False, None),
        ("MessageBody=$util.urlEncode($util.escapeJavaScript($input.json('$')))", False, None),
        ("#set($body = $util.urlEncode($input.body))MessageBody=$body", False, None),
    ],
)
def test_what_is_put_into_a_form_as_it_is(field, raw, mended):
    text = f"Action=SendMessage&{field}"

    assert bool(front_door._raw(text)) is raw
    assert front_door._encoded(text) == f"Action=SendMessage&{mended or field}"


@pytest.mark.parametrize(
    ("patterns", "fires"),
    [
        ({"default": "200"}, True),
        ({"default": "200", r"4\d{2}": "400"}, True),
        ({"default": "200", r"4\d{2}": "400", r"5\d{2}": "500"}, False),
        ({"default": "200", r"[45]\d\d": "500"}, False),
        ({"default": "200", r"(4|5)\d{2}": "202"}, True),
        ({"default": "500", r"2\d{2}": "200"}, False),
        ({r"2\d{2}": "200"}, False),
        ({"default": "200", "[": "400"}, False),
    ],
)
def test_which_answers_tell_a_refusal_as_success(patterns, fires, tmp_path):
    body = load_template(TEMPLATES / "default-response-200.unsound.yaml").body["Resources"]
    operation = body["Api"]["Properties"]["Body"]["paths"]["/orders"]["post"]
    replies = {pattern: {"statusCode": status} for pattern, status in patterns.items()}
    operation["x-amazon-apigateway-integration"]["responses"] = replies

    (one,) = front_door.default_response(View(body))

    assert bool(one.problem) is fires


def test_the_page_on_audits_says_what_the_rules_are():
    """Write it anew with `python -m pytest_storagefirst.audit.reference docs/audits.md`."""
    page = (Path(__file__).parents[3] / "docs" / "audits.md").read_text(encoding="utf-8")

    assert renewed(page) == page
    with pytest.raises(ValueError, match="no <!-- rules"):
        renewed("# Another page")
