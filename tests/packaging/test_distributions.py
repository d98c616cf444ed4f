"""What `pip install pytest-storagefirst` pulls in, by name and with a reason.

A distribution that is not here fails: whether it is worth its weight is then decided in review.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]

DIRECT = {
    "airspeed": "VTL: API Gateway's mapping templates",
    "aws-sam-translator": "SAM to CloudFormation, AWS's own",
    "boto3": "AWS's API, as handlers call it",
    "click": "the command `storagefirst`",
    "greenlet": "invocations that take turns",
    "hypothesis": "schedules, shrinking, the example database",
    "moto": "AWS's state; of its extras those without Docker and JOSE",
    "packaging": "markers and versions of requirements, to tell what is missing",
    "pytest": "the host",
    "pyyaml": "templates",
    "time-machine": "virtual wall clocks",
}
BROUGHT_BY = {
    "annotated-types": "pydantic",
    "antlr4-python3-runtime": "moto's Step Functions interpreter",
    "attrs": "jsonschema",
    "botocore": "boto3",
    "cachetools": "airspeed",
    "certifi": "requests",
    "cffi": "cryptography",
    "charset-normalizer": "requests",
    "colorama": "pytest and click, on Windows",
    "cryptography": "moto",
    "idna": "requests",
    "iniconfig": "pytest",
    "jmespath": "boto3",
    "jsonpath-ng": "moto's rules of EventBridge and Step Functions interpreter",
    "jsonschema": "aws-sam-translator",
    "jsonschema-path": "openapi-spec-validator",
    "jsonschema-specifications": "jsonschema",
    "lazy-object-proxy": "openapi-spec-validator",
    "markupsafe": "werkzeug",
    "openapi-schema-validator": "openapi-spec-validator",
    "openapi-spec-validator": "moto's API Gateway, which imports it to be imported",
    "pathable": "jsonschema-path",
    "pluggy": "pytest",
    "ply": "jsonpath-ng until 1.7",
    "py-partiql-parser": "moto's ExecuteStatement of DynamoDB, and S3 Select",
    "pycparser": "cffi",
    "pydantic": "aws-sam-translator",
    "pydantic-core": "pydantic",
    "pydantic-settings": "openapi-schema-validator",
    "pygments": "pytest",
    "python-dateutil": "botocore",
    "python-dotenv": "pydantic-settings",
    "referencing": "jsonschema",
    "requests": "moto",
    "responses": "moto",
    "rfc3339-validator": "openapi-schema-validator",
    "rpds-py": "jsonschema",
    "s3transfer": "boto3",
    "six": "python-dateutil",
    "sortedcontainers": "hypothesis until 6.1xx",
    "typing-extensions": "pydantic",
    "typing-inspection": "pydantic",
    "urllib3": "botocore",
    "werkzeug": "moto",
    "xmltodict": "moto",
}


def declared() -> list[Requirement]:
    """pyproject.toml's, not those of an editable install that may be older."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [Requirement(text) for text in project["dependencies"]]


def pulled_in(wanted: list[Requirement]) -> dict[str, str]:
    """The names of all that is installed for these, each with what asked for it first."""
    found: dict[str, str] = {}
    open_ones = [(requirement, "pytest-storagefirst") for requirement in wanted]
    seen: set[tuple[str, frozenset[str]]] = set()
    while open_ones:
        requirement, asker = open_ones.pop()
        name = canonicalize_name(requirement.name)
        key = (name, frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        found.setdefault(name, asker)
        open_ones += [(one, name) for one in asked_by(requirement)]
    return found


def asked_by(requirement: Requirement) -> Iterator[Requirement]:
    try:
        texts = requires(requirement.name) or ()
    except PackageNotFoundError:  # its own name is known all the same
        return
    for text in texts:
        one = Requirement(text)
        extras = ("", *requirement.extras)
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras):
            yield one


def test_every_direct_dependency_has_its_reason():
    assert {canonicalize_name(one.name) for one in declared()} == set(DIRECT)


def test_nothing_comes_with_them_that_nobody_looked_at():
    known = {*DIRECT, *BROUGHT_BY}

    found = pulled_in(declared())

    assert {name: asker for name, asker in found.items() if name not in known} == {}


@pytest.mark.parametrize("name", ["docker", "joserfc", "locust", "ministack", "rich"])
def test_what_is_too_heavy_stays_out(name):
    assert name not in pulled_in(declared())


def test_what_an_extra_asks_for_is_followed():
    assert "docker" in pulled_in([Requirement("moto[awslambda]")])
