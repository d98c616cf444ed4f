"""What the rules find in one template, without running anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pytest_storagefirst.audit import fit, front_door, permissions, queues, routing, streams
from pytest_storagefirst.audit.catalogue import rules
from pytest_storagefirst.audit.origins import Origins
from pytest_storagefirst.audit.positions import Positions
from pytest_storagefirst.audit.remedies import remedy_lines
from pytest_storagefirst.audit.rule import Rule
from pytest_storagefirst.audit.suppressions import suppressions
from pytest_storagefirst.audit.view import Looked, Sources, View
from pytest_storagefirst.stack.document import read_document
from pytest_storagefirst.stack.template import Template

CHECKS: Mapping[str, Callable[[View], Iterator[Looked]]] = {
    "default-response-200": front_door.default_response,
    "body-not-encoded": front_door.body_not_encoded,
    "failed-entries-unchecked": front_door.failed_entries_unchecked,
    "no-batch-item-failures": queues.no_batch_item_failures,
    "no-dlq": queues.no_dlq,
    "dlq-retention": queues.dlq_retention,
    "visibility-timeout": queues.visibility_timeout,
    "max-receive-count": queues.max_receive_count,
    "filter-deletes": queues.filter_deletes,
    "event-target-no-dlq": routing.event_target_no_dlq,
    "subscription-no-dlq": routing.subscription_no_dlq,
    "async-no-destination": routing.async_no_destination,
    "stream-no-destination": streams.stream_no_destination,
    "stream-no-cap": streams.stream_no_cap,
    "stream-no-bisect": streams.stream_no_bisect,
    "stream-latest": streams.stream_latest,
    "constant-partition-key": streams.constant_partition_key,
    "iot-no-error-action": routing.iot_no_error_action,
    "missing-permission": permissions.missing_permission,
    "function-never-runs": fit.function_never_runs,
    "no-alarm": queues.no_alarm,
    "compute-before-storage": fit.compute_before_storage,
    "caller-waits": fit.caller_waits,
}


@dataclass(frozen=True)
class Finding:
    """A configuration that can lose or double messages.

    `resource` is the user's own logical id, `line` and `column` where it stands in their file.
    `suppressed` is the reason why it is kept, "" where it is not. `looked` is what the rule saw.
    `remedies` has the lines of each of its changes, `remedy` those to write.
    """

    rule: Rule
    resource: str
    line: int
    column: int
    message: str
    remedy: tuple[str, ...]
    looked: Looked = field(compare=False, repr=False)
    suppressed: str = ""
    remedies: tuple[tuple[str, ...], ...] = field(default=(), compare=False, repr=False)

    def cured_by(self, number: int) -> Finding:
        """With the remedy of which a run has shown that it helps."""
        return replace(self, remedy=self.remedies[number]) if self.remedies else self


@dataclass(frozen=True)
class Audit:
    """The findings in one template, by rule and line, and how many places each rule looked at.

    `notes` say which rules could not be applied to a template of this shape.
    """

    path: Path
    findings: tuple[Finding, ...]
    examined: Mapping[str, int]
    notes: tuple[str, ...] = ()

    @property
    def open(self) -> tuple[Finding, ...]:
        """What nobody suppressed."""
        return tuple(one for one in self.findings if not one.suppressed)

    @property
    def rule_names(self) -> tuple[str, ...]:
        """The properties that are open: "audit:no-dlq", each once."""
        return tuple(dict.fromkeys(one.rule.name for one in self.open))


def audit(template: Template) -> Audit:
    """Look at a template by all rules. Raises TemplateError for a suppression that is none."""
    written = read_document(template.path).value
    view = View(template.body["Resources"], Sources(_shared(written), template.code))
    origins = Origins(written)
    positions = Positions(template.path)
    kept = suppressions(template.path, origins, positions)
    findings: list[Finding] = []
    examined: dict[str, int] = {}
    notes: list[str] = []
    for name, rule in rules().items():
        try:
            looked = list(CHECKS[name](view))
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            notes.append(f"{name} was not looked for: {type(error).__name__}: {error}")
            continue
        examined[name] = len(looked)
        of_rule = [_finding(rule, one, origins, positions, kept) for one in looked if one.problem]
        findings += sorted(of_rule, key=lambda one: (one.line, one.column, one.message))
    return Audit(template.path, tuple(findings), examined, tuple(notes))


def _shared(written: Any) -> frozenset[str]:
    """The environment variables that SAM's Globals give to all functions."""
    node = written
    for key in ("Globals", "Function", "Environment", "Variables"):
        node = node.get(key) if isinstance(node, Mapping) else None
    return frozenset(map(str, node)) if isinstance(node, Mapping) else frozenset()


def _finding(
    rule: Rule,
    looked: Looked,
    origins: Origins,
    positions: Positions,
    kept: Mapping[tuple[str, str], str],
) -> Finding:
    origin = origins.of(looked.resource)
    line, column = positions.of(origin.path(origins.kind(origin.resource), looked.path))
    names = {"Resource": origin.resource, **looked.names}
    remedies = _remedies(rule, looked, names, origins)
    return Finding(
        rule,
        origin.resource,
        line,
        column,
        looked.problem,
        remedies[0],
        looked,
        kept.get((origin.resource, rule.id), ""),
        remedies,
    )


def _remedies(
    rule: Rule, looked: Looked, names: Mapping[str, str], origins: Origins
) -> tuple[tuple[str, ...], ...]:
    """The changes that are tried, each as it is to be written; in general terms where none can be.

    The first is what to write where no run says which of them helps.
    """
    general = tuple(_filled(text, names) for text in rule.remedy)
    remarks = [f"# {_filled(text, names)}" for text in rule.remarks]
    found = []
    for number, changes in enumerate(looked.changes):
        lines = remedy_lines(changes, origins)
        found.append((*remarks[number : number + 1], *lines) if lines else general)
    return tuple(found) or (general,)


def _filled(text: str, names: Mapping[str, str]) -> str:
    for name, value in names.items():
        text = text.replace(f"<{name}>", value)
    return text
