"""What a rule is: data alone, so that settings, reports and pages can name it."""

from __future__ import annotations

from dataclasses import dataclass

ERROR, WARNING, NOTE = "error", "warning", "note"
SEVERITIES = (ERROR, WARNING, NOTE)
PREFIX = "audit:"  # of the properties that rules become


@dataclass(frozen=True)
class Trial:
    """What is run to see a finding lose or double a message.

    `property_name` is what it is judged by. `point` is where a fault strikes: "request",
    "delivery", "invocation", "writes" (each call of a function that changes something), or "" for
    none. `lasting` tries it for longer than the retries in its way. `bad`: a message that is
    refused for good, alone or before and between good ones. `content`: whether awkward characters
    are found again.
    """

    property_name: str
    point: str = ""
    kind: str = ""
    variant: str = ""
    lasting: bool = False
    messages: int = 1
    bad: bool = False
    content: bool = False


@dataclass(frozen=True)
class Rule:
    """One rule.

    `page` is AWS's that it comes from. `remedy` are the lines to write in general, `remarks` what
    to say beside the lines of each change for one template; in both <Name> stands for what a
    finding calls so. `trials` are tried in their order until one shows the harm, none where no run
    can. `needs_code`: whether what a run shows hangs on the handlers.
    """

    id: str
    title: str
    severity: str
    page: str
    looks_for: str
    harm: str
    remedy: tuple[str, ...]
    trials: tuple[Trial, ...] = ()
    needs_code: bool = True
    remarks: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As properties are called: "audit:no-dlq"."""
        return PREFIX + self.id
