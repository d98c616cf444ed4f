"""boto3 clients and resources, made once and handed out again.

Making a client takes ten milliseconds, a thousand times longer than a call. An environment asks for
its clients in the same order in every run, so the nth one it asked for is kept for the next run's
same environment. A client that a handler hooked into is not handed out again.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from pytest_storagefirst.simulation.environment import Environment

_pool: dict[Hashable, Any] = {}
_classes: dict[tuple[str, str], type] = {}


def _frozen(value: Any) -> Hashable:
    options = getattr(value, "_user_provided_options", None)
    if options is not None:
        return repr(sorted(options.items(), key=lambda pair: str(pair[0])))
    if isinstance(value, dict):
        return repr(sorted(value.items(), key=lambda pair: str(pair[0])))
    hash(value)
    return value  # type: ignore[no-any-return]


def _watch(client: Any, key: Hashable) -> None:
    """Drop the client from the pool as soon as someone adds a hook of their own to it.

    With an id a hook is registered once, however often it is asked for; boto3's resources ask for
    theirs each time that one is made.
    """
    emitter = getattr(getattr(client, "meta", None), "events", None)
    if emitter is None:
        return
    known: set[tuple[str, str]] = set()
    for name in ("register", "register_first", "register_last", "unregister"):

        def marking(
            event: str,
            handler: Any = None,
            unique_id: Any = None,
            *rest: Any,
            _original: Callable[..., Any] = getattr(emitter, name),
            **named: Any,
        ) -> None:
            if unique_id is None:
                _pool.pop(key, None)
            elif (event, unique_id) in known:
                return
            else:
                known.add((event, unique_id))
            _original(event, handler, unique_id, *rest, **named)

        setattr(emitter, name, marking)


def pooled(
    environment: Environment,
    make: Callable[..., Any],
    what: str,
    session: Any,
    args: Any,
    kwargs: Any,
) -> Any:
    """The client or resource that this environment asks for, from the pool when it was made before."""
    if environment.making_client:  # a resource makes its own client; it is kept with the resource
        return make(session, *args, **kwargs)
    environment.clients_made += 1
    try:
        key: Hashable = (
            environment.code.function,
            str(environment.code.root),
            environment.ordinal,
            environment.clients_made,
            what,
            session.region_name,
            tuple(_frozen(arg) for arg in args),
            tuple(sorted((name, _frozen(value)) for name, value in kwargs.items())),
        )
        hash(key)
    except TypeError:
        return make(session, *args, **kwargs)
    made = _pool.get(key)
    if made is None:
        environment.making_client = True
        try:
            made = make(session, *args, **kwargs)
        finally:
            environment.making_client = False
        _pool[key] = made
        _watch(made if what == "client" else made.meta.client, key)
    return made


def resource_class(
    load: Callable[..., type],
    factory: Any,
    resource_name: str,
    single_resource_json_definition: Any,
    service_context: Any,
) -> type:
    """boto3 builds a resource's class anew for each `.Table(…)`; one of each kind is enough."""
    key = (str(service_context.service_name), resource_name)
    if key not in _classes:
        _classes[key] = load(
            factory, resource_name, single_resource_json_definition, service_context
        )
    return _classes[key]
