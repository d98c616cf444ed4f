"""Every fault that can be injected in a test, by the sort of its point; the steps of scripts."""

from __future__ import annotations

from generated.markdown import code, codes, table
from pytest_storagefirst import scripts
from pytest_storagefirst.faults import catalogue


def _faults(sort: str) -> str:
    return table(
        ("fault", "variants", "lasts", "stands for"),
        [
            (
                code(kind.name),
                codes(kind.variants) or "–",
                "yes" if kind.lasts else "no",
                kind.stands_for,
            )
            for kind in catalogue.KINDS.values()
            if sort in kind.strikes
        ],
    )


def faults_of_calls() -> str:
    return _faults(catalogue.CALL)


def faults_of_http() -> str:
    return _faults(catalogue.HTTP)


def faults_of_invocations() -> str:
    return _faults(catalogue.INVOCATION)


def faults_of_deliveries() -> str:
    return _faults(catalogue.DELIVERY)


def faults_of_requests() -> str:
    return _faults(catalogue.REQUEST)


def script_steps() -> str:
    """What a third party can be told to do, and the fault that its calls find meanwhile."""
    return table(
        ("step", "as the fault"),
        [(code(state), code(kind) if kind else "–") for state, kind in scripts.STATES.items()],
    )


PARTS = (
    faults_of_calls,
    faults_of_http,
    faults_of_invocations,
    faults_of_deliveries,
    faults_of_requests,
    script_steps,
)
