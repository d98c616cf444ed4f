"""Where moto would deliver by itself: in a run the simulation does, in its own time and order."""

from __future__ import annotations

from typing import Any

from pytest_storagefirst.simulation.routing import buckets, buses, schedules, topics

_installed: set[str] = set()


def install(service: str, here: Any) -> None:
    """Put the hooks of a service in place, once per process; `here()` gives the run, or None.

    Outside of a run all stays as moto has it.
    """
    if service not in _HOOKS or service in _installed:
        return
    _installed.add(service)
    _HOOKS[service](lambda: _run(here()))


def _run(simulation: Any) -> Any:
    return simulation if simulation is not None and simulation.is_running else None


def _topics(here: Any) -> None:
    from moto.sns.exceptions import InvalidParameterValue
    from moto.sns.models import SNSBackend, Subscription

    publish = Subscription.publish

    def published(
        self: Any,
        message: str,
        message_id: str,
        subject: str | None = None,
        message_attributes: dict[str, Any] | None = None,
        group_id: str | None = None,
        deduplication_id: str | None = None,
        message_structure: str | None = None,
    ) -> None:
        simulation = here()
        if simulation is None:
            publish(
                self,
                message,
                message_id,
                subject,
                message_attributes,
                group_id,
                deduplication_id,
                message_structure,
            )
            return
        if message_structure == "json":
            message = self._parse_message_structure(message, self.protocol)
        attributes = message_attributes or {}
        topics.publish(
            simulation,
            self,
            topics.Notification(
                message, message_id, subject, attributes, group_id, deduplication_id
            ),
        )

    publish_to_topic = SNSBackend.publish

    def accepted(self: Any, message: str, *arguments: Any, **named: Any) -> Any:
        # SNS API reference, Publish: a message is required.
        simulation, arn = here(), named.get("arn") or (arguments[0] if arguments else None)
        if not message and simulation is not None:
            raise InvalidParameterValue("Invalid parameter: Empty message")

        def publish_it() -> str:
            return str(publish_to_topic(self, message, *arguments, **named))

        if simulation is None or not str(arn).endswith(".fifo"):
            return publish_it()
        same = named.get("deduplication_id") or message
        return topics.once(simulation, (str(arn), same), publish_it)

    SNSBackend.publish = accepted  # type: ignore[method-assign]
    Subscription.publish = published  # type: ignore[method-assign]


def _buses(here: Any) -> None:
    from moto.events.models import EventsBackend, Rule

    put_events, send_to_targets = EventsBackend.put_events, Rule.send_to_targets

    def put(self: Any, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        simulation = here()
        if simulation is not None:
            events = [buses.with_object(event) for event in events]
        entries: list[dict[str, Any]] = put_events(self, events)
        if simulation is not None:
            for event, entry in zip(events, entries, strict=True):
                if "EventId" in entry:
                    name = self._normalize_event_bus_arn(event.get("EventBusName"))
                    buses.put(simulation, self.describe_event_bus(name), event, entry["EventId"])
        return entries

    def sent(self: Any, original_event: Any, transform_input: bool = True) -> None:
        if here() is None:
            send_to_targets(self, original_event, transform_input)

    EventsBackend.put_events = put  # type: ignore[method-assign]
    Rule.send_to_targets = sent  # type: ignore[method-assign]


def _buckets(here: Any) -> None:
    from moto.s3 import notifications

    send_event = notifications.send_event

    def notified(account_id: str, event_name: Any, bucket: Any, key: Any) -> None:
        simulation = here()
        if simulation is None:
            send_event(account_id, event_name, bucket, key)
        else:
            buckets.notify(simulation, event_name, bucket, key)

    notifications.send_event = notified


def _functions(here: Any) -> None:
    """Whatever else would run a function in a container."""
    from moto.awslambda.models import LambdaFunction

    from pytest_storagefirst.errors import SimulationError

    invoke = LambdaFunction._invoke_lambda

    def refused(self: Any, event: Any = None) -> Any:
        simulation = here()
        if simulation is None:
            return invoke(self, event)
        function = simulation.deployed.function_by_arn(self.function_name)
        simulation.refuse(
            SimulationError(
                "a function would be invoked by a source that is not simulated yet",
                where=function.logical_id if function is not None else self.function_name,
                found="a service that delivers to it by itself",
                expected="SQS, SNS, S3, EventBridge, a stream, or another function",
            )
        )
        return "null", False, ""

    LambdaFunction._invoke_lambda = refused  # type: ignore[method-assign]


def _schedules(here: Any) -> None:
    from moto.scheduler.models import EventBridgeSchedulerBackend

    create, update = (
        EventBridgeSchedulerBackend.create_schedule,
        EventBridgeSchedulerBackend.update_schedule,
    )

    def created(self: Any, *arguments: Any, **named: Any) -> Any:
        made = create(self, *arguments, **named)
        simulation = here()
        if simulation is not None:
            schedules.made(simulation, made)
        return made

    def updated(self: Any, *arguments: Any, **named: Any) -> Any:
        changed = update(self, *arguments, **named)
        simulation = here()
        if simulation is not None:
            schedules.made(simulation, changed)
        return changed

    EventBridgeSchedulerBackend.create_schedule = created  # type: ignore[method-assign]
    EventBridgeSchedulerBackend.update_schedule = updated  # type: ignore[method-assign]


_HOOKS = {
    "scheduler": _schedules,
    "sns": _topics,
    "events": _buses,
    "s3": _buckets,
    "lambda": _functions,
}


def stays_inside(simulation: Any, point: str, parameters: Any) -> bool:
    """Whether what a publish says goes on to a target that the simulation follows.

    Anything else is an emission by itself: its readers are other stacks.
    """
    if not isinstance(parameters, dict):
        return False
    world = simulation.deployed.world
    if point in ("sns.Publish", "sns.PublishBatch"):
        topic = str(parameters.get("TopicArn", ""))
        subscriptions = world.backend("sns").subscriptions.values()
        return any(one.topic.arn == topic for one in subscriptions)
    if point == "events.PutEvents":
        known = world.backend("events").event_buses
        names = {str(e.get("EventBusName") or "default") for e in parameters.get("Entries", ())}
        found = [known.get(name.rpartition("/")[2]) for name in names]
        return any(bus is not None and any(buses.targets_of(bus)) for bus in found)
    if point in ("kinesis.PutRecord", "kinesis.PutRecords"):
        name = parameters.get("StreamName") or str(parameters.get("StreamARN")).rpartition("/")[2]
        return name in simulation.deployed.topology.logical_ids
    if point in ("stepfunctions.StartExecution", "stepfunctions.StartSyncExecution"):
        return parameters.get("stateMachineArn") in simulation.deployed.topology.logical_ids
    return False
