"""The public templates in the folder that STORAGEFIRST_CORPUS names: see docs/evidence.md."""

from __future__ import annotations

import json
import os
from pathlib import Path

from click.testing import CliRunner

from evidence import page
from evidence.by_hand import BY_HAND
from pytest_storagefirst.cli import main
from pytest_storagefirst.survey import templates_in


def test_the_public_templates():
    folder = Path(os.environ["STORAGEFIRST_CORPUS"])

    done = CliRunner().invoke(main, ["survey", str(folder), "--json", "--budget", "0"])

    found = json.loads(done.output)["templates"]
    assert len(found) == len(templates_in(folder))
    assert all(one["properties"] or one["refused"] for one in found)
    assert not [one for one in found if "internal error" in str(one["refused"])]
    assert sum(one["stands_up"] for one in found) >= 50


def test_what_the_audit_finds_in_the_public_templates_is_what_its_page_says():
    """docs/evidence.md, beside what people counted; a permission is missed by reading handlers."""
    folder = os.environ["STORAGEFIRST_CORPUS"]
    rules = {rule for one in BY_HAND for rule in one.rules} - {"missing-permission"}
    told = {rule: page.count(rule, page.read()["templates"])[:2] for rule in rules}

    done = CliRunner().invoke(main, ["audit", folder, "--no-witness", "--format", "json"])

    templates = json.loads(done.output)["templates"]
    counted = {
        rule: (
            sum(one["rule"] == rule for each in templates for one in each["findings"]),
            sum(each["examined"][rule] for each in templates),
        )
        for rule in rules
    }
    assert counted == told
