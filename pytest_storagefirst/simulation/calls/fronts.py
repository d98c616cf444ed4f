"""What botocore makes of a call's parameters before it sends: made once for equal parameters.

Validating, transforming and serializing takes most of a call's time and depends on nothing but the
client and the parameters, and runs of one stack make the same calls again and again. Clients that
a handler hooked into are left alone, as are operations that get a random token.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Hashable, MutableMapping
from dataclasses import dataclass
from typing import Any

from pytest_storagefirst.simulation.calls import lanes

MOST_KEPT = 4096

_WITH_A_TOKEN = frozenset({"TransactWriteItems"})


@dataclass(frozen=True)
class Front:
    """The request that a call comes to, and the model and event name that its answer needs."""

    model: Any
    request: Any
    service_id: str


_kept: dict[Hashable, Front] = {}


def key(client: Any, operation: str, parameters: Any) -> Hashable:
    """What the front half of a call depends on; None when it can't be told or is not kept."""
    made_as = client._made_as
    if made_as is None:
        return None
    operations = lanes.FAST_OPERATIONS.get(client.meta.service_model.service_name)
    if operations is None or operation not in operations or operation in _WITH_A_TOKEN:
        return None
    try:
        return made_as, operation, pickle.dumps(parameters, 5)
    except Exception:  # whatever an object of the handler's raises there
        return None


def find(key: Hashable) -> Front | None:
    return _kept.get(key)


def make_room() -> None:
    """A run begins."""
    if len(_kept) >= MOST_KEPT:
        _kept.clear()


def keep(key: Hashable, client: Any, model: Any, request: Any, context: dict[str, Any]) -> None:
    """Remember what botocore has made. Its own request may be changed on the way."""
    if len(_kept) >= MOST_KEPT:  # in a long run whose calls are all different nothing comes again
        return
    service_id = client.meta.service_model.service_id.hyphenize()
    _kept[key] = Front(model, _copied(request, _copied(context)), service_id)


def request_of(front: Front) -> tuple[Any, dict[str, Any]]:
    """The request and its context for botocore's own way to send it, which changes both."""
    context = _copied(front.request["context"])
    return _copied(front.request, context), context


def _copied(value: Any, context: Any = None) -> dict[str, Any]:
    copied = {
        name: copy.copy(inner) if isinstance(inner, MutableMapping) else inner
        for name, inner in value.items()
    }
    if context is not None:
        copied["context"] = context
    return copied


def answered(client: Any, front: Front, answer: tuple[Any, Any]) -> Any:
    """What the caller gets of an answer: botocore's back half.

    Raises the client's exception for an error.
    """
    http, parsed = answer
    context = dict(front.request["context"])
    client.meta.events.emit(
        f"after-call.{front.service_id}.{front.model.name}",
        http_response=http,
        parsed=parsed,
        model=front.model,
        context=context,
    )
    if http.status_code >= 300:
        error = parsed.get("Error", {})
        code = context.get("error_code_override") or error.get("Code")
        raise client.exceptions.from_code(code)(parsed, front.model.name)
    return parsed
