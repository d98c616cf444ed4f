"""Templates written by tests, loaded and stood up in moto."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.errors import TemplateError
from pytest_storagefirst.stack.template import Template, load_template
from pytest_storagefirst.stack.topology import Topology

# Collected where there is something to try: `make survey` says where.
collect_ignore = [] if os.environ.get("STORAGEFIRST_CORPUS") else ["test_corpus.py"]

SAM = "Transform: AWS::Serverless-2016-10-31\n"


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Template]:
    def loaded(
        text: str,
        parameters: Mapping[str, Any] | None = None,
        imports: Mapping[str, str] | None = None,
        name: str = "template.yaml",
    ) -> Template:
        path = tmp_path / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return load_template(path, parameters, imports)

    return loaded


@pytest.fixture
def refused(load: Callable[..., Template]) -> Callable[..., TemplateError]:
    """The error that a template gets."""

    def refusal(text: str, **how: Any) -> TemplateError:
        with pytest.raises(TemplateError) as caught:
            load(text, **how)
        return caught.value

    return refusal


@pytest.fixture
def moto() -> Iterator[None]:
    from moto import mock_aws

    with mock_aws():
        yield


@pytest.fixture
def stand_up(load: Callable[..., Template], moto: None) -> Callable[..., Topology]:
    from pytest_storagefirst.stack.deploy import deploy

    def stood_up(text: str, **how: Any) -> Topology:
        return deploy(load(text, **how))

    return stood_up


@pytest.fixture
def properties(load: Callable[..., Template]) -> Callable[..., dict[str, Any]]:
    """The resolved properties of the resource X, which the given YAML lines make up."""

    def resolved(lines: str, head: str = "", **how: Any) -> dict[str, Any]:
        body = textwrap.indent(textwrap.dedent(lines), " " * 6)
        text = (
            f"{textwrap.dedent(head)}\nResources:\n  X:\n    Type: Test::X\n    Properties:\n{body}"
        )
        text += "\n  Other:\n    Type: AWS::SQS::Queue\n"
        result: dict[str, Any] = load(text, **how).body["Resources"]["X"]["Properties"]
        return result

    return resolved
