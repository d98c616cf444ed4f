"""The command line and the ini file: declared, checked, and turned into `Settings`."""

from __future__ import annotations

import argparse
import glob
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_storagefirst.settings import DEFAULT_BUDGET_SECONDS, DEFAULT_MAX_FAULTS, Settings

ACTIVE_PLUGIN = "pytest_storagefirst.active"  # registered when there is something to judge
TEMPLATE_SUFFIXES = (".yaml", ".yml", ".json", ".template")
_GLOB_CHARACTERS = frozenset("*?[")
_TEMPLATES = pytest.StashKey[dict[Path, None]]()


def add_options(parser: pytest.Parser) -> None:
    """Declare every option and ini name; all carry the prefix `storagefirst`."""
    group = parser.getgroup("storagefirst", "storage-first stacks (pytest-storagefirst)")
    group.addoption(
        "--storagefirst-report",
        metavar="DIR",
        type=_directory,
        help="write report.json and the replay files into DIR",
    )
    group.addoption(
        "--storagefirst-replay",
        metavar="FILE",
        help="run the schedule of a replay file again; without other arguments, that alone",
    )
    group.addoption(
        "--storagefirst-seed",
        type=_whole_number("a seed", at_least=0),
        default=0,
        metavar="N",
        help="what every choice of an exploration follows from (default: 0)",
    )
    group.addoption(
        "--storagefirst-max-faults",
        type=_whole_number("a number of faults", at_least=1),
        default=DEFAULT_MAX_FAULTS,
        metavar="N",
        help="the most faults in one schedule: 1 tries single faults alone, 2 all pairs, too "
        f"(default: {DEFAULT_MAX_FAULTS})",
    )
    group.addoption(
        "--storagefirst-budget",
        type=_seconds,
        default=DEFAULT_BUDGET_SECONDS,
        metavar="SECONDS",
        help="time for each stack, in which orders of crossings, pairs of faults and drawn "
        "schedules are tried; single faults are always all tried, also when that takes longer "
        f"(default: {DEFAULT_BUDGET_SECONDS:g})",
    )
    group.addoption(
        "--storagefirst-shard",
        type=_shard,
        default=(1, 1),
        metavar="K/N",
        help="try only part K of N, K from 1, the same part on every machine; "
        "`storagefirst merge` makes one report of the reports of all parts",
    )
    parser.addini(
        "storagefirst_templates",
        "templates that a plain pytest judges: paths and globs, relative to rootdir",
        type="args",
        default=[],
    )


def settings_from(config: pytest.Config) -> Settings:
    """What the command line set; the template's own file comes on top (`load_settings`)."""
    return Settings(
        seed=config.getoption("storagefirst_seed"),
        max_faults=config.getoption("storagefirst_max_faults"),
        budget_seconds=config.getoption("storagefirst_budget"),
        shard=config.getoption("storagefirst_shard"),
    )


def report_directory(config: pytest.Config) -> Path | None:
    """Where --storagefirst-report points, seen from where pytest was started; None without it."""
    given = config.getoption("storagefirst_report")
    return config.invocation_params.dir / given if given else None


def replays_directory(config: pytest.Config) -> Path:
    """Where replay files are written: in the report, or in .storagefirst beside the ini file."""
    return (report_directory(config) or config.rootpath / ".storagefirst") / "replays"


def replay_file(config: pytest.Config) -> Path | None:
    """The file that --storagefirst-replay names; None without it."""
    given = config.getoption("storagefirst_replay")
    return _absolute(config.invocation_params.dir / given) if given else None


def shown_path(config: pytest.Config, path: Path) -> str:
    """A path as the user would type it where pytest was started."""
    absolute, here = _absolute(path), config.invocation_params.dir
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute)


def report_name(config: pytest.Config, path: Path) -> str:
    """What reports call a template: its path from rootdir, as in the ids of its items."""
    root = config.rootpath
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def configured_templates(config: pytest.Config) -> dict[Path, None]:
    """The files that `storagefirst_templates` names, in its order."""
    if _TEMPLATES not in config.stash:
        config.stash[_TEMPLATES] = {
            path: None
            for pattern in config.getini("storagefirst_templates")
            for path in _matches(config, pattern)
        }
    return config.stash[_TEMPLATES]


def is_meant(path: Path, parent: pytest.Collector, *, claimed: bool) -> bool:
    """Whether the user meant this file for us.

    Meant are the replay file, a template given by name on the command line that nothing else
    collects (`claimed`), and one that `storagefirst_templates` names. No other file is touched,
    whatever it looks like.
    """
    if path == replay_file(parent.config):
        return True
    if path.suffix not in TEMPLATE_SUFFIXES:
        return False
    given = parent.session.isinitpath(path) and not claimed
    return given or path in configured_templates(parent.config)


def check_files(config: pytest.Config) -> None:
    """Raise `pytest.UsageError` for files that the run is to judge and that don't exist.

    A template that is quietly not judged would look like one that passed. A replay without other
    arguments is made the only thing to run.
    """
    replay = replay_file(config)
    if replay is not None and not replay.is_file():
        raise pytest.UsageError(
            f"--storagefirst-replay: {replay} is no file; expected a replay file, as a failing "
            f"property names it, in {replays_directory(config)}"
        )
    if _user_chose(config):
        return
    if replay is not None:
        config.args = [str(replay)]
        return
    for pattern in config.getini("storagefirst_templates"):
        if not _matches(config, pattern):
            raise pytest.UsageError(
                f"storagefirst_templates: {pattern!r} names no template in {config.rootpath}; "
                f"expected a file that ends in {', '.join(TEMPLATE_SUFFIXES)}"
            )


def not_yet_collected(config: pytest.Config, items: list[pytest.Item]) -> list[Path]:
    """The files that are to be judged and that pytest's walk did not come by.

    A plain pytest may walk other folders ("tests") or leave the template's out ("build"). As
    arguments they would not do: pytest 8 runs nothing of a folder when a file in it is named too.
    """
    replay = replay_file(config)
    if replay is not None:
        wanted = [replay]
    elif _user_chose(config):
        wanted = []
    else:
        wanted = list(configured_templates(config))
    found = {item.path for item in items} if wanted else set()
    return [path for path in wanted if path not in found]


def _user_chose(config: pytest.Config) -> bool:
    return config.args_source is pytest.Config.ArgsSource.ARGS


def _matches(config: pytest.Config, pattern: str) -> list[Path]:
    if _GLOB_CHARACTERS.isdisjoint(pattern):
        names = [pattern]
    else:
        names = sorted(glob.glob(pattern, root_dir=config.rootpath, recursive=True))
    paths = [_absolute(config.rootpath / name) for name in names]
    return [path for path in paths if path.is_file() and path.suffix in TEMPLATE_SUFFIXES]


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # as pytest makes its own: ".." away, symlinks kept


def _whole_number(what: str, *, at_least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = at_least - 1
        if value < at_least:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not {what}: expected a whole number of at least {at_least}"
            )
        return value

    return read


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no time: expected seconds, as in 10 or 2.5")
    return value


def _directory(text: str) -> str:
    if Path(text).exists() and not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is a file: expected a folder, or a new name")
    return text


def _shard(text: str) -> tuple[int, int]:
    part, _, whole = text.partition("/")
    if not (part.isdecimal() and whole.isdecimal() and 1 <= int(part) <= int(whole)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no shard: expected K/N with 1 <= K <= N, as in 1/4"
        )
    return int(part), int(whole)
