"""What goes wrong while a drill runs or is undone: signals, other people, credentials, disks."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from pytest_storagefirst.chaos import journal as journals
from pytest_storagefirst.chaos import undo as undoing
from pytest_storagefirst.chaos.drill import drill_names
from pytest_storagefirst.chaos.interruptions import Stopped
from pytest_storagefirst.chaos.lock import holder
from pytest_storagefirst.chaos.outcome import Outcome
from pytest_storagefirst.chaos.recover import recover
from pytest_storagefirst.chaos.run import run
from pytest_storagefirst.chaos.undo import FAILED, MOVED, MOVED_ITSELF
from pytest_storagefirst.errors import DrillError, JournalError, StorageFirstError
from pytest_storagefirst.target.target import Target
from tests.chaos import stage
from tests.chaos.test_every_drill import drilling, every_drill, quick


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undoing, "_PAUSE_S", 0.0)


def run_and(name: str, target: Target, folder: Path, what: Any, said: list[str]) -> Outcome:
    how = replace(drilling(target, folder, said), watcher=lambda *_: stage.Watching(what))
    return run(quick(name), how)


@every_drill
def test_a_signal_at_any_step_has_it_undone_in_process(name, shop, tmp_path, monkeypatch):
    """Both signals in turn; the handler notes it, so that no call is cut in two."""
    before = stage.configuration(shop)
    plain = journals.Journal.write
    step = 0
    while True:
        stage.emptied(shop)
        moments = iter(range(10_000))
        number = (signal.SIGINT, signal.SIGTERM)[step % 2]
        sent: list[int] = []

        def write(
            self: Any,
            *given: Any,
            moments: Any = moments,
            sent: Any = sent,
            number: Any = number,
            step: int = step,
            **named: Any,
        ) -> None:
            if next(moments) == step:
                sent.append(1)
                os.kill(os.getpid(), number)
            plain(self, *given, **named)

        monkeypatch.setattr(journals.Journal, "write", write)
        outcome = run(quick(name), drilling(shop, tmp_path / str(step)))
        assert stage.configuration(shop) == before, f"{number.name} at step {step}"
        assert outcome.is_undone
        assert step > 1 or outcome.stopped == f"{number.name} came"
        assert holder(shop) is None
        assert recover(shop, tmp_path / str(step)).found == 0
        if not sent:
            break
        step += 1

    assert step >= 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_clock(number, shop, tmp_path):
    before = stage.configuration(shop)
    handlers = signal.getsignal(number)
    drill = quick("consumer-disabled")
    drill = replace(drill, faults=tuple(replace(one, for_s=600) for one in drill.faults))

    class Killing(stage.Watching):
        def mended(self) -> None:
            raise Stopped(f"{number.name} came")  # as each wait does from then on

    kill = Killing(lambda: os.kill(os.getpid(), number))
    outcome = run(drill, replace(drilling(shop, tmp_path), watcher=lambda *_: kill))

    assert outcome.stopped == f"{number.name} came"
    assert outcome.problems == [f"it was ended early: {number.name} came"]
    assert outcome.is_undone
    assert stage.configuration(shop) == before
    assert signal.getsignal(number) == handlers


def test_what_someone_else_changed_is_told_and_left(own_shop, tmp_path):
    mapping = own_shop.topology().mappings[0]
    work = next(one for one in own_shop.topology().queues if one.logical_id == "Work")
    client = own_shop.session().client("sqs")
    said: list[str] = []

    def change() -> None:
        client.set_queue_attributes(QueueUrl=work.url, Attributes={"VisibilityTimeout": "77"})

    outcome = run_and("visibility-shortened", own_shop, tmp_path, change, said)

    [result] = outcome.undone
    assert result.how == MOVED
    assert not outcome.is_undone
    assert "it was 60, the drill set 1, now it is 77" in result.told
    told = client.get_queue_attributes(QueueUrl=work.url, AttributeNames=["VisibilityTimeout"])
    assert told["Attributes"]["VisibilityTimeout"] == "77"
    assert holder(own_shop) is not None
    # It stays open until someone decides.
    again = recover(own_shop, tmp_path)
    assert again.found == 1
    assert len(again.left) == 1
    assert [line for line in said if "changed meanwhile" in line] == [
        "Work: attribute was changed meanwhile by someone else"
    ]
    assert "--keep-changes" in result.told
    kept: list[str] = []
    last = recover(own_shop, tmp_path, keep_changes=True, tell=kept.append)
    assert (last.left, last.kept) == ((), (result.kept,))
    assert not any("--keep-changes" in line for line in (*kept, *last.kept))
    assert recover(own_shop, tmp_path).found == 0
    assert holder(own_shop) is None
    assert mapping.enabled


def test_a_fault_that_someone_ends_before_its_time_shows_nothing(shop, tmp_path):
    mapping = shop.topology().mappings[0]
    client = shop.session().client("lambda")

    def switch_on() -> None:
        client.update_event_source_mapping(UUID=mapping.uuid, Enabled=True)

    outcome = run_and("consumer-disabled", shop, tmp_path, switch_on, [])

    assert outcome.problems == ["FromWork: enabled: the fault was not in effect to its end"]
    assert outcome.is_undone


def test_a_policy_that_grew_meanwhile_keeps_what_others_added(own_shop, tmp_path, monkeypatch):
    """Only the drill's own statement is taken out again."""
    from pytest_storagefirst.chaos.settings import queues

    monkeypatch.setattr(queues, "_is_denied", lambda call, client: True)
    work = next(one for one in own_shop.topology().queues if one.logical_id == "Work")
    client = own_shop.session().client("sqs")
    theirs = {
        "Sid": "Theirs",
        "Effect": "Allow",
        "Principal": "*",
        "Action": "sqs:SendMessage",
        "Resource": work.arn,
    }

    def policy() -> Any:
        told = client.get_queue_attributes(QueueUrl=work.url, AttributeNames=["Policy"])
        return json.loads(told.get("Attributes", {}).get("Policy") or "{}")

    def grow() -> None:
        document = policy()
        assert [one["Effect"] for one in document["Statement"]] == ["Deny"]
        document["Statement"].append(theirs)
        attributes = {"Policy": json.dumps(document)}
        client.set_queue_attributes(QueueUrl=work.url, Attributes=attributes)

    outcome = run_and("queue-send-denied", own_shop, tmp_path, grow, [])

    assert outcome.is_undone
    assert policy()["Statement"] == [theirs]


