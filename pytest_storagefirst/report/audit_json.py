"""Findings as JSON, for whatever reads them on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_storagefirst.audit.told import Audited, Told, as_json

VERSION = 1
Replays = Mapping[int, str]  # id of what is told -> where its replay file lies


def audit_json(audited: Sequence[Audited], replays: Replays) -> str:
    """{"version": 1, "templates": [{"template", "refused", "notes", "examined", "findings"}]}.

    A finding's `witness` is the path of its replay file; where that is null, `advice` says why no
    run shows it.
    """
    value = {
        "version": VERSION,
        "templates": [
            {
                "template": one.name,
                "refused": one.refused or None,
                "notes": list(one.notes),
                "examined": dict(one.examined or {}),
                "findings": [finding_json(told, one.name, replays) for told in one.told],
            }
            for one in audited
        ],
    }
    return json.dumps(value, indent=2, ensure_ascii=False)


def finding_json(told: Told, name: str, replays: Replays) -> dict[str, Any]:
    return {**as_json(told, name), "witness": replays.get(id(told))}
