"""A stack's topology drawn in layers: where messages come in at the left, dead letters below.

Made from `topology` of report.json alone. The same is told in words beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_storagefirst.report.page import Markup, element

MOST_NODES = 80
WIDTH, HEIGHT = 156, 54  # of a node
ACROSS, DOWN = 72, 22  # between two
MARGIN = 14
LETTERS = 20  # of a name in a line
SETS_ASIDE, NAMES = "sets aside", "names"
_SWEEPS = 4

Topology = Mapping[str, Any]
Point = tuple[float, float]


@dataclass(frozen=True)
class Place:
    """Where a node stands: the left upper corner, in pixels."""

    x: float
    y: float


def layers_of(topology: Topology) -> list[list[str]]:
    """The ids of the nodes, a list for each layer; without those where letters are set aside.

    A node stands behind all that hand on to it or call it, so far as these don't go in a circle.
    """
    ids = [one["id"] for one in topology.get("nodes", ())][:MOST_NODES]
    aside = _aside(topology)
    links = [
        (one["source"], one["target"])
        for one in topology.get("links", ())
        if {one["source"], one["target"]} <= set(ids) and one["target"] not in aside
    ]
    forward = _without_circles([one for one in ids if one not in aside], links, topology)
    depth = dict.fromkeys((one for one in ids if one not in aside), 0)
    for _ in depth:
        moved = False
        for source, target in forward:
            if depth[target] < depth[source] + 1:
                depth[target], moved = depth[source] + 1, True
        if not moved:
            break
    # What nothing feeds stands right before the first that it feeds itself.
    fed = {target for _, target in forward}
    entries = set(topology.get("entries", ()))
    for one in depth:
        after = [depth[target] for source, target in forward if source == one]
        if one not in fed and one not in entries and after:
            depth[one] = max(0, min(after) - 1)
    layers: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for one, layer in depth.items():
        layers[layer].append(one)
    return _untangled([layer for layer in layers if layer], forward)


def order_of(topology: Topology) -> list[str]:
    """All nodes from the left to the right: as lifelines stand beside each other."""
    layers = layers_of(topology)
    flow = [one for layer in layers for one in layer]
    return [*flow, *(one["id"] for one in topology.get("nodes", ()) if one["id"] not in flow)]


def drawing(topology: Topology, struck: Iterable[str] = ()) -> Markup | None:
    """The picture with its legend, or None without any node. `struck` are where faults struck."""
    places, size = _placed(topology)
    if not places:
        return None
    marked = set(struck)
    kinds = {one["id"]: one["kind"] for one in topology["nodes"]}
    entries = set(topology.get("entries", ()))
    links = [
        one
        for one in topology.get("links", ())
        if one["source"] in places and one["target"] in places
    ]
    svg = element(
        "svg",
        element("title", f"Topology: {len(places)} resources, {len(links)} connections"),
        *(_link(one, places) for one in links),
        *(
            _node(one, kinds[one], place, one in entries, one in marked)
            for one, place in places.items()
        ),
        viewBox=f"0 0 {size[0]:.0f} {size[1]:.0f}",
        width=f"{size[0]:.0f}",
        height=f"{size[1]:.0f}",
        role="img",
        style=f"--wide:{size[0]:.0f}px",
    )
    left_out = len(topology["nodes"]) - len(places)
    return element(
        "figure",
        element(
            "div",
            svg,
            class_="scrolls",
            tabindex=0,
            role="region",
            aria_label="The topology, drawn",
        ),
        element("figcaption", *_legend(links, bool(marked & places.keys())), class_="keys small"),
        element("p", f"{left_out} more resources are left out of the drawing.", class_="soft small")
        if left_out > 0
        else None,
        class_="topology",
    )


def in_words(topology: Topology) -> Markup:
    """Each connection as a line of text."""
    words = {
        "hands on": "hands on to",
        "calls": "calls",
        NAMES: "names in its environment, and was not seen to call,",
        SETS_ASIDE: "sets aside in",
    }
    return element(
        "ul",
        *(
            element(
                "li",
                element("code", one["source"]),
                f" {words.get(one['kind'], one['kind'])} ",
                element("code", one["target"]),
            )
            for one in topology.get("links", ())
        ),
        class_="small",
    )


# --- layout ---------------------------------------------------------------------------------------


def _aside(topology: Topology) -> dict[str, str]:
    """What takes only what others set aside, and hands on to nobody: the first of these others."""
    found: dict[str, str] = {}
    for one in topology.get("links", ()):
        if one["kind"] == SETS_ASIDE:
            found.setdefault(one["target"], one["source"])
    in_line = set(topology.get("entries", ()))
    for one in topology.get("links", ()):
        if one["kind"] != SETS_ASIDE:
            in_line |= {one["source"], one["target"]}
    return {id: source for id, source in found.items() if id not in in_line}


def _without_circles(
    ids: Sequence[str], links: Sequence[tuple[str, str]], topology: Topology
) -> list[tuple[str, str]]:
    """The links but those that lead back, as seen from the entries on."""
    onward: dict[str, list[str]] = {}
    for source, target in links:
        onward.setdefault(source, []).append(target)
    known, open_now, forward = set[str](), set[str](), list[tuple[str, str]]()
    for start in (*topology.get("entries", ()), *ids):
        if start in known or start not in ids:
            continue
        known.add(start)
        open_now.add(start)
        under_way = [(start, iter(onward.get(start, ())))]
        while under_way:
            here, rest = under_way[-1]
            after = next(rest, None)
            if after is None:
                open_now.discard(here)
                under_way.pop()
            elif after not in open_now and after in ids:
                forward.append((here, after))
                if after not in known:
                    known.add(after)
                    open_now.add(after)
                    under_way.append((after, iter(onward.get(after, ()))))
    return forward


def _untangled(layers: list[list[str]], links: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Each layer in the order of what its nodes are linked to, to and fro (barycentres)."""
    for sweep in range(_SWEEPS):
        at = {one: row for layer in layers for row, one in enumerate(layer)}
        forth = sweep % 2 == 0
        for layer in layers if forth else layers[::-1]:
            wanted = {}
            for one in layer:
                near = [
                    at[source if forth else target]
                    for source, target in links
                    if (target if forth else source) == one
                ]
                wanted[one] = sum(near) / len(near) if near else at[one]
            layer.sort(key=lambda one: wanted[one])
            at.update((one, row) for row, one in enumerate(layer))
    return layers


