from __future__ import annotations

import pytest

from pytest_storagefirst.errors import LoadError
from pytest_storagefirst.load.objectives import METRICS, Measured, judge, parse_objective


def judged(text, value, bound=None, **more):
    objective = parse_objective(text)
    named = {objective.named: Measured(bound)} if objective.named else {}
    [found] = judge([objective], {objective.metric: Measured(value, **more)}, named)
    return found.met


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("ingest.p99<300ms", 300),
        ("ingest.p99 < 1.5 s", 1500),
        ("drain<2min", 120),
        ("drain<=500ms", 0.5),
        ("lost==0", 0),
        ("accepted>=99.5%", 99.5),
        ("downstream.rate.max1s<=20", 20),
        ("downstream.rate.max1s<=20/s", 20),
    ],
)
def test_a_bound_is_in_the_unit_of_its_value(text, bound):
    assert parse_objective(text).bound == pytest.approx(bound)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("fast", "ingest.p99<300ms or lost==0"),
        ("ingest.p98<3s", 'write "ingest.p9'),
        ("ingest.p99<300", "ms or s or min"),
        ("lost==0ms", "a number alone"),
        ("lost==none", "a number, in messages"),
        ("dlq==cap", "expected or a number"),
        ("drain<cap*2", "a number, in s"),
        ("lost=0", "ingest.p99<300ms"),
        ("drain<120s or so", "s or min"),
    ],
)
def test_what_is_wrong_is_refused_with_what_would_be_right(text, told):
    with pytest.raises(LoadError) as error:
        parse_objective(text)

    assert told in error.value.line


@pytest.mark.parametrize(
    ("text", "value", "bound", "met"),
    [
        ("lost==0", 0, None, True),
        ("lost==0", 1, None, False),
        ("lost!=0", 1, None, True),
        ("drain<120s", 119.9, None, True),
        ("drain<120s", 120, None, False),
        ("drain<=120s", 120, None, True),
        ("ingest.p99>1s", 1001, None, True),
        ("accepted>=99%", 98.9, None, False),
        ("dlq==expected", 3, 3, True),
        ("dlq==expected", 2, 3, False),
        ("downstream.rate.max1s<=cap*1.05", 21, 20, True),
        ("downstream.rate.max1s<=cap*1.05", 22, 20, False),
    ],
)
def test_values_are_compared(text, value, bound, met):
    assert judged(text, value, bound) is met


def test_no_evidence_is_neither_met_nor_missed():
    assert judged("lost==0", None) is None
    assert judged("dlq==expected", 3, None) is None
    [found] = judge([parse_objective("lost==0")], {}, {})
    assert (found.met, found.why) == (None, "not measured")


def test_a_value_that_is_there_is_not_explained_by_why_it_would_not_be():
    measured = {"accepted": Measured(93.5, "nothing was sent")}
    [found] = judge([parse_objective("accepted>=99%")], measured, {})

    assert (found.met, found.why) == (False, "")


def test_a_value_that_was_still_growing_shows_only_what_it_is_beyond_already():
    assert judged("drain<120s", 60, at_least=True) is None
    assert judged("drain<120s", 120, at_least=True) is False
    assert judged("drain<=120s", 120, at_least=True) is None
    assert judged("drain<=120s", 121, at_least=True) is False
    assert judged("drain>10s", 60, at_least=True) is None


def test_every_value_is_named_in_the_documentation(request):
    page = (request.config.rootpath / "docs" / "load.md").read_text("utf-8")

    missing = [name for name in METRICS if name not in page and name.partition(".")[0] not in page]
    assert missing == []