def test_undo_of_a_policy_needs_nothing_that_the_drill_denies(shop):
    from pytest_storagefirst.chaos.settings.queues import DATA_PLANE, denying

    for action in DATA_PLANE:
        [statement] = json.loads(denying(None, "arn", action))["Statement"]
        assert statement["Action"] == action
    for action in ("sqs:*", "sqs:SetQueueAttributes", "sqs:GetQueueAttributes"):
        with pytest.raises(ValueError, match="is not one of"):
            denying(None, "arn", action)


def test_a_breaker_that_moved_on_is_left_and_nobody_is_to_blame(own_shop, tmp_path):
    circuit = next(one for one in own_shop.topology().tables if one.logical_id == "Circuit")
    client = own_shop.session().client("dynamodb")
    key = {"name": stage.CLOSED["name"]}

    def closes() -> None:
        client.update_item(
            TableName=circuit.name,
            Key=key,
            UpdateExpression="SET #state = :closed, probes = :one",
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues={":closed": {"S": "CLOSED"}, ":one": {"N": "1"}},
        )

    outcome = run_and("circuit-forced-open", own_shop, tmp_path, closes, [])

    assert [one.how for one in outcome.undone] == [MOVED_ITSELF]
    assert outcome.is_undone
    assert client.get_item(TableName=circuit.name, Key=key)["Item"]["probes"] == {"N": "1"}


# --- credentials and network ------------------------------------------------------------------