def _placed(topology: Topology) -> tuple[dict[str, Place], tuple[float, float]]:
    layers = layers_of(topology)
    tallest = max(map(len, layers), default=0)
    step = HEIGHT + DOWN
    places: dict[str, Place] = {}
    for column, layer in enumerate(layers):
        top = MARGIN + (tallest - len(layer)) * step / 2
        for row, id in enumerate(layer):
            places[id] = Place(MARGIN + column * (WIDTH + ACROSS), top + row * step)
    below = MARGIN + tallest * step
    taken: dict[float, float] = {}
    shown = {one["id"] for one in topology.get("nodes", ())[:MOST_NODES]}
    for one, source in _aside(topology).items():
        if one not in shown:
            continue
        x = places[source].x if source in places else MARGIN
        y = taken.get(x, below + DOWN if tallest else MARGIN)
        places[one] = Place(x, y)
        taken[x] = y + step
    wide = max((place.x for place in places.values()), default=0) + WIDTH + MARGIN
    high = max((place.y for place in places.values()), default=0) + HEIGHT + MARGIN
    return places, (wide, high)


# --- markup ---------------------------------------------------------------------------------------


def _link(one: Mapping[str, Any], places: Mapping[str, Place]) -> Markup:
    path, tip = _path(places[one["source"]], places[one["target"]], one["kind"], places.values())
    look = {SETS_ASIDE: "aside", "calls": "calls", NAMES: "named"}.get(one["kind"], "on")
    told = f"{one['source']} {one['kind']} {one['target']}"
    return element(
        "g",
        element("title", told),
        element("path", d=path, class_="edge"),
        element("path", d=tip, class_="tip"),
        class_=look,
    )


def _path(source: Place, target: Place, kind: str, places: Iterable[Place]) -> tuple[str, str]:
    """The line from one to another, and the arrow's head."""
    if kind == SETS_ASIDE and target.y > source.y + HEIGHT:
        x, y = source.x + WIDTH / 2, source.y + HEIGHT
        to_x, to_y = target.x + WIDTH / 2, target.y - 1
        bend = max(20.0, (to_y - y) / 2)
        if any(one.x == source.x == target.x and y < one.y < target.y for one in places):
            side, to_x = source.x + WIDTH + 32, to_x + 30  # past what stands between
            start = (source.x + WIDTH, source.y + HEIGHT * 0.8)
            return _bent(start, (side, y + 8), (side, to_y - 30), (to_x, to_y)), _tip(to_x, to_y)
        line = _bent((x, y), (x, y + bend), (to_x, to_y - bend), (to_x, to_y))
        return line, _tip(to_x, to_y)
    x, y = source.x + WIDTH, source.y + HEIGHT / 2
    to_x, to_y = target.x - 1, target.y + HEIGHT / 2
    if to_x > x:
        between = [one for one in places if source.x < one.x < target.x]
        lane = _lane(y, to_y, between)
        if lane is not None:
            return _round((x, y), lane, (to_x, to_y)), _tip(to_x, to_y, "right")
        bend = max(ACROSS / 2, (to_x - x) / 2)
        line = _bent((x, y), (x + bend, y), (to_x - bend, to_y), (to_x, to_y))
        return line, _tip(to_x, to_y, "right")
    # Back, or within a column: round about, below.
    low = max(source.y, target.y) + HEIGHT + DOWN * 0.7
    x, to_x = source.x + WIDTH * 0.7, target.x + WIDTH * 0.3
    y, to_y = source.y + HEIGHT, target.y + HEIGHT + 1
    return _bent((x, y), (x, low), (to_x, low), (to_x, to_y)), _tip(to_x, to_y, "up")


