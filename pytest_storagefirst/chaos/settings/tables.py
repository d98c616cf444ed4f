"""How much a table takes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pytest_storagefirst.chaos.setting import Address, Setting, Value
from pytest_storagefirst.chaos.settings.settling import settled
from pytest_storagefirst.target.target import Target

ON_DEMAND, PROVISIONED = "PAY_PER_REQUEST", "PROVISIONED"
METRICS_WITHIN_S = 180.0  # CloudWatch has a minute's counts some minutes later
UNLIMITED = -1  # AWS's word for an on-demand table without a maximum


def _throughput(target: Target, address: Address) -> Value:
    client = target.session().client("dynamodb")
    table: dict[str, Any] = settled(
        lambda: client.describe_table(TableName=address["table"])["Table"],
        lambda found: found.get("TableStatus") == "ACTIVE",
    )
    if table.get("BillingModeSummary", {}).get("BillingMode") == ON_DEMAND:
        most = table.get("OnDemandThroughput", {})
        reads = most.get("MaxReadRequestUnits", UNLIMITED)
        writes = most.get("MaxWriteRequestUnits", UNLIMITED)
        return {"mode": ON_DEMAND, "read": int(reads), "write": int(writes)}
    units = table["ProvisionedThroughput"]
    return {
        "mode": PROVISIONED,
        "read": int(units["ReadCapacityUnits"]),
        "write": int(units["WriteCapacityUnits"]),
    }


def _set_throughput(target: Target, address: Address, value: Value, current: Value) -> None:
    client = target.session().client("dynamodb")
    if value["mode"] == ON_DEMAND:
        most = {"MaxReadRequestUnits": value["read"], "MaxWriteRequestUnits": value["write"]}
        client.update_table(TableName=address["table"], OnDemandThroughput=most)
    else:
        units = {"ReadCapacityUnits": value["read"], "WriteCapacityUnits": value["write"]}
        client.update_table(TableName=address["table"], ProvisionedThroughput=units)


def _felt(target: Target, address: Address, value: Value, since_s: float) -> str:
    """Whether DynamoDB has throttled a call: what a table saved up may carry some minutes' work."""
    client = target.session().client("cloudwatch")

    def is_throttled() -> bool:
        return any(
            point["Sum"] > 0
            for metric in ("ReadThrottleEvents", "WriteThrottleEvents")
            for point in client.get_metric_statistics(
                Namespace="AWS/DynamoDB",
                MetricName=metric,
                Dimensions=[{"Name": "TableName", "Value": address["table"]}],
                StartTime=datetime.fromtimestamp(since_s // 60 * 60, UTC),
                EndTime=datetime.now(UTC),
                Period=60,
                Statistics=["Sum"],
            )["Datapoints"]
        )

    try:
        settled(is_throttled, bool, 0.0 if target.endpoint_url else METRICS_WITHIN_S)
    except TimeoutError:
        return "CloudWatch counts no call of the table that was throttled"
    return ""


THROUGHPUT = Setting("table-throughput", "throughput", _throughput, _set_throughput, felt=_felt)

SETTINGS = (THROUGHPUT,)
