"""One hand-over to one target: tried, tried again, and given up as its service gives up.

Rules from the EventBridge user guide (eb-rule-retry-policy, eb-rule-dlq) and the SNS developer
guide (sns-message-delivery-retries, sns-dead-letter-queues); AWS_SEMANTICS.md, rules 29 and 30.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_storagefirst.simulation import destinations
from pytest_storagefirst.simulation.routing import targets
from pytest_storagefirst.simulation.routing.permissions import may_deliver
from pytest_storagefirst.simulation.routing.targets import Parcel, Refused

if TYPE_CHECKING:
    from pytest_storagefirst.faults.plan import Fault
    from pytest_storagefirst.simulation.run import Simulation

DELIVERY_MS = 20  # from what a service is given until its target has it
DELAYED_MS = 900_000
REORDERED_MS = 1000
AGAIN_MS = 500  # from a delivery to its duplicate
DELIVERS_AGAIN = "delivers a second time, to "
DAY_MS = 86_400_000

_FAULTS = frozenset({"duplicate", "reordered", "delayed", "target-refused"})


@dataclass(frozen=True)
class Retries:
    """How often and how long a delivery is tried again, and how the waits grow."""

    most: int
    for_ms: int = DAY_MS
    first_wait_ms: int = 1000
    longest_wait_ms: int = 600_000

    def wait_ms(self, retry: int) -> int:
        """Before the retry of this number, from 0."""
        return min(self.first_wait_ms << min(retry, 30), self.longest_wait_ms)


# EventBridge: 24 hours and up to 185 times, with exponential back-off and jitter.
EVENT_BRIDGE = Retries(185)


def by_policy(policy: Mapping[str, Any]) -> Retries:
    """As a target's RetryPolicy has it; what it leaves out is EventBridge's own."""
    seconds, most = policy.get("MaximumEventAgeInSeconds"), policy.get("MaximumRetryAttempts")
    return Retries(
        most=EVENT_BRIDGE.most if most is None else int(most),
        for_ms=EVENT_BRIDGE.for_ms if seconds is None else int(seconds) * 1000,
    )


# SNS, to SQS and Lambda: 100,015 times over 23 days, in the end every 20 seconds.
SNS = Retries(100_015, for_ms=23 * DAY_MS, longest_wait_ms=20_000)
# S3 promises at least once and says nothing of how long it tries.
S3 = Retries(185)
# IoT's rules engine: an action that fails goes to the error action (iot-rule-actions).
IOT = Retries(0)


@dataclass(frozen=True)
class Delivery:
    """What a service gives to a target: who (place, principal, source), to whom, what, how often.

    `place` is the logical id of what delivers, `role_arn` whom it acts as, if not as itself. What
    is given up goes to the dead-letter queue as `letter`, or as it was to be delivered.
    """

    place: str
    principal: str
    source_arn: str
    target_arn: str
    parcel: Parcel
    retries: Retries
    role_arn: str = ""
    dead_letter_arn: str | None = None
    letters_role_arn: str = ""
    letter: str = ""
    ordered: bool = False


def start(simulation: Simulation, delivery: Delivery) -> None:
    """Hand it over, a moment from now, and again as long as its service would."""
    _at(simulation, DELIVERY_MS, lambda: _begin(simulation, delivery))


def _at(simulation: Simulation, wait_ms: int, do: Callable[[], None]) -> None:
    simulation.scheduler.at(simulation.now_ms + wait_ms, do)


def _begin(simulation: Simulation, delivery: Delivery) -> None:
    strike = _struck(simulation, delivery, _FAULTS)
    kind = strike.kind if strike is not None else ""
    if kind in ("delayed", "reordered"):
        wait_ms = DELAYED_MS if kind == "delayed" else REORDERED_MS
        _at(simulation, wait_ms, lambda: _try(simulation, delivery, 0, simulation.now_ms, None))
        return
    _try(simulation, delivery, 0, simulation.now_ms, strike if kind == "target-refused" else None)
    if kind == "duplicate":
        detail = f"{DELIVERS_AGAIN}{targets.name_of(simulation, delivery.target_arn)}"
        simulation.record("noted", delivery.parcel.messages, delivery.place, detail)
        _at(
            simulation,
            AGAIN_MS,
            lambda: _try(simulation, delivery, 0, simulation.now_ms, None),
        )


def _struck(simulation: Simulation, delivery: Delivery, kinds: frozenset[str]) -> Fault | None:
    simulation.strikes.cross(delivery.place, "delivery", delivery.parcel.messages)
    strike = simulation.due(delivery.place, "delivery", delivery.parcel.messages, kinds)
    if strike is None or (delivery.ordered and strike.fault.kind != "target-refused"):
        return None  # a FIFO topic neither doubles nor overtakes (sns-fifo-topics)
    simulation.strike(strike, delivery.parcel.messages)
    return strike.fault


def _try(
    simulation: Simulation, delivery: Delivery, retry: int, since_ms: int, fault: Fault | None
) -> None:
    refused: Refused | None
    if fault is not None:
        why = fault.variant or "throttle"
        refused = Refused(why, heals=why != "access-denied")
    else:
        refused = _hand_over(simulation, delivery)
    if refused is None:
        return
    target = targets.name_of(simulation, delivery.target_arn)
    if refused.denied:
        simulation.record("denied", delivery.parcel.messages, delivery.place, refused.why)
    else:
        told = f"delivery to {target}: {refused.why}"
        simulation.record("errored", delivery.parcel.messages, delivery.place, told)
    wait_ms = delivery.retries.wait_ms(retry)
    in_time = simulation.now_ms + wait_ms <= since_ms + delivery.retries.for_ms
    if refused.heals and retry < delivery.retries.most and in_time:

        def again() -> None:
            struck = _struck(simulation, delivery, frozenset({"target-refused"}))
            _try(simulation, delivery, retry + 1, since_ms, struck)

        _at(simulation, wait_ms, again)
    elif not _kept(simulation, delivery):
        why = f"the delivery to {target} is given up, and nothing keeps it"
        simulation.record("dropped", delivery.parcel.messages, delivery.place, why)


def _hand_over(simulation: Simulation, delivery: Delivery) -> Refused | None:
    target, role = delivery.target_arn, delivery.role_arn
    refused = may_deliver(simulation, delivery.principal, delivery.source_arn, target, role)
    return refused or targets.hand_over(simulation, target, delivery.parcel)


def _kept(simulation: Simulation, delivery: Delivery) -> bool:
    arn, parcel = delivery.dead_letter_arn, delivery.parcel
    if not arn:
        return False
    role = delivery.letters_role_arn
    refused = may_deliver(simulation, delivery.principal, delivery.source_arn, arn, role)
    if refused is not None:
        simulation.record("denied", parcel.messages, delivery.place, refused.why)
        return False
    destinations.deliver(
        simulation,
        arn,
        delivery.letter or parcel.text,
        parcel.messages,
        delivery.place,
        f"the delivery to {targets.name_of(simulation, delivery.target_arn)}",
        group=parcel.group,
        deduplication=parcel.deduplication,
    )
    return True
