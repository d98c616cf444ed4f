"""Canary messages: sent one at a time as a user would, each with an id of the drill's."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from pytest_storagefirst.errors import DrillError, StorageFirstError
from pytest_storagefirst.load.arrivals import GOOD, POISON
from pytest_storagefirst.load.entry import ways_into
from pytest_storagefirst.load.outcomes import ACCEPTED, NOT_SENT, REJECTED, UNKNOWN
from pytest_storagefirst.load.plan import UNIQUE, Way
from pytest_storagefirst.load.profiles import Profile
from pytest_storagefirst.load.replies import outcome_of
from pytest_storagefirst.stack.topology import Queue
from pytest_storagefirst.target.target import Target

ANSWERS_WITHIN_S = 10
_PROFILE = Profile("drill", "canary messages", (), ())


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """A redirect is an answer, and not followed."""


@dataclass(frozen=True)
class FrontDoor:
    """How a message is put in: through a route, or by a producer's call of boto3's."""

    target: Target
    way: Way

    def send(self, message: str, *, poison: bool = False) -> bytes:
        """ACCEPTED, REJECTED, UNKNOWN or NOT_SENT. Raises nothing."""
        kind = POISON if poison else GOOD
        return self._called(message, kind) if self.way.service else self._posted(message, kind)

    def send_all(self, messages: list[str], *, poison: bool = False) -> None:
        """Raises DrillError unless each is accepted."""
        for message in messages:
            if self.send(message, poison=poison) != ACCEPTED:
                raise DrillError(f"{self.way.name} did not accept {message}")

    def _posted(self, message: str, kind: str) -> bytes:
        way = self.way
        url = way.url.replace(UNIQUE, message)
        headers = {name: text.replace(UNIQUE, message) for name, text in way.headers.items()}
        request = urllib.request.Request(
            url, way.body_of(message, kind), headers, method=way.method
        )
        opener = urllib.request.build_opener(_NoRedirect)
        try:
            with opener.open(request, timeout=ANSWERS_WITHIN_S) as answer:
                return outcome_of(answer.status, answer.read())
        except urllib.error.HTTPError as error:
            return outcome_of(error.code, error.read())
        except urllib.error.URLError as error:
            refused = isinstance(error.reason, ConnectionRefusedError)
            return NOT_SENT if refused else UNKNOWN
        except (OSError, ValueError, http.client.HTTPException):
            return UNKNOWN

    def _called(self, message: str, kind: str) -> bytes:
        from botocore.exceptions import ClientError

        way = self.way
        call = getattr(self.target.session().client(way.service), way.operation)
        try:
            answer = call(**way.parameters_of(message, kind))
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
            return REJECTED if status < 500 else UNKNOWN
        except Exception:
            return UNKNOWN
        answer = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
        return outcome_of(200, json.dumps(answer, default=str).encode())


def front_doors(target: Target) -> tuple[FrontDoor, ...]:
    """All ways into a stack. Raises DrillError where no canary can be sent through one of them."""
    try:
        return tuple(FrontDoor(target, way) for way in ways_into(target, _PROFILE))
    except StorageFirstError as error:
        raise DrillError(**{**vars(error), "problem": f"no canary: {error.problem}"}) from None


def give_back(target: Target, queue: Queue, message: dict[str, Any]) -> None:
    """Others can receive it again at once."""
    target.session().client("sqs").change_message_visibility(
        QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
    )
