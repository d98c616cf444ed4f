"""All rules, by id, in the order in which reports list them."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_storagefirst.audit.rule import ERROR, NOTE, PREFIX, WARNING, Rule, Trial

_AWS = "https://docs.aws.amazon.com"
_SQS = f"{_AWS}/AWSSimpleQueueService/latest/SQSDeveloperGuide"
_LAMBDA = f"{_AWS}/lambda/latest/dg"
_API = f"{_AWS}/apigateway/latest/developerguide"

LOSS, TWICE, POISON, REDRIVE, DRAINS = (
    "no-message-loss",
    "no-duplicate-effects",
    "poison-isolated",
    "redrive-completes",
    "drains",
)
_REFUSED_FOR_LONG = Trial(LOSS, "writes", "refused", lasting=True)
_TARGET_REFUSES = (
    Trial(LOSS, "delivery", "target-refused", "access-denied"),
    Trial(LOSS, "delivery", "target-refused", lasting=True),
)
_ALL = (
    Rule(
        id="default-response-200",
        title="A backend's refusal is told to the sender as success",
        severity=ERROR,
        page=f"{_API}/api-gateway-integration-settings-integration-response.html",
        looks_for="a REST integration that writes to a service and answers a 4xx or 5xx of it with "
        "2xx, because its only response without a pattern is a default one",
        harm="what was not stored is acknowledged: it is lost",
        remedy=(
            "# beside the default response of <Route>",
            "responses:              # IntegrationResponses with SelectionPattern, in CloudFormation",
            '  "4\\\\d{2}": { statusCode: "400" }',
            '  "5\\\\d{2}": { statusCode: "500" }',
        ),
        trials=(
            Trial(LOSS, "request", "storage-refused", "server-error"),
            Trial(LOSS, "request", "storage-refused", "access-denied"),
        ),
        needs_code=False,
    ),
)

_BY_ID: Mapping[str, Rule] = {rule.id: rule for rule in _ALL}


def rules() -> Mapping[str, Rule]:
    """All rules by id."""
    return _BY_ID


def rule_names() -> tuple[str, ...]:
    """What properties they become: "audit:no-dlq", …"""
    return tuple(PREFIX + name for name in _BY_ID)
