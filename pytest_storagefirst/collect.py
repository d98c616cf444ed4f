"""A template is a test file, and each property of it a test item."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.errors import StorageFirstError
from pytest_storagefirst.explore.outcome import InternalError, Outcome, Refused
from pytest_storagefirst.explore.result import PropertyFailure, require
from pytest_storagefirst.ledger.properties import registered
from pytest_storagefirst.ledger.verdict import NOT_APPLICABLE
from pytest_storagefirst.options import (
    replay_file,
    report_name,
    settings_from,
    shown_path,
)
from pytest_storagefirst.progress import shown_progress
from pytest_storagefirst.session import session_of
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.settings_file import load_settings
from pytest_storagefirst.stack.read_ahead import read_template


def collector_for(path: Path, parent: pytest.Collector) -> pytest.File:
    """The collector of a file that is meant for us (`options.is_meant`)."""
    kind = ReplayFile if path == replay_file(parent.config) else TemplateFile
    return kind.from_parent(parent, path=path)


def collect_also(session: pytest.Session, paths: list[Path]) -> Iterator[pytest.Item]:
    """The items of files outside of pytest's walk; what `--ignore` names stays ignored."""
    for path in paths:
        hooks = session.gethookproxy(path.parent)
        if not hooks.pytest_ignore_collect(collection_path=path, config=session.config):
            yield from session.genitems(collector_for(path, session))


class TemplateFile(pytest.File):
    """A template; its items stand in the order of the properties, whichever were chosen."""

    def collect(self) -> Iterator[pytest.Item]:
        try:
            settings = load_settings(self.path, settings_from(self.config))
        except StorageFirstError as error:
            session_of(self.config).refuse(report_name(self.config, self.path), str(error))
            raise self.CollectError(str(error)) from None
        if settings.explores:
            for name in settings.properties or registered():
                yield PropertyItem.from_parent(self, name=name)
        for name in self._audits(settings):
            yield AuditItem.from_parent(self, name=name)

    def _audits(self, settings: Settings) -> tuple[str, ...]:
        """The rules that find something; none in a template that can't be read, which is told."""
        if settings.audits == ():
            return ()
        from pytest_storagefirst.audit.findings import audit

        try:
            template = read_template(self.path, settings, ahead=settings.explores)
        except StorageFirstError:
            return ()
        try:
            found = audit(template).rule_names
        except StorageFirstError as error:
            session_of(self.config).refuse(report_name(self.config, self.path), str(error))
            raise self.CollectError(str(error)) from None
        return tuple(name for name in found if settings.audits is None or name in settings.audits)


class ReplayFile(pytest.File):
    """A replay file, with one item."""

    def collect(self) -> Iterator[pytest.Item]:
        yield ReplayItem.from_parent(self, name="replay")


class StorageFirstItem(pytest.Item):
    """What our items share: they fail with a text, and the place of a failure is their file."""

    def reportinfo(self) -> tuple[Path, None, str]:
        # Not the id itself: where a report's name ends its id, pytest takes "." in it for "::".
        return self.path, None, f"{self.name} of {self.template}"

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if not isinstance(excinfo.value, PropertyFailure | Refused | InternalError):
            return super().repr_failure(excinfo)
        shown = excinfo.getrepr(style="value")
        if shown.reprcrash is not None:
            shown.reprcrash.path = str(self.path)
            shown.reprcrash.lineno = 1
            # Where CI is set, pytest's summary repeats the message whole, for every property.
            shown.reprcrash.message = shown.reprcrash.message.partition("\n")[0]
        return shown

    @property
    def template(self) -> str:
        return report_name(self.config, self.path)

    def show_trace(self, outcome: Outcome) -> None:
        if outcome.trace and self.config.getoption("fulltrace"):
            self.add_report_section("call", "storagefirst traceback", outcome.trace)


class PropertyItem(StorageFirstItem):
    """One property of one template: passes on ok alone."""

    def outcome(self) -> Outcome:
        session = session_of(self.config)
        with shown_progress(self, self.template) as session.progress:
            return session.explore(self.path, self.template)

    def runtest(self) -> None:
        outcome = self.outcome()
        self.show_trace(outcome)
        self.user_properties += recorded(outcome, self.name, self.config)
        result = outcome.of(self.name)
        if result.verdict == NOT_APPLICABLE:
            pytest.skip(result.why or "does not apply to this stack")
        remedy = result.about.get("remedy", ())
        hint = ["do:", *(f"  {line}" for line in remedy), result.about["page"]] if remedy else []
        replay = outcome.replays.get(self.name)
        if replay:
            shown = shown_path(self.config, Path(replay))
            hint.append(f"again: pytest -p storagefirst --storagefirst-replay={shown}")
        require(result, hint="\n".join(hint))


class AuditItem(PropertyItem):
    """One rule that finds something in a template: fails where a run shows it, else is skipped."""

    def outcome(self) -> Outcome:
        return session_of(self.config).audit(self.path, self.template)


def recorded(outcome: Outcome, name: str, config: pytest.Config) -> list[tuple[str, object]]:
    """What JUnit XML holds of a property beside its failure, as `record_property` would."""
    result = next(one for one in outcome.judged([name]) if one.name == name)
    replay = outcome.replays.get(name)
    told: dict[str, object] = {
        "verdict": result.verdict,
        "runs": result.runs,
        "faults_tried": result.faults_tried,
        "witness": shown_path(config, Path(replay)) if replay else "",
    }
    return [(f"storagefirst.{key}", value) for key, value in told.items() if value != ""]


class ReplayItem(StorageFirstItem):
    """A replayed schedule: passes when what it showed is fixed."""

    def runtest(self) -> None:
        outcome = session_of(self.config).replay(self.path)
        self.show_trace(outcome)
        if outcome.replayed is None:
            outcome.of("")
        else:
            require(outcome.replayed)


def note_expected(items: list[pytest.Item]) -> None:
    """Tell the session which properties of which templates are about to be judged."""
    expected: dict[str, list[str]] = {}
    for item in items:
        if isinstance(item, PropertyItem):
            expected.setdefault(item.template, []).append(item.name)
    for template, names in expected.items():
        session_of(items[0].config).expect(template, names)