def refusing(target: Target, operations: tuple[str, ...], error: Exception) -> Any:
    """From now on these calls of the target's clients fail; call what is returned to end that."""
    clients = [target.session().client(one) for one in ("lambda", "sqs", "ssm", "iam", "s3")]
    clients.append(target.session().client("dynamodb"))

    def refuse(model: Any, **_: Any) -> None:
        if model.name in operations:
            raise error

    for client in clients:
        client.meta.events.register("before-call", refuse)

    def end() -> None:
        for client in clients:
            client.meta.events.unregister("before-call", refuse)

    return end


def client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Operation")


LOST = {
    "permission": (client_error("AccessDeniedException"), "use some that do"),
    "expired": (client_error("ExpiredTokenException"), "get new ones"),
    "network": (EndpointConnectionError(endpoint_url="https://lambda"), "Could not connect"),
}


@pytest.mark.parametrize("lost", LOST)
def test_what_is_lost_between_fault_and_undo_keeps_the_journal(lost, shop, tmp_path):
    error, told = LOST[lost]
    before = stage.configuration(shop)
    ends: list[Any] = []
    said: list[str] = []
    calls = ("UpdateEventSourceMapping20150331", "UpdateEventSourceMapping")

    outcome = run_and(
        "consumer-disabled",
        shop,
        tmp_path,
        lambda: ends.append(refusing(shop, calls, error)),
        said,
    )

    [result] = outcome.undone
    assert result.how == FAILED
    assert told in result.told
    assert not outcome.is_undone
    assert stage.configuration(shop) != before
    assert recover(shop, tmp_path).left == (result.told,)
    ends[0]()
    found = recover(shop, tmp_path)
    assert (found.found, found.left) == (1, ())
    assert stage.configuration(shop) == before
    assert recover(shop, tmp_path).found == 0


def test_a_network_that_is_lost_for_a_moment_is_tried_again(shop, tmp_path):
    """The undo itself goes on trying, so that nobody has to come."""
    before = stage.configuration(shop)
    client = shop.session().client("lambda")
    failed: list[str] = []

    def once(model: Any, **_: Any) -> None:
        if model.name.startswith("UpdateEventSourceMapping") and not failed:
            failed.append(model.name)
            raise EndpointConnectionError(endpoint_url="https://lambda")

    outcome = run_and(
        "consumer-disabled",
        shop,
        tmp_path,
        lambda: client.meta.events.register("before-call", once),
        [],
    )

    assert failed
    assert outcome.is_undone
    assert stage.configuration(shop) == before


@pytest.mark.parametrize("name", ["consumer-throttled", "flag-flipped"])
def test_a_raising_fault_is_undone(name, shop, tmp_path):
    before = stage.configuration(shop)
    calls = ("PutFunctionConcurrency20171031", "PutFunctionConcurrency", "PutParameter")
    said: list[str] = []
    plain = journals.Journal.change
    ends: list[Any] = []

    def change(self: Any, step: Any) -> int:
        number = plain(self, step)
        ends.append(refusing(shop, calls, client_error("ServiceException")))
        return number

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journals.Journal, "change", change)
        outcome = run(quick(name), drilling(shop, tmp_path, said))
    ends[0]()

    assert outcome.problems
    assert not outcome.shown
    assert outcome.is_undone
    assert stage.configuration(shop) == before


def test_a_raising_steady_state_is_undone(shop, tmp_path):
    before = stage.configuration(shop)

    def fails() -> None:
        raise RuntimeError("the observer is gone")

    outcome = run_and("consumer-disabled", shop, tmp_path, fails, [])

    assert outcome.problems == ["the observer is gone"]
    assert outcome.is_undone
    assert stage.configuration(shop) == before


def test_a_closed_terminal_ends_no_undo(shop, tmp_path):
    before = stage.configuration(shop)

    def closed(line: str) -> None:
        raise BrokenPipeError

    outcome = run(quick("consumer-disabled"), replace(drilling(shop, tmp_path), tell=closed))

    assert outcome.shown
    assert outcome.is_undone
    assert stage.configuration(shop) == before


