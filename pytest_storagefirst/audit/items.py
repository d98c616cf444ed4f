"""The audits of one template as pytest's items: a verdict for each rule that finds something."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

from pytest_storagefirst.audit.findings import audit
from pytest_storagefirst.audit.run import tell
from pytest_storagefirst.audit.told import as_properties
from pytest_storagefirst.explore.outcome import Outcome, failed, write_replays
from pytest_storagefirst.explore.result import StackResult
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.settings_file import load_settings
from pytest_storagefirst.stack.read_ahead import read_template

MOST_SECONDS = 60.0  # of real time; what is tried is bounded by count, and far below


def audit_template(path: Path, name: str, base: Settings, replays: Path) -> Outcome:
    """Audit one template and write the replay files of what runs show. Raises nothing.

    `name` is what reports call the template.
    """
    ends = time.monotonic() + MOST_SECONDS
    try:
        settings = load_settings(path, base)
        template = read_template(path, settings)
        told, _ = tell(audit(template), template, settings, lambda: time.monotonic() >= ends)
        wanted = settings.audits
        found = tuple(
            one for one in as_properties(told, name) if wanted is None or one.name in wanted
        )
        result = StackResult(name, found)
        json.dumps(result.to_json())
        return Outcome(audits=found, replays=write_replays(result, replays))
    except (Exception, SystemExit) as error:
        outcome = failed(error)
        return replace(outcome, defect=outcome.defect or outcome.refusal, refusal="")
