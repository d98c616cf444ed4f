"""The context object that Lambda hands to a Python handler (python-context)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Identity:
    cognito_identity_id: str | None = None
    cognito_identity_pool_id: str | None = None


@dataclass
class LambdaContext:
    """Time left is read from the virtual clock, in milliseconds.

    Not frozen: middleware keeps things in it, and Lambda's own lets it.
    """

    function_name: str
    invoked_function_arn: str
    aws_request_id: str
    memory_limit_in_mb: str
    remaining: Callable[[], int]
    function_version: str = "$LATEST"
    log_group_name: str = ""
    log_stream_name: str = "2026/01/01/[$LATEST]0"
    identity: Identity = field(default_factory=Identity)
    client_context: object = None
    tenant_id: str | None = None

    def get_remaining_time_in_millis(self) -> int:
        return max(0, self.remaining())

    def log(self, message: object) -> None:
        print(message)
