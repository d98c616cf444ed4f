"""One pytest session's explorations: who asks for them, what was expected, what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_storagefirst.exchange import Exchange
from pytest_storagefirst.explore.crew import Crew
from pytest_storagefirst.explore.interrupt import Progress, silence
from pytest_storagefirst.explore.outcome import (
    Outcome,
    Stopped,
    explore_template,
    replay_schedule,
)
from pytest_storagefirst.explore.result import StackResult
from pytest_storagefirst.options import replays_directory, report_directory, settings_from

DIRECTORY_KEY = "storagefirst_directory"  # in xdist's workerinput
_SESSION = pytest.StashKey["Session"]()


def with_audits(known: Outcome | None, template: str, audited: Outcome, lost: Outcome) -> Outcome:
    """What exploring a template came to, and its audits, which may be all that was asked for."""
    if known is None or known == lost:
        known = replace(lost, defect="", result=StackResult(template, ()))
    replays = {**known.replays, **audited.replays}
    return replace(known, audits=audited.audits, replays=replays)


class Session:
    """Explores each template once, and knows at the end which evidence is missing.

    `directory` is shared by the processes of an xdist run; None in a run of one process.
    """

    def __init__(self, config: pytest.Config, directory: Path | None) -> None:
        self._exchange = Exchange(directory)
        self._settings = settings_from(config)
        self._replays = replays_directory(config)
        self.progress: Progress = silence  # called after each run of an exploration
        self.problems: list[str] = []  # of reports that could not be written
        self.directory = directory
        self.report_directory = report_directory(config)

    def expect(self, template: str, properties: list[str]) -> None:
        """Note that items of this template were collected, so that each must have a verdict."""
        self._exchange.put(f"expected {template}", properties)

    def refuse(self, template: str, refusal: str) -> None:
        """Note why no item of this template could be collected."""
        self._exchange.put(f"explored {template}", Outcome(refusal=refusal).to_json())

    def explore(self, path: Path, template: str) -> Outcome:
        """What the template comes to; an interrupt goes on when what was found by then is kept."""
        name = f"explored {template}"

        def make(crew: Callable[[], Crew]) -> dict[str, Any]:
            try:
                return explore_template(
                    path, template, self._settings, self._replays, self.progress, crew
                ).to_json()
            except Stopped as stopped:
                # Of a crew, one may not have begun when another has found something.
                if stopped.outcome.result is not None or self._exchange.get(name) is None:
                    self._exchange.put(name, stopped.outcome.to_json())
                raise KeyboardInterrupt from None

        return Outcome.from_json(self._exchange.together(name, make))

    def audit(self, path: Path, template: str) -> Outcome:
        """What the rules find in the template, each with a run that shows it where there is one."""

        def make() -> dict[str, Any]:
            from pytest_storagefirst.audit.items import audit_template

            return audit_template(path, template, self._settings, self._replays).to_json()

        return Outcome.from_json(self._exchange.once(f"audited {template}", make))

    def replay(self, file: Path) -> Outcome:
        return Outcome.from_json(
            self._exchange.once(
                f"replayed {file}", lambda: replay_schedule(file, self._settings).to_json()
            )
        )

    def expected(self) -> dict[str, list[str]]:
        """The properties of each template that items were collected for."""
        return {
            name.removeprefix("expected "): self._exchange.get(name)
            for name in self._exchange.names()
            if name.startswith("expected ")
        }

    def gather(self) -> None:
        """Take over what xdist's workers found, once they are done."""
        self._exchange.gather()

    def outcomes(self) -> dict[str, Outcome]:
        """By template: what every collected template came to, also when that is nothing."""
        lost = Outcome(
            defect="not explored: the run, or the process that was to explore it, ended before"
        )
        found = dict.fromkeys(self.expected(), lost)
        found.update(self._told("explored "))
        for template, audited in self._told("audited ").items():
            found[template] = with_audits(found.get(template), template, audited, lost)
        return dict(sorted(found.items()))

    def replayed(self) -> dict[str, Outcome]:
        """By replay file: what replaying it showed."""
        return self._told("replayed ")

    def _told(self, kind: str) -> dict[str, Outcome]:
        return {
            name.removeprefix(kind): Outcome.from_json(self._exchange.get(name))
            for name in self._exchange.names()
            if name.startswith(kind)
        }


def session_of(config: pytest.Config) -> Session:
    """This process's `Session`, made when it is first asked for."""
    if _SESSION not in config.stash:
        directory = getattr(config, "workerinput", {}).get(DIRECTORY_KEY)
        config.stash[_SESSION] = Session(config, Path(directory) if directory else None)
    return config.stash[_SESSION]


def share_with_worker(config: pytest.Config, workerinput: dict[str, object]) -> None:
    """Give an xdist worker the directory that this run shares; made for the first worker."""
    if _SESSION not in config.stash:
        from tempfile import mkdtemp

        config.stash[_SESSION] = Session(config, Path(mkdtemp(prefix="storagefirst-")))
    workerinput[DIRECTORY_KEY] = str(config.stash[_SESSION].directory)
