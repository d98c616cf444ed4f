"""Which messages an item or object is an effect of, and what counts as whole."""

from __future__ import annotations

from pytest_storagefirst.target.effects import (
    Tally,
    id_pattern,
    ids_in_item,
    ids_in_text,
    whole,
)

PATTERN = id_pattern("r1")


def ids(*numbers):
    return [f"r1-0-{number}" for number in numbers]


def left(**places):
    return {place: dict.fromkeys(ids(*numbers), 1) for place, numbers in places.items()}


def test_an_id_is_found_whole_and_none_of_another_run():
    assert ids_in_text("a r1-0-12, x-r1-w2-3! r2-0-1 r1-0-", PATTERN) == {
        "r1-0-12": 1,
        "r1-w2-3": 1,
    }


def test_an_id_in_several_fields_of_one_effect_counts_once():
    item = {"id": {"S": "r1-0-1"}, "body": {"S": '{"id": "r1-0-1"}'}, "n": {"N": "3"}}

    assert ids_in_item(item, PATTERN) == {"r1-0-1": 1}


def test_where_messages_meet_one_can_be_in_it_twice():
    text = '[{"id": "r1-0-1", "key": "r1-0-1"}, {"id": "r1-0-2", "key": "r1-0-2"}]'

    assert ids_in_text(text, PATTERN) == {"r1-0-1": 1, "r1-0-2": 1}
    assert ids_in_text(text + text[:40], PATTERN) == {"r1-0-1": 2, "r1-0-2": 1}


def test_binary_values_and_sets_are_searched():
    from boto3.dynamodb.types import Binary

    item = {"a": {"B": Binary(b"r1-0-1")}, "b": {"BS": {b"r1-0-2"}}, "c": {"SS": ["r1-0-3"]}}

    assert sorted(ids_in_item(item, PATTERN)) == ids(1, 2, 3)


def test_what_remembers_a_run_of_a_function_is_no_effect():
    record = {
        "id": {"S": "worker.handler#abc"},
        "expiration": {"N": "1790000000"},
        "status": {"S": "COMPLETED"},
        "data": {"S": '{"id": "r1-0-1"}'},
    }

    assert ids_in_item(record, PATTERN) == {}
    assert ids_in_item({**record, "status": {"S": "PAID"}}, PATTERN) == {"r1-0-1": 1}


def test_all_places_of_the_first_messages_make_the_whole():
    effects = left(Orders=range(100), Receipts=range(40))

    # Most never got to Receipts, but the first twenty did, while all was well.
    assert sorted(whole(effects)) == sorted(ids(*range(40)))


def test_the_measure_is_of_those_sent_first_however_few_they_are():
    effects = left(Orders=reversed(range(300)), Receipts=range(22))

    assert sorted(whole(effects)) == sorted(ids(*range(22)))


def test_what_was_sent_before_a_drill_broke_anything_is_the_measure():
    """All that came while it was broken was done twice, and more of it has low numbers."""
    before = {"r1-before-1": 1, "r1-before-2": 1}
    during = {f"r1-during-{number}": 2 for number in range(1, 10)}
    after = {"r1-after-1": 1}
    found = whole({"Orders": {**before, **during, **after}})
    tally = Tally()
    for part in (before, during, after):
        tally.add({"Orders": part})

    assert found == tally.whole == {**before, **during, **after}


def test_of_the_first_what_others_have_more_of_is_unfinished():
    effects = left(Orders=range(20), Receipts=range(3, 20))

    assert not whole(effects).keys() & set(ids(0, 1, 2))


def test_what_few_of_the_first_have_is_no_part_of_it():
    effects = left(Orders=range(30), Failures=[3])

    assert len(whole(effects)) == 30


def test_messages_that_end_in_different_places():
    effects = left(North=range(0, 40, 2), South=range(1, 40, 2))

    assert len(whole(effects)) == 40


def test_an_effect_that_stands_twice():
    effects = left(Orders=range(30))
    effects["Orders"]["r1-0-7"] = 2

    assert {message: count for message, count in whole(effects).items() if count > 1} == {
        "r1-0-7": 2
    }


def test_effects_of_several_items_count_as_one_and_half_of_them_as_none():
    effects = {"Lines": dict.fromkeys(ids(*range(30)), 2)}
    effects["Lines"]["r1-0-25"] = 1
    effects["Lines"]["r1-0-26"] = 3
    found = whole(effects)

    assert found["r1-0-1"] == 1
    assert "r1-0-25" not in found
    assert found["r1-0-26"] == 2, "a second time has begun"


def test_two_that_were_doubled_among_the_first_are_no_measure():
    effects = left(Orders=range(30))
    for message in ids(1, 2, 3):
        effects["Orders"][message] = 2

    assert len(whole(effects)) == 30
    assert sum(count == 2 for count in whole(effects).values()) == 3


def test_a_tally_says_what_all_effects_together_would():
    tally = Tally()
    effects = {"Orders": {}, "Receipts": {}}
    steps = [left(Receipts=range(5)), left(Orders=range(3)), left(Orders=[3, 9], Receipts=[9])]
    steps += [{"Orders": {"r1-0-9": 2}}, left(Receipts=range(10, 60)), left(Orders=range(4, 60))]
    for step in steps:
        tally.add(step)
        for place, counts in step.items():
            effects[place] |= counts
        assert tally.whole == whole(effects)

    assert len(tally.whole) == 56


def test_nothing_found_is_nothing_processed():
    assert whole({}) == whole({"Orders": {}}) == {}
