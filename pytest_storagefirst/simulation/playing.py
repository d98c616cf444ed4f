"""A schedule played from its first message to the final read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pytest_storagefirst.ledger.effects import Observation
from pytest_storagefirst.simulation.choosing import Recording, scheduler_of
from pytest_storagefirst.simulation.deployed import Deployed
from pytest_storagefirst.simulation.routing import schedules
from pytest_storagefirst.simulation.run import Simulation
from pytest_storagefirst.simulation.schedule import Schedule
from pytest_storagefirst.simulation.scheduler import EPOCH_MS
from pytest_storagefirst.simulation.surroundings import held

MORE_BOUNDS = 8
PUTTING_OFF = frozenset(
    {
        "sqs.ChangeMessageVisibility",
        "sqs.ChangeMessageVisibilityBatch",
        "sqs.SendMessage",
        "sqs.SendMessageBatch",
    }
)
LONGEST_WAIT_MS = 366 * 86_400_000  # a state machine may run for a year
LATE_MS = 900_000  # from rest until what is sent late comes: no breaker waits longer to try again
BETWEEN_LATE_MS = 60_000


@dataclass(frozen=True)
class Played:
    """What a run leaves: the observation that is judged, and what exploration needs beside it.

    `counts` are the crossings of each (place, point); `stored_texts` the bodies that queues took
    in, by message; `groups` the messages of each FIFO (queue, group) in the order of their
    acceptance, `keys` those of each (stream, key) and `lanes` those of each (stream, shard);
    `errors` what handlers raised, by function. `crossed` says for each fault that struck how many
    crossings had been made by then, and `strikable` how many were made before the redrives that
    come when all faults have ended. `requests` are the handlers' calls of AWS, as botocore made
    them, by function and call ("dynamodb.PutItem #1"); `logical_ids` the stack's, by physical id or
    ARN.
    """

    observation: Observation
    counts: Mapping[tuple[str, str], int]
    stored_texts: Mapping[str, tuple[str, ...]]
    groups: Mapping[tuple[str, str], tuple[str, ...]]
    keys: Mapping[tuple[str, str], tuple[str, ...]]
    lanes: Mapping[tuple[str, str], tuple[str, ...]]
    choices_offered: int = 0
    errors: tuple[tuple[str, BaseException], ...] = ()
    printed: str = ""
    crossed: Mapping[str, Mapping[tuple[str, str], int]] = field(default_factory=dict)
    strikable: Mapping[tuple[str, str], int] = field(default_factory=dict)
    requests: Mapping[tuple[str, str], Any] = field(default_factory=dict)
    logical_ids: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def many(deployed: Deployed) -> Iterator[None]:
    """Within this block run follows run: what each takes of the process is given back at its end.

    Without it each run does that by itself.
    """
    with held(deployed.world):
        yield


def play(
    deployed: Deployed,
    schedule: Schedule,
    epoch_ms: int = EPOCH_MS,
    *,
    to_expiry: bool = False,
    recording: Recording | None = None,
) -> Played:
    """Play one schedule. Raises what the run refused: a handler that can't be followed.

    With `to_expiry`, what still goes round when the bound is reached is watched to the end of its
    retention: the clock moves on to there. A `recording` chooses in the schedule's stead.
    """
    simulation = Simulation(deployed, schedule, epoch_ms)
    if recording is not None:
        simulation.scheduler = scheduler_of((), epoch_ms, recording)
    played = play_on(simulation, to_expiry=to_expiry)
    if simulation.refusals:
        raise simulation.refusals[0]
    return played


def play_on(simulation: Simulation, *, to_expiry: bool = False) -> Played:
    """Play the simulation's schedule; what it refused is in `simulation.refusals`."""
    with simulation.running():
        simulation.begin()
        _send_all(simulation)
        if to_expiry:
            if not _drain(simulation):
                _wait_for_expiry(simulation)
        else:
            simulation.settle_under_faults()
        if "during" in simulation.schedule.redrives:
            simulation.redrive()
            simulation.settle_under_faults()
        for _ in range(schedules.MOST_TICKS):  # faults strike what comes by the clock, too
            if simulation.strikes.all_exhausted or simulation.recurring.has_come:
                break
            if not schedules.tick(simulation):
                break
            simulation.settle_under_faults()
        played = finish(simulation)
    simulation.functions.give_back_clients()
    simulation.executions.give_back_clients()
    return played


