"""The caps of a stack: on invocations at once, and on what third parties are asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pytest_storagefirst.ledger.load import CALLS, INVOCATIONS, RATE, Cap

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.deployed import Deployed


def caps_of(deployed: Deployed) -> tuple[Cap, ...]:
    """Those that the template and storagefirst.toml set.

    A mapping's MaximumConcurrency (Lambda developer guide, services-sqs-scaling), the reserved
    concurrency of a function that messages come to (configuration-concurrency), and what a
    [[downstream]] takes.
    """
    return (*_of_mappings(deployed), *_of_functions(deployed), *_of_downstreams(deployed))


def _of_mappings(deployed: Deployed) -> Iterator[Cap]:
    for mapping in deployed.topology.mappings:
        most = mapping.maximum_concurrency
        queue = deployed.queue_by_arn(mapping.source_arn)
        function = deployed.function_by_arn(mapping.function_arn)
        if most is not None and queue is not None and function is not None:
            told = f"MaximumConcurrency of {mapping.logical_id}"
            yield Cap(INVOCATIONS, most, function.logical_id, told, queue.logical_id)


def _of_functions(deployed: Deployed) -> Iterator[Cap]:
    fed = {edge.target for edge in deployed.topology.edges}
    for function in deployed.topology.functions:
        if function.reserved_concurrency is not None and function.arn in fed:
            most, place = function.reserved_concurrency, function.logical_id
            yield Cap(INVOCATIONS, most, place, "ReservedConcurrentExecutions")


def _of_downstreams(deployed: Deployed) -> Iterator[Cap]:
    for downstream in deployed.downstreams:
        if downstream.per_second:
            told = "per_second under [[downstream]]"
            yield Cap(RATE, downstream.per_second, downstream.url, told)
        if downstream.at_once:
            yield Cap(CALLS, downstream.at_once, downstream.url, "at_once under [[downstream]]")
