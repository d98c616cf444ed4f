"""Every public template of a folder stands up, or is refused with a reason.

Run with STORAGEFIRST_CORPUS naming the folder; parameters without default get a value made up here.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from pytest_storagefirst.errors import TemplateError
from pytest_storagefirst.stack.template import Template, load_template

CORPUS = os.environ.get("STORAGEFIRST_CORPUS")
TEMPLATES = sorted(Path(CORPUS).glob("*/template.y*ml")) if CORPUS else []


def load_with_parameters(path: Path) -> Template:
    parameters: dict[str, str] = {}
    while True:
        try:
            return load_template(path, parameters)
        except TemplateError as error:
            missing = re.fullmatch(r"parameter (\w+) has no value", error.problem)
            disallowed = re.fullmatch(
                r"parameter (\w+) has a value that is not allowed", error.problem
            )
            if missing:
                parameters[missing[1]] = f"given-{missing[1].lower()}"
            elif disallowed and parameters[disallowed[1]].startswith("given-"):
                parameters[disallowed[1]] = error.expected.removeprefix("one of: ").split(", ")[0]
            else:
                raise


@pytest.mark.skipif(not TEMPLATES, reason="STORAGEFIRST_CORPUS names no folder of templates")
@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.parent.name)
def test_a_public_template_stands_up_or_is_refused_with_a_reason(path: Path, moto: None) -> None:
    from pytest_storagefirst.stack.deploy import deploy

    try:
        template = load_with_parameters(path)
        topology = deploy(template)
    except TemplateError as error:
        refusal = error
    else:
        assert sorted(topology.inert) == sorted(template.inert)
        assert topology.logical_ids
        return
    assert str(path) in refusal.where
    pytest.xfail(str(refusal))
