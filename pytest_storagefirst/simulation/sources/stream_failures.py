"""What becomes of records that a mapping gives up: a failure destination, or nothing.

The invocation record's form is the Lambda developer guide's: kinesis-on-failure-destination and
services-dynamodb-errors. A queue or a topic gets metadata only, so that the record is there to be
had again for as long as the stream keeps it; a bucket gets the payload, too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pytest_storagefirst.ledger.effects import Held
from pytest_storagefirst.simulation import destinations
from pytest_storagefirst.simulation.functions import Outcome
from pytest_storagefirst.stack.topology import EventSourceMapping, Function

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.run import Simulation
    from pytest_storagefirst.simulation.streams import Record

FOR_GOOD_MS = 100 * 365 * 86_400_000  # nothing removes an object


def give_up(
    simulation: Simulation,
    mapping: EventSourceMapping,
    function: Function,
    records: Sequence[Record],
    outcome: Outcome | None,
    condition: str,
    attempts: int,
) -> None:
    """Send what `mapping` skips to its failure destination; without one it is dropped."""
    stream = records[0].stream
    ids = _ids(records)
    arn = mapping.on_failure_arn
    if not arn:
        why = f"{condition}, and {mapping.logical_id} has no failure destination"
        simulation.record("skipped", ids, stream.logical_id, why)
        return
    folder = f"aws/lambda/{mapping.uuid}/{records[0].shard_id}" if ":s3:" in arn else ""
    if not destinations.may_send(simulation, function, arn, ids, folder and f"{folder}/record"):
        why = f"{condition}, and Lambda may not send it to {mapping.logical_id}'s destination"
        simulation.record("skipped", ids, stream.logical_id, why)
        return
    document = _document(simulation, function, records, outcome, condition, attempts)
    until_ms = min(record.expires_ms for record in records)
    failed = stream.logical_id
    if folder:
        key = _key(simulation, folder)
        document["payload"] = json.dumps(event_of(records, simulation, function))
        destinations.put_object(simulation, arn, key, json.dumps(document), ids, failed)
        until_ms = FOR_GOOD_MS
    elif ":sns:" in arn:
        destinations.deliver(simulation, arn, json.dumps(document), ids, failed, failed)
    else:
        place = stream.logical_id
        text = json.dumps(document)
        destinations.deliver(simulation, arn, text, ids, place, failed, until_ms=until_ms)
        return
    place = simulation.deployed.topology.logical_ids.get(arn, arn.rpartition(":")[2])
    simulation.streams.set_aside(Held(one, place, "dead-lettered", until_ms) for one in ids)


def event_of(
    records: Sequence[Record], simulation: Simulation, function: Function
) -> dict[str, Any]:
    """Lambda's event of a batch."""
    stream = records[0].stream
    more: dict[str, Any] = {
        "awsRegion": simulation.deployed.topology.region,
        "eventSourceARN": stream.arn,
    }
    if not stream.is_of_table:
        more["invokeIdentityArn"] = function.role_arn
    return {"Records": [{**record.event, **more} for record in records]}


def _ids(records: Sequence[Record]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for record in records for one in record.messages))


def _document(
    simulation: Simulation,
    function: Function,
    records: Sequence[Record],
    outcome: Outcome | None,
    condition: str,
    attempts: int,
) -> dict[str, Any]:
    first, last = records[0], records[-1]
    name = "DDBStreamBatchInfo" if first.stream.is_of_table else "KinesisBatchInfo"
    document: dict[str, Any] = {
        "requestContext": {
            "requestId": simulation.identities.new_id(),
            "functionArn": function.arn,
            "condition": condition,
            "approximateInvokeCount": attempts,
        }
    }
    if outcome is not None:
        response: dict[str, Any] = {"statusCode": 200, "executedVersion": "$LATEST"}
        if outcome.kind == "failed":
            response["functionError"] = "Unhandled"
        document["responseContext"] = response
    document["version"] = "1.0"
    document["timestamp"] = _time(simulation, simulation.now_ms)
    document[name] = {
        "shardId": first.shard_id,
        "startSequenceNumber": first.sequence_number,
        "endSequenceNumber": last.sequence_number,
        "approximateArrivalOfFirstRecord": _time(simulation, first.arrived_ms),
        "approximateArrivalOfLastRecord": _time(simulation, last.arrived_ms),
        "batchSize": len(records),
        "streamArn": first.stream.arn,
    }
    return document


def _time(simulation: Simulation, at_ms: int) -> str:
    moment = datetime.fromtimestamp((simulation.scheduler.epoch_ms + at_ms) / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _key(simulation: Simulation, folder: str) -> str:
    """aws/lambda/<ESM-UUID>/<shardID>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<Random UUID>"""
    moment = datetime.fromtimestamp(simulation.wall_ms / 1000, UTC)
    name = f"{moment:%Y-%m-%dT%H.%M.%S}-{simulation.identities.new_id()}"
    return f"{folder}/{moment:%Y/%m/%d}/{name}"
