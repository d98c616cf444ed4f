"""Experiments of AWS Fault Injection Service, by which a function that carries its extension fails.

The template and the experiment carry the drill's own token, as client token and as tag: what a
killed drill left is found by it, whether or not the journal came to know their ids. Pages of the
FIS user guide: use-lambda-actions, fis-actions-reference, experiment-template-example.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from pytest_storagefirst.chaos.setting import (
    SHOWS_WITHIN_S,
    Address,
    Setting,
    Value,
    whatever_is_left,
)
from pytest_storagefirst.chaos.settings.function_logs import felt_by_fis
from pytest_storagefirst.chaos.settings.settling import settled
from pytest_storagefirst.target.target import Target

TAG = "storagefirst:drill"
POLLED_EVERY_S = 60  # by the extension, as long as no experiment is known to it
_ENDED = ("completed", "stopped", "failed", "cancelled")


def _experiment(target: Target, address: Address) -> Value:
    """The ids of the drill's templates, and of its experiments that have not ended; None: none."""
    client = target.session().client("fis")
    running = settled(
        lambda: list(_running(client, address["token"])),
        lambda found: not any(one["state"]["status"] == "stopping" for one in found),
    )
    templates = list(_tagged(client, "list_experiment_templates", address["token"]))
    if not templates and not running:
        return None
    return {
        "templates": [one["id"] for one in templates],
        "experiments": [one["id"] for one in running],
    }


def _running(client: Any, token: str) -> Iterator[dict[str, Any]]:
    for one in _tagged(client, "list_experiments", token):
        if one["state"]["status"] not in _ENDED:
            yield one


def _tagged(client: Any, operation: str, token: str) -> Iterator[dict[str, Any]]:
    pages = client.get_paginator(operation).paginate()
    for page in pages:
        for one in page.get("experiments", page.get("experimentTemplates", ())):
            if one.get("tags", {}).get(TAG) == token:
                yield one


def _start_or_stop(target: Target, address: Address, value: Value, current: Value) -> None:
    client = target.session().client("fis")
    if value is not None:
        own = {"clientToken": address["token"], "tags": {TAG: address["token"]}}
        template = client.create_experiment_template(**value, **own)["experimentTemplate"]
        client.start_experiment(experimentTemplateId=template["id"], **own)
        return
    for experiment in current["experiments"]:
        client.stop_experiment(id=experiment)
    settled(lambda: list(_running(client, address["token"])), lambda found: not found)
    for template in current["templates"]:
        client.delete_experiment_template(id=template)


def _is_running(target: Target, address: Address, value: Value) -> bool:
    """Whether FIS says so, and for as long as the extension may take to hear of it.

    Raises RuntimeError with FIS's reason where it could not do it.
    """
    if value is None:
        return _experiment(target, address) is None
    heard_s = 0 if target.endpoint_url else POLLED_EVERY_S
    for one in _tagged(target.session().client("fis"), "list_experiments", address["token"]):
        state = one["state"]
        if state["status"] in ("failed", "cancelled"):
            raise RuntimeError(f"the experiment has {state['status']}: {state.get('reason')}")
        if state["status"] == "running":
            return bool(time.time() - one["creationTime"].timestamp() >= heard_s)
    return False


EXPERIMENT = Setting(
    "fis-experiment",
    "FIS experiment",
    _experiment,
    _start_or_stop,
    shows=_is_running,
    undone=whatever_is_left,
    shows_within_s=SHOWS_WITHIN_S + POLLED_EVERY_S,
    felt=felt_by_fis,
)

SETTINGS = (EXPERIMENT,)
