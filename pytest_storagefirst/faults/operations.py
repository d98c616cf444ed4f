"""Whether the AWS call that a fault names is one that there is, by botocore's own models."""

from __future__ import annotations

import difflib
from functools import cache

from pytest_storagefirst.errors import FaultError
from pytest_storagefirst.faults import catalogue
from pytest_storagefirst.faults.plan import Fault


def check_operation(fault: Fault) -> None:
    """Raise FaultError for a service or an operation that no client of boto3 has."""
    if catalogue.sort_of_point(fault.point) != catalogue.CALL:
        return
    service, _, operation = fault.point.partition(".")
    if service not in _services():
        _refuse(fault, f"AWS has no service {service!r}", service, _services())
    if operation not in _operations(service):
        _refuse(fault, f"{service} has no operation {operation!r}", operation, _operations(service))


def _refuse(fault: Fault, problem: str, found: str, valid: tuple[str, ...]) -> None:
    folded = {name.lower(): name for name in valid}
    near = difflib.get_close_matches(found.lower(), folded, n=1)
    raise FaultError(
        problem,
        found=str(fault),
        expected="service.Operation as boto3 names them, for instance dynamodb.PutItem",
        remedy=f"write {folded[near[0]]!r}" if near else "",
    )


@cache
def _services() -> tuple[str, ...]:
    import botocore.loaders

    return tuple(botocore.loaders.Loader().list_available_services("service-2"))


@cache
def _operations(service: str) -> tuple[str, ...]:
    import botocore.loaders

    return tuple(botocore.loaders.Loader().load_service_model(service, "service-2")["operations"])
