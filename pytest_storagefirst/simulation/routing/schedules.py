"""EventBridge Scheduler and scheduled rules: what comes by the clock.

A time that a handler sets (`at(…)`) comes when it comes. What recurs would never let a run end: it
comes a few times more whenever all else is done, so that a function which looks for work by the
clock finds it. Where a circuit breaker is watched, whose health checks and trials come by the
clock, it comes at its rate while a fault lasts and while the circuit is not closed. Pages:
schedule-types, managing-schedule-delete, configuring-schedule-dlq, eb-create-rule-schedule
(AWS_SEMANTICS.md, rule 33).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from pytest_storagefirst.simulation.behalf import now_text, whose
from pytest_storagefirst.simulation.routing import deliveries, targets
from pytest_storagefirst.stack.topology import RecurringSchedule

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.run import Simulation

PRINCIPAL = "scheduler.amazonaws.com"
MOST_TICKS = 3
MOST_UNDER_FAULTS, MOST_HEALED = 20, 40  # comings at their rate, that a run has
MINUTE_MS = 60_000


def made(simulation: Simulation, schedule: Any) -> None:
    """A schedule (moto's) that a handler has made: its time is waited for."""
    written = schedule.schedule_expression
    if schedule.state != "ENABLED" or not written.startswith("at("):
        return
    moment = datetime.fromisoformat(written[3:-1])
    zone = schedule.schedule_expression_timezone
    moment = moment.replace(tzinfo=UTC if zone == "UTC" else ZoneInfo(zone))
    at_ms = round(moment.timestamp() * 1000) - simulation.scheduler.epoch_ms
    target = schedule.target
    messages = whose(simulation, json.dumps(target))
    place = targets.name_of(simulation, schedule.arn)

    def due() -> None:
        # It may have been deleted, or changed, in the meantime.
        groups = simulation.deployed.world.backend("scheduler").schedule_groups
        group = groups.get(schedule.group_name)
        if group is not None and group.schedules.get(schedule.name) is schedule:
            _deliver(simulation, place, schedule.arn, target, messages, PRINCIPAL)
            # A one-time schedule is complete now, and its name free (managing-schedule-delete).
            if schedule.action_after_completion == "DELETE":
                del group.schedules[schedule.name]

    simulation.awaited_ms = max(simulation.awaited_ms, at_ms)
    simulation.scheduler.at(max(at_ms, simulation.now_ms), due)


def tick(simulation: Simulation) -> bool:
    """Let what recurs come once more; False when nothing does."""
    recurring = [one for one in simulation.deployed.topology.schedules if one.enabled]
    if not recurring:
        return False
    simulation.scheduler.advance_to(simulation.now_ms + MINUTE_MS)
    for one in recurring:
        _come(simulation, one)
    return True


def _come(simulation: Simulation, one: RecurringSchedule) -> None:
    target = {"Input": json.dumps(_event(simulation, one)), **one.target}
    principal = "events.amazonaws.com" if ":events:" in one.arn else PRINCIPAL
    _deliver(simulation, one.logical_id, one.arn, target, (), principal)


class AtTheirRate:
    """What recurs, at its rate, as long as a breaker has use for it."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        topology = simulation.deployed.topology
        watched = simulation.deployed.breaker is not None
        self.some = [one for one in topology.schedules if one.enabled and watched]
        self._under_faults, self._healed = MOST_UNDER_FAULTS, MOST_HEALED

    @property
    def has_come(self) -> bool:
        return self._under_faults < MOST_UNDER_FAULTS

    def begin_anew(self) -> None:
        """Someone new has come, for whom it has to come as often again."""
        self._healed = MOST_HEALED

    def came(self, next_ms: int | None, until_ms: int | None) -> bool:
        """Let come what is due before the next thing on the agenda; False when nothing is.

        With nothing on the agenda it comes until `until_ms`, where that is given.
        """
        if not self._is_needed():
            return False
        simulation = self._simulation
        now_ms = simulation.now_ms
        due_ms, place = min(
            ((now_ms // interval_ms + 1) * interval_ms, place)
            for place, one in enumerate(self.some)
            for interval_ms in [one.interval_seconds * 1000]
        )
        limits = [limit for limit in (next_ms, until_ms) if limit is not None]
        if not limits or due_ms > min(limits):
            return False
        simulation.scheduler.advance_to(due_ms)
        if simulation.strikes.healed:
            self._healed -= 1
        else:
            self._under_faults -= 1
        _come(simulation, self.some[place])
        return True

    def _is_needed(self) -> bool:
        simulation = self._simulation
        circuit, strikes = simulation.circuit, simulation.strikes
        if strikes.healed:
            return self._healed > 0 and circuit is not None and not circuit.is_closed
        lasts = simulation.now_ms < strikes.last_end_ms()
        closed = circuit is None or circuit.is_closed
        return self._under_faults > 0 and (lasts or not closed)


def run_with_schedules(simulation: Simulation) -> bool:
    """Run until nothing is left to do, what recurs coming a few times; True when quiet."""
    bound_ms = simulation.deployed.drain_bound_ms
    quiet = simulation.settle(bound_ms)
    for _ in range(MOST_TICKS):
        if not quiet or not tick(simulation):
            break
        quiet = simulation.settle(bound_ms)
    return quiet


def _event(simulation: Simulation, schedule: RecurringSchedule) -> dict[str, Any]:
    topology = simulation.deployed.topology
    rule = ":events:" in schedule.arn
    return {
        "version": "0",
        "id": simulation.identities.new_id(),
        "detail-type": "Scheduled Event",
        "source": "aws.events" if rule else "aws.scheduler",
        "account": topology.account,
        "time": now_text(simulation, milliseconds=False),
        "region": topology.region,
        "resources": [schedule.arn],
        "detail": {} if rule else "{}",
    }


def _deliver(
    simulation: Simulation,
    place: str,
    schedule_arn: str,
    target: Mapping[str, Any],
    messages: tuple[str, ...],
    principal: str,
) -> None:
    arn = str(target["Arn"])
    text = str(target.get("Input") or "{}")
    parcel = targets.Parcel(
        text,
        messages,
        f"sent by {place}",
        group=(target.get("SqsParameters") or {}).get("MessageGroupId"),
    )
    role = str(target.get("RoleArn") or "")
    deliveries.start(
        simulation,
        deliveries.Delivery(
            place=place,
            principal=principal,
            source_arn=schedule_arn,
            target_arn=arn,
            parcel=parcel,
            retries=deliveries.by_policy(target.get("RetryPolicy") or {}),
            role_arn=role,
            dead_letter_arn=(target.get("DeadLetterConfig") or {}).get("Arn"),
            letters_role_arn="" if ":events:" in schedule_arn else role,
        ),
    )