def finish(simulation: Simulation) -> Played:
    """Heal, drain, redrive, drain, and read what stands. Call inside `running`."""
    simulation.heal()
    _drain(simulation)
    for _ in range(schedules.MOST_TICKS):
        if not schedules.tick(simulation):
            break
        _drain(simulation)
    if simulation.load is not None:
        simulation.load.outlast_scripts()
    _send_late(simulation)
    strikable = dict(simulation.strikes.counts)
    for _ in range(simulation.schedule.redrives.count("after")):
        if not simulation.redrive():
            break
        _drain(simulation)
    return Played(
        simulation.observe(),
        dict(simulation.strikes.counts),
        {message: tuple(texts) for message, texts in simulation.queues.stored_texts.items()},
        {key: tuple(ids) for key, ids in simulation.queues.groups.items()},
        {key: tuple(ids) for key, ids in simulation.streams.keys.items()},
        {lane: tuple(ids) for lane, ids in simulation.streams.lanes.items()},
        simulation.scheduler.choices_offered,
        tuple(simulation.errors),
        "".join(simulation.stage.printed.lines),
        simulation.strikes.crossed,
        strikable,
        simulation.requests,
        simulation.deployed.topology.logical_ids,
    )


def _send_all(simulation: Simulation) -> None:
    for index, send in enumerate(simulation.schedule.in_time):
        if simulation.schedule.one_by_one:
            simulation.send(send)
            _drain(simulation)
        else:
            simulation.send_at(simulation.schedule.moment_ms(index), send)


def _send_late(simulation: Simulation) -> None:
    """Those who come when all is well again, one after the other."""
    wait_ms = LATE_MS
    for send in simulation.schedule.workload[len(simulation.schedule.in_time) :]:
        simulation.recurring.begin_anew()
        simulation.send_at(simulation.now_ms + wait_ms, send)
        _drain(simulation)
        wait_ms = BETWEEN_LATE_MS


def _drain(simulation: Simulation) -> bool:
    """Run until nothing is left to do, within the bound on a drain; True when quiet.

    The bound knows the stack's own times. Where a handler puts a receive off by itself and a
    redrive policy counts receives, their end is worth waiting for a little longer.
    """
    bound_ms = simulation.deployed.drain_bound_ms
    for _ in range(MORE_BOUNDS):
        if simulation.settle(bound_ms):
            return True
        awaited_ms = simulation.awaited_ms - simulation.now_ms
        awaited_ms = min(max(awaited_ms, simulation.executions.waits_ms()), LONGEST_WAIT_MS)
        if awaited_ms <= 0 and not _is_put_off(simulation):
            return False
        bound_ms = simulation.deployed.drain_bound_ms + max(0, awaited_ms)
    return simulation.settle(bound_ms)


def _is_put_off(simulation: Simulation) -> bool:
    if not any(point in PUTTING_OFF for _, point in simulation.strikes.counts):
        return False
    return any(
        queue.dead_letter_arn is not None and simulation.queues.store(queue).stored_messages
        for queue in simulation.deployed.topology.queues
        if simulation.deployed.mappings_of(queue)
    )


def _wait_for_expiry(simulation: Simulation) -> None:
    expiries = [
        expiry_ms - simulation.scheduler.epoch_ms
        for queue in simulation.deployed.topology.queues
        if simulation.deployed.mappings_of(queue)
        for expiry_ms in [simulation.queues.store(queue).next_expiry_ms()]
        if expiry_ms is not None
    ]
    expiries += simulation.streams.ends_ms()
    if not expiries or simulation.why_stopped:
        return
    simulation.record("noted", (), "", "the same again and again, until its retention ends")
    simulation.scheduler.advance_to(max(expiries) + 1000)
    simulation.settle(simulation.deployed.drain_bound_ms)