def _lane(y: float, to_y: float, between: Sequence[Place]) -> float | None:
    """How high to pass what stands between; None where nothing is in the way."""

    def hits(top: float, bottom: float) -> bool:
        return any(one.y - 4 < bottom and top < one.y + HEIGHT + 4 for one in between)

    if not hits(min(y, to_y), max(y, to_y)):
        return None
    lanes = [
        edge
        for one in between
        for edge in (one.y - DOWN / 2, one.y + HEIGHT + DOWN / 2)
        if not hits(edge, edge)
    ]
    return min(lanes, key=lambda lane: (abs(lane - y) + abs(lane - to_y), lane), default=None)


def _round(start: Point, lane: float, end: Point) -> str:
    """A line that leaves, passes along a lane and arrives."""
    (x, y), (to_x, to_y) = start, end
    there, back = x + ACROSS, to_x - ACROSS
    first = _bent(start, (x + ACROSS / 2, y), (x + ACROSS / 2, lane), (there, lane))
    last = _bent((back, lane), (to_x - ACROSS / 2, lane), (to_x - ACROSS / 2, to_y), end)
    return f"{first}L{last[1:]}"


def _bent(start: Point, *curve: Point) -> str:
    """A cubic curve: from where, by which two controls, to where."""
    return f"M{start[0]:.0f} {start[1]:.0f}C" + " ".join(f"{x:.0f} {y:.0f}" for x, y in curve)


def _tip(x: float, y: float, direction: str = "down") -> str:
    across, along = {"right": (0, -7), "down": (-7, 0), "up": (7, 0)}[direction]
    if direction == "right":
        return f"M{x + along:.0f} {y - 4:.0f}L{x:.0f} {y:.0f}L{x + along:.0f} {y + 4:.0f}Z"
    return f"M{x - 4:.0f} {y + across:.0f}L{x:.0f} {y:.0f}L{x + 4:.0f} {y + across:.0f}Z"


def _node(id: str, kind: str, place: Place, is_entry: bool, is_struck: bool) -> Markup:
    lines = lines_of(id)
    told = f"{kind}{', entry' if is_entry and kind != 'route' else ''}"
    middle = place.x + WIDTH / 2
    first = place.y + (23 if len(lines) == 1 else 17)
    look = "node struck" if is_struck else "node"
    return element(
        "g",
        element(
            "title", f"{id}: {told}{'; a fault of a witness struck here' if is_struck else ''}"
        ),
        element(
            "rect",
            x=f"{place.x:.0f}",
            y=f"{place.y:.0f}",
            width=WIDTH,
            height=HEIGHT,
            rx=7,
        ),
        *(
            element("text", line, x=f"{middle:.0f}", y=f"{first + 13 * row:.0f}", class_="name")
            for row, line in enumerate(lines)
        ),
        element("text", told, x=f"{middle:.0f}", y=f"{place.y + HEIGHT - 9:.0f}", class_="kind"),
        element(
            "text",
            "⚡\ufe0e",
            x=f"{place.x + WIDTH - 10:.0f}",
            y=f"{place.y + 15:.0f}",
            class_="mark",
        )
        if is_struck
        else None,
        class_=f"{look} {kind.replace(' ', '-')}{' entry' if is_entry else ''}",
    )


def lines_of(id: str) -> list[str]:
    """A name in a line or two, broken between its words where there are some."""
    if len(id) <= LETTERS:
        return [id]
    words = re.findall(r"[^A-Z\s/_.-]*[A-Z]*[^A-Z\s/_.-]*[\s/_.-]?|.", id)
    first = ""
    for word in words:
        if len(first) + len(word) > LETTERS:
            break
        first += word
    first = first or id[:LETTERS]
    rest = id[len(first) :]
    return [first.strip(), rest if len(rest) <= LETTERS else f"{rest[: LETTERS - 1]}…"]


def _legend(links: Sequence[Mapping[str, Any]], has_mark: bool) -> list[Markup]:
    kinds = {one["kind"] for one in links}
    told = [
        ("hands on", "on", "hands on, by configuration"),
        ("calls", "calls", "calls, as was seen"),
        (NAMES, "named", "named in its environment, not seen called"),
        (SETS_ASIDE, "aside", "sets aside what failed"),
    ]
    keys = [
        element("span", element("i", class_=look), text, class_=f"key {look}")
        for kind, look, text in told
        if kind in kinds
    ]
    if has_mark:
        keys.append(
            element(
                "span", element("b", "⚡\ufe0e"), " a witness's fault struck here", class_="key"
            )
        )
    return keys
