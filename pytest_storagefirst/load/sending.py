"""How one message is sent: a request to a front door, or a call of AWS's as a producer makes it.

Imported in the Locust process alone.
"""

from __future__ import annotations

import json

from pytest_storagefirst.load.http_client import HttpClient, NoAnswer, NotSent
from pytest_storagefirst.load.outcomes import ACCEPTED, REJECTED
from pytest_storagefirst.load.plan import Plan
from pytest_storagefirst.load.replies import outcome_of
from pytest_storagefirst.load.sender import Answer, Send


def sending(plan: Plan) -> Send:
    """What sends a message, given its id and its kind, and says what was answered."""
    return _calls(plan) if plan.way.service else _requests(plan)


def _requests(plan: Plan) -> Send:
    way = plan.way
    client = HttpClient(way.url, plan.profile.timeout_seconds, way.method, way.headers)

    def send(message: str, kind: str) -> Answer:
        status, content = client.send(way.body_of(message, kind), message)
        outcome = outcome_of(status, content)
        return Answer(outcome, "" if outcome == ACCEPTED else f"answered {status}", content)

    return send


def _calls(plan: Plan) -> Send:
    """Without the SDK's own repeats: each send has one outcome."""
    import boto3
    from botocore import exceptions
    from botocore.config import Config

    way, profile = plan.way, plan.profile
    config = Config(
        retries={"total_max_attempts": 1},
        connect_timeout=profile.timeout_seconds,
        read_timeout=profile.timeout_seconds,
        max_pool_connections=profile.at_once,
    )
    # A target on loopback has credentials of its own; AWS's are those of whoever runs this.
    session = boto3.Session(region_name=way.region, **way.credentials)
    client = session.client(way.service, endpoint_url=way.url or None, config=config)
    call = getattr(client, way.operation)
    never_sent = (
        exceptions.EndpointConnectionError,
        exceptions.ConnectTimeoutError,
        exceptions.SSLError,
        exceptions.NoCredentialsError,
        exceptions.ParamValidationError,
    )

    def send(message: str, kind: str) -> Answer:
        try:
            said = call(**way.parameters_of(message, kind))
        except exceptions.ClientError as error:
            told = error.response["ResponseMetadata"]
            return Answer(
                outcome_of(int(told["HTTPStatusCode"]), b""),
                f"answered {told['HTTPStatusCode']} {error.response['Error'].get('Code', '')}",
                str(error).encode(),
            )
        except never_sent as error:
            raise NotSent(str(error)) from None
        except exceptions.BotoCoreError as error:
            raise NoAnswer(str(error)) from None
        outcome = outcome_of(200, json.dumps(said, default=str).encode())
        return Answer(outcome, "an entry failed" if outcome == REJECTED else "")

    return send
