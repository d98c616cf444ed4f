from __future__ import annotations

import pytest

from pytest_storagefirst.errors import StorageFirstError
from pytest_storagefirst.load.files import copy_to, profiles_for, shipped
from pytest_storagefirst.load.plan import Plan, Way
from pytest_storagefirst.load.profiles import chosen, for_run, read_profiles

NAMES = [
    *("smoke", "steady", "ramp", "burst", "spike-train", "soak", "outage", "flap", "brownout"),
    *("poison", "redrive-storm", "duplicate", "throttle", "recovery-herd"),
]


@pytest.fixture
def read(tmp_path):
    def reading(text):
        path = tmp_path / "profiles.toml"
        path.write_text(text, encoding="utf-8")
        return read_profiles([(path, ())])

    return reading


def test_the_profiles_that_come_along_can_all_be_run(tmp_path):
    found = profiles_for(shipped(), tmp_path)

    assert list(found) == NAMES
    for profile in found.values():
        assert for_run(profile).about
        assert "lost==0" in profile.objectives


def test_a_users_table_changes_key_by_key_and_adds(tmp_path):
    (tmp_path / "storagefirst.toml").write_text(
        '[profiles.burst]\nobjectives = ["drain<1s"]\n'
        '[profiles.mine]\nphases = [{ name = "act", seconds = 2, rate = [1, 3] }]\n'
    )
    found = profiles_for(shipped(), tmp_path)
    ours = profiles_for(shipped(), tmp_path / "none")

    assert found["burst"].objectives == ("drain<1s",)
    assert found["burst"].phases == ours["burst"].phases
    assert found["mine"].expected_requests == 4
    assert found["mine"].objectives == ("lost==0", "accepted>=99%")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[a]\nphase = []", "unknown key a.phase; found phase; expected one of phases"),
        ("[a]\nabout = 'x'", "the profile a has no phases"),
        ("[a]\nphases = []", "a phase in which messages arrive"),
        ("[a]\nphases = [{ name = 'x', seconds = 1 }]", "rate = 20"),
        ("[a]\nphases = [{ name = 'x', seconds = -1, rate = 1 }]", "a number, 0 to 86400"),
        ("[a]\nphases = [{ name = 'x', seconds = 1, rate = [1] }]", "[at first, at last]"),
        ("[a]\nphases = [{ name = 'x', seconds = 1, rate = 1, arrivals = 'odd' }]", '"poisson"'),
        ("[a]\nphases = [{ name = 'x', seconds = 1, rate = 1 }]\npoison = 2", "0 to 1"),
        ("[a]\nphases = [{ name = 'x', seconds = 1, rate = 1 }]\npoison_body = 'x'", "{unique}"),
        ("[a]\nphases = [{ name = 'x', seconds = 1, rate = 1 }]\nobjectives = ['lots==0']", "lost"),
        (
            "[a]\nphases = [{ name = 'x', seconds = 1, rate = 1 }]\n"
            "actions = [{ at = 1, downstream = ['outtage 5 s'] }]",
            "outage",
        ),
        (
            "[a]\nphases = [{ name = 'x', seconds = 1, rate = 1 }]\nactions = [{ at = 1 }]",
            "redrive",
        ),
        ("[a", "can't be read"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(read, text, told):
    with pytest.raises(StorageFirstError) as error:
        read(text)

    assert told in error.value.line
    assert "profiles.toml" in error.value.line


def test_objectives_of_the_command_line_take_the_place_of_those_about_the_same(read):
    profile = read(
        "[a]\nphases = [{ name = 'x', seconds = 1, rate = 1 }]\n"
        'objectives = ["lost==0", "drain<9s"]'
    )["a"]

    assert for_run(profile, objectives=["drain<5s", "dlq==0"]).objectives == (
        "lost==0",
        "drain<5s",
        "dlq==0",
    )


def test_a_duration_stretches_what_comes_after_the_warm_up(read):
    profile = read(
        "[a]\nphases = [{ name = 'warm-up', seconds = 5, rate = 1 }, "
        "{ name = 'x', seconds = 10, rate = 1 }]\nactions = [{ at = 5, redrive = true }]"
    )["a"]
    found = for_run(profile, seconds=20)

    assert [phase.seconds for phase in found.phases] == [5, 20]
    assert found.actions[0].at_s == 10
    assert found.warm_up_s == 5


@pytest.mark.parametrize(("key", "value"), [("max_requests", 9), ("max_seconds", 20)])
def test_hard_caps_are_kept_to(read, key, value):
    profile = read(
        f"[a]\nphases = [{{ name = 'x', seconds = 10, rate = 1 }}]\n{key} = {value}\n"
        "drain_seconds = 11"
    )["a"]

    with pytest.raises(StorageFirstError, match="hard cap") as error:
        for_run(profile)
    assert key in error.value.line


def test_an_unknown_name_knows_the_nearest():
    with pytest.raises(StorageFirstError, match="burst"):
        chosen({"burst": None, "soak": None}, "brust")


def test_a_plan_goes_over_the_wire_whole(tmp_path):
    for profile in profiles_for(shipped(), tmp_path).values():
        plan = Plan("r1", profile, Way("POST /x", "http://x", body='{"id": "{unique}"}'), ("a",))
        assert Plan.of(plan.document()) == plan


def test_the_files_are_copied_once(tmp_path):
    copied = copy_to(tmp_path / "load")

    assert [path.name for path in copied] == ["locustfile.py", "profiles.toml"]
    with pytest.raises(StorageFirstError, match="is there already"):
        copy_to(tmp_path / "load")
