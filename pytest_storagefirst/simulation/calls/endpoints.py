"""Where a client's calls go: worked out once for an operation, not for each of its calls.

botocore resolves the endpoint anew for every call, which takes a sixth of the call's time. For the
services here it depends on nothing of a call but the members that their rules name.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

SERVICES = frozenset({"dynamodb", "sqs"})
MOST_KEPT = 256


class RememberedEndpoints:
    """A client's endpoint resolver that remembers what it resolved; in all else the same."""

    def __init__(self, resolver: Any) -> None:
        self.resolver = resolver
        self._kept: dict[Hashable, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.resolver, name)

    def construct_endpoint(self, operation_model: Any, call_args: Any, request_context: Any) -> Any:
        if operation_model.operation_context_parameters:
            return self.resolver.construct_endpoint(operation_model, call_args, request_context)
        given = call_args or {}
        key = (
            operation_model.name,
            *(given.get(one.member_name) for one in operation_model.context_parameters),
        )
        try:
            found = self._kept.get(key)
        except TypeError:  # a member that is no text: botocore will say so
            return self.resolver.construct_endpoint(operation_model, call_args, request_context)
        if found is None:
            found = self.resolver.construct_endpoint(operation_model, call_args, request_context)
            if len(self._kept) < MOST_KEPT:
                self._kept[key] = found
        return found._replace(headers=dict(found.headers))


def remember(client: Any) -> None:
    """Let a client remember its endpoints, as long as no handler has hooks in it."""
    resolver = client._ruleset_resolver
    if client.meta.service_model.service_name in SERVICES and resolver is not None:
        client._ruleset_resolver = RememberedEndpoints(resolver)


def forget(client: Any) -> None:
    """A handler has hooked into the client: each call asks again."""
    if isinstance(client._ruleset_resolver, RememberedEndpoints):
        client._ruleset_resolver = client._ruleset_resolver.resolver
