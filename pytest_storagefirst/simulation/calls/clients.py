"""boto3 sessions, clients and resources, lent to environments and taken back.

Making one takes ten milliseconds, a thousand times longer than a call. One belongs to a single
environment while that lives; when it has ended, the next that asks for the same gets it. One that a
handler hooked into is not lent again, and what a client remembers of its calls is forgotten in
between.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

from pytest_storagefirst.simulation.calls import endpoints
from pytest_storagefirst.simulation.environment import Environment
from pytest_storagefirst.stack.api_models import share_models

MOST_KEPT = 32  # of one kind

_HOOKING = ("register", "register_first", "register_last", "unregister")
_OWN = ("boto3.", "botocore.", "s3transfer.")


@dataclass(eq=False)
class Loan:
    """A session, client or resource, the retry quotas of its client, and whether it is as made."""

    key: Hashable
    made: Any
    quotas: list[Any] = field(default_factory=list)
    hooked: bool = False


_free: dict[Hashable, list[Loan]] = {}
_classes: dict[tuple[str, str], type] = {}
_quotas_being_made: list[Any] = []


def note_quota(quota: Any) -> None:
    """A client's retry quota has been made: what it spends in one run is there in the next."""
    _quotas_being_made.append(quota)


def take_back(environment: Environment) -> None:
    """An environment has ended; the next one may have what it was lent."""
    for loan in environment.loans:
        kept = _free.setdefault(loan.key, [])
        if not loan.hooked and len(kept) < MOST_KEPT:
            kept.append(loan)
    environment.loans.clear()


def _lend(environment: Environment, key: Hashable) -> Loan | None:
    kept = _free.get(key)
    if not kept:
        return None
    loan = kept.pop()
    for quota in loan.quotas:
        quota._available_capacity = quota._max_capacity
    environment.loans.append(loan)
    return loan


def _frozen(value: Any) -> Hashable:
    options = getattr(value, "_user_provided_options", None)
    if options is not None:
        return repr(sorted(options.items(), key=lambda pair: str(pair[0])))
    if isinstance(value, dict):
        return repr(sorted(value.items(), key=lambda pair: str(pair[0])))
    hash(value)
    return value  # type: ignore[no-any-return]


def _key(environment: Environment, what: str, args: Any, kwargs: Any) -> Hashable:
    """Raises TypeError when it can't be told whether two calls ask for the same."""
    # botocore reads its configuration there too: AWS_RETRY_MODE, AWS_ENDPOINT_URL, …
    configured = _configured(tuple(environment.variables.items()))
    named = tuple(sorted((name, _frozen(value)) for name, value in kwargs.items()))
    key = (what, configured, tuple(_frozen(arg) for arg in args), named)
    hash(key)
    return key


@lru_cache(maxsize=256)
def _configured(variables: tuple[tuple[bytes, bytes], ...]) -> frozenset[tuple[bytes, bytes]]:
    return frozenset(
        pair
        for pair in variables
        if pair[0].startswith(b"AWS_") and not pair[0].startswith(b"AWS_LAMBDA_")
    )


def _watch(emitter: Any, on_hook: Callable[[], None]) -> None:
    """Tell when a handler adds a hook of its own.

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
            on_hook()
        original(event, handler, unique_id, *rest, **named)

    for name in _HOOKING:
        setattr(emitter, name, partial(marking, getattr(emitter, name)))


def session(environment: Environment, args: Any, kwargs: Any) -> tuple[Any | None, Hashable]:
    """The session that this environment asks for, when one is free, and its key."""
    try:
        if len(args) > 4 or kwargs.get("botocore_session") is not None:
            raise TypeError  # it may have hooks already
        key = _key(environment, "session", args, kwargs)
    except TypeError:
        return None, None
    loan = _lend(environment, key)
    return (loan.made if loan is not None else None), key


def keep_session(environment: Environment, made: Any, key: Hashable) -> None:
    """A session has been made; it can be lent again."""
    share_models(made)
    loan = Loan(key, made)
    made.hooked_by_handler = False

    def hooked() -> None:
        loan.hooked = made.hooked_by_handler = True

    environment.loans.append(loan)
    _watch(made.events, hooked)


def pooled(
    environment: Environment,
    make: Callable[..., Any],
    what: str,
    session: Any,
    args: Any,
    kwargs: Any,
) -> Any:
    """The client or resource that this environment asks for, one that is free if there is."""
    if environment.making_client:  # a resource makes its own client; it is kept with the resource
        return make(session, *args, **kwargs)
    try:
        if getattr(session, "hooked_by_handler", True):  # or none of ours
            raise TypeError
        key = _key(environment, what, (_settings(session), *args), kwargs)
    except TypeError:
        return make(session, *args, **kwargs)
    loan = _lend(environment, key)
    if loan is None:
        return _make(environment, partial(make, session, *args, **kwargs), what, key)
    return loan.made


def _settings(session: Any) -> Hashable:
    """What a session has of its own for the clients that it makes: its region and profile."""
    found: Hashable = vars(session).get("settings")
    if found is None:
        found = session.settings = (session.region_name, session.profile_name)
    return found


def _make(environment: Environment, make: Callable[[], Any], what: str, key: Hashable) -> Any:
    environment.making_client = True
    _quotas_being_made.clear()
    try:
        made = make()
    finally:
        environment.making_client = False
    client = made if what == "client" else made.meta.client
    retries = getattr(client.meta.config, "retries", None) or {}
    if retries.get("mode") != "adaptive":  # that one learns the rate at which it may send
        loan = Loan(key, made, list(_quotas_being_made))
        environment.loans.append(loan)
        client._made_as = key
        endpoints.remember(client)
        signer = client._request_signer
        signer.is_unread = client.meta.service_model.service_name in endpoints.SERVICES

        def hooked() -> None:
            loan.hooked, client._made_as = True, None
            endpoints.forget(client)
            signer.is_unread = False

        _watch(client.meta.events, hooked)
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
