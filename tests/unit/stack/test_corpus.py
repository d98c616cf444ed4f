"""Every public template of a folder stands up, or is refused with a reason.

Run with STORAGEFIRST_CORPUS naming the folder; parameters without default get a value made up.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_storagefirst.errors import TemplateError
from pytest_storagefirst.stack.document import read_document
from pytest_storagefirst.stack.parameters import invented_parameters
from pytest_storagefirst.stack.template import Template, load_template

TEMPLATES = sorted(Path(os.environ["STORAGEFIRST_CORPUS"]).glob("*/template.y*ml"))


def load_with_parameters(path: Path) -> Template:
    return load_template(path, invented_parameters(read_document(path), {}))


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
