"""What has to hold before a drill may act, and as long as it does.

A guard that can't be asked blocks like one that says no.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pytest_storagefirst.chaos.drill import Drill
from pytest_storagefirst.chaos.undo import told_error
from pytest_storagefirst.errors import DrillError, StorageFirstError
from pytest_storagefirst.target.target import LOCAL, Target

TAG, ALLOWED = "storagefirst:drills", "allowed"
MAXIMUM_S = 900.0
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WINDOW = re.compile(
    rf"(?:({'|'.join(DAYS)})(?:-({'|'.join(DAYS)}))? )?(\d\d):(\d\d)-(\d\d):(\d\d)(?: (\S+))?"
)
WINDOW = '"Mon-Fri 09:00-17:00 Europe/Berlin"'


@dataclass(frozen=True)
class Guards:
    """`alarms` are CloudWatch's by name; `window` is when drills may run, "" always."""

    alarms: tuple[str, ...] = ()
    window: str = ""
    maximum_s: float = MAXIMUM_S

    def lines(self, target: Target, drill: Drill) -> Iterator[str]:
        """What each guard will look at, for the plan."""
        yield f"--live has to be {live_name(target)}, as STS and CloudFormation say it"
        names = ", ".join(one.stack for one in target.settings.targets)
        yield f"allow list: [[target]] of storagefirst.toml: {names or 'none, for loopback alone'}"
        if target.name != LOCAL:
            yield f"the stack's tag {TAG} has to be {ALLOWED!r}"
        yield f"alarms that have to be OK, now and as long as it lasts: {_listed(self.alarms)}"
        yield f"time window: {self.window or 'always'}"
        yield f"at most {self.maximum_s:g} s; this drill takes {drill.seconds:g} s"
        yield "one drill at a time on a stack: a lock in Systems Manager"

    def check(self, target: Target, drill: Drill, live: str) -> None:
        """Raises DrillError where one of them says no, or can't be asked."""
        with _asking("account, region and stack"):
            _check_live(target, live)
        if target.name != LOCAL:
            with _asking(f"the stack's tag {TAG}"):
                _check_tag(target)
        with _asking("the time window"):
            self._check_window(datetime.now(UTC), drill.seconds)
        self.check_duration(drill)
        self.check_alarms(target)

    def check_duration(self, drill: Drill) -> None:
        """Raises DrillError for a drill that takes longer than is allowed."""
        if drill.seconds > self.maximum_s:
            raise DrillError(
                "the drill takes longer than is allowed",
                found=f"{drill.seconds:g} s",
                expected=f"at most {self.maximum_s:g} s",
                remedy="maximum_seconds = … below [drills] of storagefirst.toml",
            )

    def check_alarms(self, target: Target) -> None:
        """Raises DrillError where an alarm is not OK, is not there, or can't be asked."""
        if not self.alarms:
            return
        with _asking("the alarms"):
            client = target.session().client("cloudwatch")
            answer = client.describe_alarms(
                AlarmNames=list(self.alarms), AlarmTypes=["MetricAlarm", "CompositeAlarm"]
            )
            found = [*answer.get("MetricAlarms", ()), *answer.get("CompositeAlarms", ())]
            states = {one["AlarmName"]: one["StateValue"] for one in found}
            for name in self.alarms:
                if states.get(name) != "OK":
                    raise DrillError(
                        f"the alarm {name} is {states.get(name, 'missing')}",
                        expected="OK: INSUFFICIENT_DATA says nothing, a missing one guards nothing",
                    )

    def _check_window(self, now: datetime, seconds: float) -> None:
        if not self.window:
            return
        begin, end = _bounds(self.window, now)
        if not begin <= now or now + timedelta(seconds=seconds) > end:
            raise DrillError(
                "now is not in the time window of drills, from beginning to end",
                found=f"{now:%a %H:%M} UTC, {seconds:g} s",
                expected=self.window,
            )


def guards_of(target: Target, alarms: tuple[str, ...] = ()) -> Guards:
    """What [drills] of storagefirst.toml says, and alarms that are named beside."""
    told = target.settings.drills
    guards = Guards(
        tuple(dict.fromkeys((*told.get("alarms", ()), *alarms))),
        told.get("window", ""),
        float(told.get("maximum_s", MAXIMUM_S)),
    )
    if guards.window:
        _bounds(guards.window, datetime.now(UTC))
    return guards


def live_name(target: Target) -> str:
    return f"{target.account}:{target.region}:{target.stack_name}"


def _check_live(target: Target, live: str) -> None:
    if live.count(":") != 2:
        raise DrillError(
            "--live names account, region and stack", found=live, expected=live_name(target)
        )
    account = str(target.session().client("sts").get_caller_identity()["Account"])
    stack = _stack(target)
    _, _, _, region, owner, name = str(stack["StackId"]).split(":", 5)
    name = name.split("/")[1]
    for found in (f"{account}:{region}:{name}", f"{owner}:{target.region}:{name}"):
        if live != found:
            raise DrillError(
                "--live names another stack than the one the credentials reach",
                found=live,
                expected=found,
                remedy="choose the profile and the region, or mend what --live says",
            )


def _check_tag(target: Target) -> None:
    tags = {one["Key"]: one["Value"] for one in _stack(target).get("Tags", ())}
    if tags.get(TAG) != ALLOWED:
        raise DrillError(
            "the stack does not permit drills",
            where=target.stack_name,
            found=f"{TAG} = {tags[TAG]!r}" if TAG in tags else f"no tag {TAG}",
            expected=f"{TAG} = {ALLOWED!r}",
            remedy="deploy it with this tag, if it may be broken: never in production",
        )


def _stack(target: Target) -> dict[str, Any]:
    client = target.session().client("cloudformation")
    found: dict[str, Any] = client.describe_stacks(StackName=target.stack_name)["Stacks"][0]
    return found


def _bounds(window: str, now: datetime) -> tuple[datetime, datetime]:
    """When the window of this day begins and ends. Raises DrillError."""
    read = _WINDOW.fullmatch(window)
    try:
        if read is None:
            raise ValueError(window)
        zone = ZoneInfo(read[7] or "UTC")
        local = now.astimezone(zone)
        begin = local.replace(hour=int(read[3]), minute=int(read[4]), second=0, microsecond=0)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        end = midnight + timedelta(hours=int(read[5]), minutes=int(read[6]))
        if end <= begin:
            raise ValueError(window)
    except (ValueError, ZoneInfoNotFoundError):
        raise DrillError("no time window", found=window, expected=WINDOW) from None
    first, last = DAYS.index(read[1] or "Mon"), DAYS.index(read[2] or read[1] or "Sun")
    today = local.weekday()
    is_day = first <= today <= last if first <= last else not last < today < first
    return (begin, end) if is_day else (end, begin)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none is named"


@contextmanager
def _asking(what: str) -> Iterator[None]:
    try:
        yield
    except StorageFirstError:
        raise
    except Exception as error:
        raise DrillError(
            f"the guard can't look at {what}, and so it blocks", found=told_error(error)
        ) from None
