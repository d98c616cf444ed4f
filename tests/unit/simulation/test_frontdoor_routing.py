from __future__ import annotations

import pytest

from pytest_storagefirst.simulation.frontdoor import match_route, no_route
from pytest_storagefirst.stack.topology import Integration, Route


def route(name: str, protocol: str = "REST") -> Route:
    method, _, path = name.partition(" ")
    return Route("Api", "a", protocol, method, path or "$default", "s", Integration("MOCK"))


def matched(names: list[str], method: str, path: str, protocol: str = "REST") -> str | None:
    found = match_route([route(name, protocol) for name in names], method, path)
    return found[0].name if found else None


ALL = [
    "$default",
    "ANY /{proxy+}",
    "GET /pets/{proxy+}",
    "GET /pets/dog/{id}",
    "GET /pets/dog/1",
    "ANY /pets/dog/1",
]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/pets/dog/1", "GET /pets/dog/1"),
        ("POST", "/pets/dog/1", "ANY /pets/dog/1"),
        ("GET", "/pets/dog/2", "GET /pets/dog/{id}"),
        ("GET", "/pets/cat/1", "GET /pets/{proxy+}"),
        ("POST", "/test/5", "ANY /{proxy+}"),
        ("get", "/pets/cat", "GET /pets/{proxy+}"),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_the_most_specific_route_wins_whatever_the_order(
    method: str, path: str, expected: str, order: int
) -> None:
    assert matched(ALL[::order], method, path, "HTTP") == expected
    assert matched(ALL[1:][::order], method, path) == expected


def test_the_default_route_takes_the_rest() -> None:
    assert matched(["$default", "GET /pets"], "PUT", "/", "HTTP") == "$default $default"


def test_a_path_without_the_method_is_passed_over_for_a_wider_one() -> None:
    names = ["POST /test", "ANY /test/any", "OPTIONS /{proxy+}"]
    assert matched(names, "OPTIONS", "/test") == "OPTIONS /{proxy+}"
    assert matched(names, "OPTIONS", "/test/any") == "ANY /test/any"
    assert matched(names, "GET", "/test") is None


def test_parameters_are_given() -> None:
    found = match_route([route("POST /a/{id}/b/{rest+}")], "POST", "/a/1%2F/b/c/d?x=1")
    assert found is not None
    assert found[1] == {"id": "1%2F", "rest": "c/d"}
    found = match_route([route("POST /a/{id}", "HTTP")], "POST", "/a/1%202")
    assert found is not None
    assert found[1] == {"id": "1 2"}


@pytest.mark.parametrize("path", ["/", "/orders/1/2", "/order", "/orders/"])
def test_no_other_path_matches(path: str) -> None:
    assert matched(["POST /orders/{id}", "POST /{x}/{y}/{z}/{w+}"], "POST", path, "HTTP") is None


def test_a_trailing_slash_is_nothing_to_a_rest_api() -> None:
    assert matched(["POST /orders"], "POST", "/orders/") == "POST /orders"
    assert matched(["POST /orders"], "POST", "/orders/", "HTTP") is None
    assert matched(["POST /"], "POST", "") == "POST /"


def test_each_kind_of_api_has_its_own_way_to_say_no_route() -> None:
    assert no_route("REST").status == 403
    assert "Missing Authentication Token" in no_route("REST").body
    assert (no_route("HTTP").status, no_route("HTTP").body) == (404, '{"message":"Not Found"}')
