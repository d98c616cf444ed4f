"""Every property: what it says of a run."""

from __future__ import annotations

import inspect

from generated.markdown import code
from pytest_storagefirst.ledger.properties import registered


def properties() -> str:
    return "\n\n".join(
        f"### {code(name)}\n\n{inspect.cleandoc(one.docstring)}"
        for name, one in registered().items()
    )


PARTS = (properties,)