def test_without_room_for_the_journal_nothing_is_changed(shop, tmp_path, monkeypatch):
    before = stage.configuration(shop)
    plain = os.fsync
    synced: list[int] = []

    def full(handle: int) -> None:
        synced.append(handle)
        if len(synced) > 3:  # begin, its folder, lock
            raise OSError(28, "No space left on device")
        plain(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(JournalError, match="nothing more is changed"):
        run(quick("consumer-disabled"), drilling(shop, tmp_path))
    monkeypatch.undo()

    assert stage.configuration(shop) == before
    assert recover(shop, tmp_path).left == ()
    assert holder(shop) is None


# --- the journal ------------------------------------------------------------------------------


def left_open(target: Target, folder: Path) -> Path:
    """The journal of a drill that was killed while its fault was in effect."""

    def drill() -> None:
        run_and(
            "consumer-disabled",
            target,
            folder,
            lambda: os.kill(os.getpid(), signal.SIGKILL),
            [],
        )

    stage.in_a_process_of_its_own(drill)
    [path] = journals.journals(folder)
    return path


def test_nobody_else_may_read_what_stood_there_before(shop, tmp_path):
    path = left_open(shop, tmp_path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert recover(shop, tmp_path).left == ()


def test_a_line_that_was_cut_off_is_one_that_announced_nothing(shop, tmp_path):
    before = stage.configuration(shop)
    path = left_open(shop, tmp_path)
    assert stage.configuration(shop) != before
    with path.open("ab") as file:
        file.write(b'{"step": "change", "number": 2, "setti')

    found = recover(shop, tmp_path)

    assert found.left == ()
    assert stage.configuration(shop) == before
    assert recover(shop, tmp_path).found == 0
    for line in path.read_text().splitlines():
        json.loads(line)


@pytest.mark.parametrize("damage", ["a byte", "a line", "a version", "no journal", "a setting"])
def test_a_damaged_journal_is_refused_and_nothing_is_touched(damage, shop, tmp_path):
    path = left_open(shop, tmp_path)
    broken = stage.configuration(shop)
    whole = path.read_text()
    lines = whole.splitlines()
    if damage == "a byte":
        lines[2] = lines[2].replace('"before": true', '"before": null')
    elif damage == "a line":
        lines[1] = lines[1][:30]
    elif damage == "a version":
        lines[0] = lines[0].replace('"version": 2', '"version": 1')
    elif damage == "no journal":
        lines = ["this is a text"]
    else:
        step = json.loads(lines[2])
        step["setting"] = "the-moon"
        lines[2] = journals.lines_of([step], step["after"])[0]
    path.write_text("\n".join(lines) + "\n")

    with pytest.raises(JournalError, match=r"damaged|another version|doesn't know") as caught:
        recover(shop, tmp_path)
    assert str(path) in caught.value.line
    assert stage.configuration(shop) == broken
    if damage != "a setting":  # which is found out of the same journal, and told first
        with pytest.raises(JournalError):
            run(quick("flag-flipped"), drilling(shop, tmp_path))

    path.write_text(whole)
    assert recover(shop, tmp_path).left == ()


def test_a_damaged_journal_of_another_stack_is_in_nobodys_way(shop, tmp_path):
    path = left_open(shop, tmp_path)
    lines = path.read_text().splitlines()
    other = json.loads(lines[0])
    other["stack"] = "another"
    whole = [*journals.lines_of([other]), "damaged", ""]
    path.with_name("another.jsonl").write_text("\n".join(whole))

    assert recover(shop, tmp_path).left == ()
    assert recover(shop, tmp_path).found == 0


def test_a_second_drill_is_refused_here_and_elsewhere(shop, tmp_path):
    path = left_open(shop, tmp_path / "here")
    broken = stage.configuration(shop)

    with pytest.raises(StorageFirstError, match="never undone") as here:
        run(quick("flag-flipped"), drilling(shop, tmp_path / "here"))
    with pytest.raises(StorageFirstError, match="another drill is under way") as elsewhere:
        run(quick("flag-flipped"), drilling(shop, tmp_path / "elsewhere"))
    with pytest.raises(StorageFirstError, match="journal is elsewhere"):
        recover(shop, tmp_path / "elsewhere")

    assert "storagefirst recover" in here.value.line
    assert str(path) in elsewhere.value.line
    assert stage.configuration(shop) == broken
    assert recover(shop, tmp_path / "here").left == ()


def test_a_drill_that_is_running_is_not_recovered(shop, tmp_path):
    refused: list[str] = []

    def meanwhile() -> None:
        with pytest.raises(JournalError, match="still running") as caught:
            recover(shop, tmp_path)
        refused.append(caught.value.line)

    outcome = run_and("consumer-disabled", shop, tmp_path, meanwhile, [])

    assert refused
    assert outcome.is_undone


@pytest.mark.parametrize("kind", ["dynamodb", "s3"])
def test_another_machine_finishes_from_a_copy(kind, shop, tmp_path):
    before = stage.configuration(shop)
    name = f"journals-{shop.stack_name}-{kind}"
    if kind == "s3":
        shop.session().client("s3").create_bucket(Bucket=name)
        copy = f"s3://{name}/drills"
    else:
        shop.session().client("dynamodb").create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        copy = f"dynamodb:{name}"

    def drill() -> None:
        how = drilling(shop, tmp_path / "lost laptop")
        kill = stage.Watching(lambda: os.kill(os.getpid(), signal.SIGKILL))
        run(
            quick("consumer-disabled"),
            replace(how, copies=(copy,), watcher=lambda *_: kill),
        )

    stage.in_a_process_of_its_own(drill)
    assert stage.configuration(shop) != before

    found = recover(shop, tmp_path / "another machine")

    assert (found.found, found.left) == (1, ())
    [fetched] = journals.journals(tmp_path / "another machine")
    assert fetched.stat().st_mode & 0o777 == 0o600
    assert stage.configuration(shop) == before
    assert recover(shop, tmp_path / "another machine").found == 0
    # The laptop is found again: its journal is open, and there is nothing to do.
    assert recover(shop, tmp_path / "lost laptop").left == ()
    assert stage.configuration(shop) == before


@pytest.mark.parametrize("copy", ["dynamodb:NOPE", "s3://no-such-bucket/x"])
def test_a_copy_that_cant_be_kept_is_found_before_anything_is_sent(copy, shop, tmp_path):
    before = stage.configuration(shop)
    began: list[str] = []

    class Sending(stage.Watching):
        def before(self) -> bool:
            began.append("a canary was sent")
            return True

    how = drilling(shop, tmp_path)
    with pytest.raises(DrillError, match="can't be copied there") as caught:
        run(
            quick("consumer-disabled"),
            replace(how, copies=(copy,), watcher=lambda *_: Sending()),
        )

    assert copy in caught.value.line
    assert not began
    assert not list(journals.journals(tmp_path))
    assert stage.configuration(shop) == before


def test_a_copy_that_is_gone_when_the_drill_begins_leaves_no_journal_open(shop, tmp_path):
    shop.session().client("s3").create_bucket(Bucket="soon-gone")

    how = replace(drilling(shop, tmp_path), copies=("s3://soon-gone",))
    end: list[Any] = []

    class Refused(stage.Watching):
        def before(self) -> bool:
            end.append(refusing(shop, ("PutObject",), client_error("AccessDenied")))
            return True

    with pytest.raises(JournalError, match="copy of the undo journal"):
        run(quick("consumer-disabled"), replace(how, watcher=lambda *_: Refused()))
    end[0]()

    assert not list(journals.journals(tmp_path))
    assert run(quick("flag-flipped"), drilling(shop, tmp_path)).is_undone


def test_all_drills_are_named():
    assert len(drill_names()) == 18
