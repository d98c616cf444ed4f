"""boto3 sessions, clients and resources, made once and handed out again.

Making one takes ten milliseconds, a thousand times longer than a call. An environment asks for them
in the same order in every run, so the nth one it asked for is kept for the next run's same
environment. One that a handler hooked into is not handed out again, and what a client remembers of
its calls is forgotten in between.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pytest_storagefirst.simulation.environment import Environment

MOST_KEPT = 32  # of one environment; who makes more lets go of the first ones

_HOOKING = ("register", "register_first", "register_last", "unregister")
_OWN = ("boto3.", "botocore.", "s3transfer.")


@dataclass
class _Kept:
    """A session, client or resource, and the retry quotas of its client."""

    made: Any
    quotas: list[Any] = field(default_factory=list)


_pool: dict[Hashable, _Kept] = {}
_classes: dict[tuple[str, str], type] = {}
_quotas_being_made: list[Any] = []


def note_quota(quota: Any) -> None:
    """A client's retry quota has been made: what it spends in one run is there in the next."""
    _quotas_being_made.append(quota)


def _frozen(value: Any) -> Hashable:
    options = getattr(value, "_user_provided_options", None)
    if options is not None:
        return repr(sorted(options.items(), key=lambda pair: str(pair[0])))
    if isinstance(value, dict):
        return repr(sorted(value.items(), key=lambda pair: str(pair[0])))
    hash(value)
    return value  # type: ignore[no-any-return]


def _key(environment: Environment, what: str, number: int, args: Any, kwargs: Any) -> Hashable:
    """Raises TypeError when it can't be told whether two calls ask for the same."""
    code = environment.code
    return (
        (code.function, code.search, environment.ordinal, number % MOST_KEPT, what),
        tuple(_frozen(arg) for arg in args),
        tuple(sorted((name, _frozen(value)) for name, value in kwargs.items())),
    )


def _watch(emitter: Any, key: Hashable, on_hook: Callable[[], None]) -> None:
    """Drop what `key` names from the pool as soon as a handler adds a hook of its own.

    With an id a hook of boto3's is registered once, however often it is asked for: its resources
    ask for theirs each time that one is made.
    """
    known: set[tuple[str, str]] = set()

    def marking(
        original: Callable[..., Any],
        event: str,
        handler: Any = None,
        unique_id: Any = None,
        *rest: Any,
        **named: Any,
    ) -> None:
        if unique_id is not None and str(getattr(handler, "__module__", "")).startswith(_OWN):
            if (event, unique_id) in known:
                return
            known.add((event, unique_id))
        else:
            _pool.pop(key, None)
            on_hook()
        original(event, handler, unique_id, *rest, **named)

    for name in _HOOKING:
        setattr(emitter, name, partial(marking, getattr(emitter, name)))


def session(environment: Environment, args: Any, kwargs: Any) -> tuple[Any | None, Hashable]:
    """The session that this environment asks for, when it was made before, and its key."""
    environment.sessions_made += 1
    try:
        key = _key(environment, "session", environment.sessions_made, args, kwargs)
        hash(key)
    except TypeError:
        return None, None
    kept = _pool.get(key)
    return (kept.made if kept is not None else None), key


def keep_session(made: Any, key: Hashable) -> None:
    """A session has been made; `session` finds it from now on."""

    def hooked() -> None:
        made.hooked_by_handler = True

    _pool[key] = _Kept(made)
    _watch(made.events, key, hooked)


def pooled(
    environment: Environment,
    make: Callable[..., Any],
    what: str,
    session: Any,
    args: Any,
    kwargs: Any,
) -> Any:
    """The client or resource that this environment asks for, from the pool if it is there."""
    if environment.making_client:  # a resource makes its own client; it is kept with the resource
        return make(session, *args, **kwargs)
    environment.clients_made += 1
    try:
        if getattr(session, "hooked_by_handler", False):
            raise TypeError
        where = (session.region_name, session.profile_name)
        key = _key(environment, what, environment.clients_made, (*where, *args), kwargs)
        hash(key)
    except TypeError:
        return make(session, *args, **kwargs)
    kept = _pool.get(key)
    if kept is None:
        return _make(environment, partial(make, session, *args, **kwargs), what, key)
    for quota in kept.quotas:
        quota._available_capacity = quota._max_capacity
    return kept.made


def _make(
    environment: Environment, make: Callable[[], Any], what: str, key: Hashable
) -> Any:
    environment.making_client = True
    _quotas_being_made.clear()
    try:
        made = make()
    finally:
        environment.making_client = False
    client = made if what == "client" else made.meta.client
    retries = getattr(client.meta.config, "retries", None) or {}
    if retries.get("mode") != "adaptive":  # that one learns the rate at which it may send
        _pool[key] = _Kept(made, list(_quotas_being_made))
        _watch(client.meta.events, key, lambda: None)
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
