"""A stack as a graph for people: who hands on to whom, by configuration and as it was seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

HANDS_ON, CALLS, NAMES, SETS_ASIDE = "hands on", "calls", "names", "sets aside"


@dataclass(frozen=True)
class Node:
    """`id` is a logical id, an entry's name ("POST /orders") or a host; `kind` says what it is."""

    id: str
    kind: str


@dataclass(frozen=True)
class Link:
    """`kind`: "hands on" or "sets aside" by configuration, "calls" as code was seen to do.

    "names" is what a function names in its environment and was not seen to call.
    """

    source: str
    target: str
    kind: str


@dataclass(frozen=True)
class Graph:
    """`entries` are the ids at which messages come in."""

    nodes: tuple[Node, ...] = ()
    links: tuple[Link, ...] = ()
    entries: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "nodes": [asdict(one) for one in self.nodes],
            "links": [asdict(one) for one in self.links],
            "entries": list(self.entries),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Graph:
        return cls(
            nodes=tuple(Node(one["id"], one["kind"]) for one in value["nodes"]),
            links=tuple(Link(one["source"], one["target"], one["kind"]) for one in value["links"]),
            entries=tuple(value["entries"]),
        )
