"""A topology drawn: from the left to the right, dead letters below, nothing upon another."""

from __future__ import annotations

import re
from itertools import combinations
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_storagefirst.report.topology_svg import (
    HEIGHT,
    LETTERS,
    MOST_NODES,
    WIDTH,
    drawing,
    in_words,
    layers_of,
    lines_of,
    order_of,
)
from tests.unit.report.outline import words_of
from tests.unit.report.stack_documents import GRAPH

TOPOLOGY = GRAPH.to_json()


def topology(*links, entries=(), kinds=None):
    ids = dict.fromkeys([*entries, *(id for link in links for id in link[:2])])
    return {
        "nodes": [{"id": id, "kind": (kinds or {}).get(id, "queue")} for id in ids],
        "links": [
            {"source": one[0], "target": one[1], "kind": (*one, "hands on")[2]} for one in links
        ],
        "entries": list(entries),
    }


def places(value):
    """By id, the left upper corner of each node."""
    svg = svg_of(value)
    found = {}
    for group in svg.iter("g"):
        rect, title = group.find("rect"), group.find("title")
        if rect is not None:
            found[title.text.rpartition(": ")[0]] = float(rect.get("x")), float(rect.get("y"))
    return found


def svg_of(value, struck=()):
    return ElementTree.fromstring(
        re.search(r"<svg .*?</svg>", drawing(value, struck), re.DOTALL).group()
    )


def test_messages_go_from_the_left_to_the_right():
    assert layers_of(TOPOLOGY) == [
        ["POST /orders"],
        ["OrdersQueue"],
        ["Worker"],
        ["Orders", "payments.example"],
    ]


def test_dead_letters_lie_below_whom_they_come_from():
    at = places(TOPOLOGY)

    assert at["OrdersDeadLetters"][0] == at["OrdersQueue"][0]
    assert at["OrdersDeadLetters"][1] > max(y for id, (_, y) in at.items() if "Letters" not in id)
    assert order_of(TOPOLOGY)[-1] == "OrdersDeadLetters"


def test_dead_letters_that_are_read_stand_in_line():
    value = topology(("Q", "D", "sets aside"), ("Q", "F"), ("D", "G"), entries=["Q"])

    assert any("D" in layer for layer in layers_of(value))


def test_a_circle_comes_to_an_end():
    value = topology(("A", "B"), ("B", "C"), ("C", "A"), entries=["A"])

    assert layers_of(value) == [["A"], ["B"], ["C"]]
    assert len(svg_of(value).findall(".//path[@class='edge']")) == 3


def test_what_nothing_feeds_stands_before_what_it_feeds():
    value = topology(("E", "A"), ("A", "B"), ("B", "T"), ("Timer", "B"), entries=["E"])

    assert layers_of(value) == [["E"], ["A", "Timer"], ["B"], ["T"]]


def test_where_a_fault_struck_is_marked_and_told():
    svg = svg_of(TOPOLOGY, ["Worker", "nowhere"])

    marked = [g for g in svg.iter("g") if "struck" in g.get("class", "").split()]
    assert [g.find("title").text for g in marked] == [
        "Worker: function; a fault of a witness struck here"
    ]
    assert any("⚡" in (text.text or "") for text in marked[0].iter("text"))
    assert "a witness's fault struck here" in words_of(drawing(TOPOLOGY, ["Worker"]))
    assert "struck" not in words_of(drawing(TOPOLOGY, ["nowhere"]))


def test_the_same_in_words():
    assert words_of(in_words(TOPOLOGY)) == (
        "POST /orders hands on to OrdersQueue OrdersQueue hands on to Worker"
        " OrdersQueue sets aside in OrdersDeadLetters Worker calls Orders"
        " Worker calls payments.example"
    )


def test_nothing_is_drawn_of_nothing():
    assert drawing({}) is None


def test_of_a_stack_without_end_the_rest_is_told():
    value = topology(*((f"N{n}", f"N{n + 1}") for n in range(MOST_NODES + 4)), entries=["N0"])

    assert f"{5} more resources are left out" in words_of(drawing(value))


@pytest.mark.parametrize(
    ("id", "lines"),
    [
        ("Orders", ["Orders"]),
        ("MyDeadLetterQueueForSQS", ["MyDeadLetterQueueFor", "SQS"]),
        ("POST /a/very/long/path/{id}", ["POST /a/very/long/", "path/{id}"]),
        ("x" * 50, ["x" * LETTERS, "x" * (LETTERS - 1) + "…"]),
    ],
)
def test_a_name_fits_into_two_lines(id, lines):
    assert lines_of(id) == lines


names = st.sampled_from("ABCDEFGH")
links = st.lists(
    st.tuples(names, names, st.sampled_from(["hands on", "calls", "sets aside", "names"])),
    max_size=20,
)


@given(links, st.lists(names, max_size=2, unique=True))
def test_no_two_stand_in_one_place(links, entries):
    value = topology(*(one for one in links if one[0] != one[1]), entries=entries)
    if not value["nodes"]:
        return

    at = places(value)

    assert at.keys() == {one["id"] for one in value["nodes"]}
    for (x, y), (other_x, other_y) in combinations(at.values(), 2):
        assert abs(x - other_x) >= WIDTH or abs(y - other_y) >= HEIGHT
    svg = svg_of(value)
    assert all(x + WIDTH <= float(svg.get("width")) for x, _ in at.values())
    assert all(y + HEIGHT <= float(svg.get("height")) for _, y in at.values())
    assert sorted(order_of(value)) == sorted(at)


def points_of(path):
    """Points along a path of cubic curves and straight lines."""
    numbers = r"-?\d+(?:\.\d+)?"
    here, found = (0.0, 0.0), []
    for command, text in re.findall(r"([MLC])([^MLC]*)", path):
        given = [float(one) for one in re.findall(numbers, text)]
        corners = list(zip(given[::2], given[1::2], strict=True))
        if command == "C":
            found += [_on_curve((here, *corners), step / 40) for step in range(41)]
        elif command == "L":
            (x, y), (to_x, to_y) = here, corners[0]
            found += [(x + (to_x - x) * n / 40, y + (to_y - y) * n / 40) for n in range(41)]
        here = corners[-1]
    return found


def _on_curve(corners, part):
    weights = [(1 - part) ** 3, 3 * part * (1 - part) ** 2, 3 * part**2 * (1 - part), part**3]
    return tuple(
        sum(w * corner[axis] for w, corner in zip(weights, corners, strict=True)) for axis in (0, 1)
    )


def test_a_line_passes_what_stands_between():
    value = topology(
        ("In", "Worker"),
        ("In", "Dead", "sets aside"),
        ("Worker", "Out", "calls"),
        ("Dead", "Teller"),
        ("Out", "Teller"),
        ("Out", "OutDead", "sets aside"),
        entries=("In",),
    )
    stand = places(value)
    (line,) = [
        group.find("path").get("d")
        for group in svg_of(value).iter("g")
        if group.find("title").text == "Dead hands on Teller"
    ]

    for x, y in points_of(line):
        behind = [
            name
            for name, (left, top) in stand.items()
            if left < x < left + WIDTH and top < y < top + HEIGHT
        ]
        assert not set(behind) - {"Dead", "Teller"}
