"""The kinds of settings that drills change, by service."""

from __future__ import annotations

from pytest_storagefirst.chaos.setting import Setting
from pytest_storagefirst.chaos.settings import (
    configurations,
    experiments,
    functions,
    items,
    messages,
    parameters,
    queues,
    roles,
    tables,
    third_parties,
)

SETTINGS: dict[str, Setting] = {
    setting.name: setting
    for module in (
        *(functions, experiments, queues, roles, tables, items, parameters, configurations),
        *(third_parties, messages),
    )
    for setting in module.SETTINGS
}
