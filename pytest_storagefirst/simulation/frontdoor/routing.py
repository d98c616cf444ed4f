"""Which route answers a request.

Pages: http-api-develop-routes, api-gateway-method-settings-method-request.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

from ...stack.topology import Route
from .messages import HttpReply, gateway_reply

EXACT, PARAMETER, GREEDY = 0, 1, 2


def match_route(
    routes: Iterable[Route], method: str, path: str
) -> tuple[Route, dict[str, str]] | None:
    """The route that takes a request, with its path parameters.

    Segment by segment an exact one beats `{name}`, which beats `{name+}`, which beats `$default`;
    on the same path the method's own route beats `ANY`. A path whose methods do not fit is passed
    over for a wider one that does.
    """
    found: tuple[tuple[int, ...], bool, Route, dict[str, str]] | None = None
    for route in routes:
        if route.method not in (method.upper(), "ANY", "$default"):
            continue
        matched = _match_path(route, path)
        if matched is None:
            continue
        ranks, parameters = matched
        candidate = (ranks, route.method == "ANY", route, parameters)
        if found is None or candidate[:2] < found[:2]:
            found = candidate
    return (found[2], found[3]) if found else None


def no_route(protocol: str) -> HttpReply:
    """What a sender is told when no route matches: a REST API says 403, an HTTP API 404."""
    if protocol == "REST":
        return gateway_reply(
            403, "Missing Authentication Token", "MissingAuthenticationTokenException"
        )
    return gateway_reply(404, "Not Found")


def _match_path(route: Route, path: str) -> tuple[tuple[int, ...], dict[str, str]] | None:
    if "$default" in (route.path.strip("/"), route.method):
        return (GREEDY + 1,), {}
    asked = _segments(path, keeps_trailing_slash=route.protocol == "HTTP")
    wanted = _segments(route.path, keeps_trailing_slash=route.protocol == "HTTP")
    ranks: list[int] = []
    parameters: dict[str, str] = {}
    for position, segment in enumerate(wanted):
        if segment.startswith("{") and segment.endswith("+}"):
            rest = "/".join(asked[position:])
            if not rest:
                return None
            parameters[segment[1:-2]] = _value(route, rest)
            return (*ranks, GREEDY), parameters
        if position >= len(asked):
            return None
        if segment.startswith("{") and segment.endswith("}"):
            if not asked[position]:
                return None
            parameters[segment[1:-1]] = _value(route, asked[position])
            ranks.append(PARAMETER)
        elif segment == asked[position]:
            ranks.append(EXACT)
        else:
            return None
    return (tuple(ranks), parameters) if len(asked) == len(wanted) else None


def _segments(path: str, *, keeps_trailing_slash: bool) -> list[str]:
    bare = path.partition("?")[0]
    bare = bare.removeprefix("/") if keeps_trailing_slash else bare.strip("/")
    return bare.split("/") if bare else []


def _value(route: Route, raw: str) -> str:
    return unquote(raw) if route.protocol == "HTTP" else raw
