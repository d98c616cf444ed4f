"""What moto delivers by itself: SNS and EventBridge into queues of the stack, and no function ever.

A publish that ends in a queue of the stack is no emission: what its consumer makes of it is the
effect. A delivery to a function would run the handler in a container; sources other than SQS are
not simulated yet, so a run in which one delivers to a function is refused.
"""

from __future__ import annotations

from typing import Any

from pytest_storagefirst.errors import SimulationError

_installed = False


def install(here: Any) -> None:
    """Keep moto from running functions while `here()` gives a simulation."""
    global _installed
    if _installed:
        return
    _installed = True
    from moto.awslambda.models import LambdaFunction

    invoke = LambdaFunction._invoke_lambda

    def refused(self: Any, event: Any = None) -> Any:
        simulation = here()
        if simulation is None:
            return invoke(self, event)
        deployed = simulation.deployed
        function = deployed.function_by_arn(self.function_name)
        simulation.refuse(
            SimulationError(
                "a function would be invoked by a source that is not simulated yet",
                where=function.logical_id if function is not None else self.function_name,
                found="an SNS topic, a bucket, a bus or a stream that delivers to it",
                expected="functions that SQS feeds, or that a handler invokes",
            )
        )
        return "null", False, ""

    LambdaFunction._invoke_lambda = refused  # type: ignore[method-assign]


def stays_inside(simulation: Any, point: str, parameters: Any) -> bool:
    """Whether a publish ends in a queue of the stack, or in nothing at all that could see it."""
    if not isinstance(parameters, dict):
        return False
    if point in ("sns.Publish", "sns.PublishBatch"):
        return _topic_feeds_queue(simulation, str(parameters.get("TopicArn", "")))
    if point == "events.PutEvents":
        buses = {
            str(entry.get("EventBusName", "default")) for entry in parameters.get("Entries", ())
        }
        return any(_bus_feeds_queue(simulation, bus) for bus in buses)
    return False


def _topic_feeds_queue(simulation: Any, topic_arn: str) -> bool:
    subscriptions = simulation.deployed.world.backend("sns").subscriptions.values()
    return any(
        subscription.protocol == "sqs"
        and simulation.deployed.queue_by_arn(subscription.endpoint) is not None
        for subscription in subscriptions
        if subscription.topic.arn == topic_arn
    )


def _bus_feeds_queue(simulation: Any, bus: str) -> bool:
    found = simulation.deployed.world.backend("events").event_buses.get(bus.rpartition("/")[2])
    if found is None:
        return False
    return any(
        ":sqs:" in target["Arn"] and simulation.deployed.queue_by_arn(target["Arn"]) is not None
        for rule in found.rules.values()
        for target in rule.targets
    )
