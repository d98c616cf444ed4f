"""What operators change in the midst of the work, at each moment that makes a difference.

A flip shows at the next read of the flag, so one before each read stands for all. A redeployment
or a disabled mapping shows in what comes later, so others follow when each of them is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import combinations

from pytest_storagefirst.explore.judge import Judge
from pytest_storagefirst.explore.sweep import MOST_NUMBERS, outage_ms
from pytest_storagefirst.faults.catalogue import EVENTUALLY_CONSISTENT_READS, INVOCATION
from pytest_storagefirst.faults.plan import OUTAGE_MS, Fault
from pytest_storagefirst.simulation.configurations import is_extension
from pytest_storagefirst.simulation.flags import ITEM, PARAMETER, PROFILE, Flag
from pytest_storagefirst.simulation.schedule import Schedule, Send

_READS = {
    PROFILE: frozenset({"appconfigdata.GetLatestConfiguration"}),
    PARAMETER: frozenset({"ssm.GetParameter", "ssm.GetParameters", "ssm.GetParametersByPath"}),
    ITEM: EVENTUALLY_CONSISTENT_READS | {"dynamodb.TransactGetItems"},
}


GAP_MS = 60_000  # between two messages, of which each then has its own batch


def flips(
    judge: Judge, messages: tuple[Send, ...], counts: Mapping[tuple[str, str], int]
) -> Iterator[Fault]:
    """A flip before each read of a flag, by the crossings of a fault-free run."""
    deployed = judge.deployed
    for flag in deployed.flags:
        sites = [site for site in sorted(counts) if _reads(site[1], flag)]
        if not sites:
            continue
        other = judge.under({flag.name})
        # A switch that stops the work is thrown back some time; one that changes it stays.
        stays = all(other.alone(send)[0].effects for send in messages)
        for place, point in sites:
            for_ms = 0 if stays else outage_ms(deployed, "crash", place)
            for number in range(1, min(counts[place, point], MOST_NUMBERS) + 1):
                yield Fault(place, point, number, "flag-flipped", flag.name, for_ms=for_ms)


def schedules(
    judge: Judge, messages: tuple[Send, ...], counts: Mapping[tuple[str, str], int]
) -> Iterator[Schedule]:
    """A change of each kind while the first message is at work, and others are to come."""
    deployed = judge.deployed
    spread = Schedule(messages, gap_ms=GAP_MS)
    alone, together = Schedule(messages[:1]), Schedule(messages)
    for flip in flips(judge, messages, counts):
        if flip.number > 1:
            continue
        site = flip.place, flip.point
        if counts[site] == 1:  # read once a batch: so between two batches
            yield replace(spread, plan=(replace(flip, number=2),))
        # A message that comes again after all of its work meets the other value.
        again = Fault(flip.place, INVOCATION, 1, "crash")
        read = len(_moments(judge, alone, site))
        yield replace(alone, plan=(again, replace(flip, number=read + 1)))
        # Off and on again in the midst of one batch.
        moments = _moments(judge, together, site)[:MOST_NUMBERS]
        for number, back in combinations(range(len(moments)), 2):
            for_ms = moments[back] - moments[number] - 1
            if for_ms > 0:
                there = replace(flip, number=number + 1, for_ms=for_ms)
                yield replace(together, plan=(there,))
    fed = {
        function.logical_id
        for mapping in deployed.topology.mappings
        if (function := deployed.function_by_arn(mapping.function_arn)) is not None
    }
    breaks = deployed.breaker is not None and deployed.breaker.kind == "mapping"
    for place, point in sorted(counts):
        if point == INVOCATION:
            yield replace(spread, plan=(Fault(place, point, 1, "redeployed"),))
            if place in fed and not breaks:  # a breaker that is a mapping switches it itself
                disabled = Fault(place, point, 1, "mapping-disabled", for_ms=OUTAGE_MS)
                yield replace(spread, plan=(disabled,))


def _moments(judge: Judge, schedule: Schedule, site: tuple[str, str]) -> list[int]:
    """When the first invocation that crosses a site does so, without faults."""
    history = judge.play(schedule).observation.history
    crossings = [
        event
        for event in history
        if (event.kind, event.where) == ("called", site[0])
        and event.detail.rpartition(" #")[0] == site[1]
    ]
    return [event.at_ms for event in crossings if event.invocation == crossings[0].invocation]


def _reads(point: str, flag: Flag) -> bool:
    is_asked = flag.kind == PROFILE and is_extension(point.rpartition(" ")[2])
    return is_asked or point in _READS[flag.kind]
