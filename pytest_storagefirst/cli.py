"""The `storagefirst` command."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from pytest_storagefirst import __version__

if TYPE_CHECKING:
    from pytest_storagefirst.report.merged import Merged
    from pytest_storagefirst.report.terminal import Line

SET_UP = 5  # the exit code of a target that can't be used, as of load runs and drills


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="storagefirst")
def main() -> None:
    """Finds out whether a storage-first system can lose an acknowledged message.

    A template is judged by pytest: pytest -p storagefirst template.yaml
    """


@main.command()
@click.argument("reports", nargs=-1, metavar="REPORT.json REPORT.json…", type=Path)
@click.option(
    "--report",
    "directory",
    type=Path,
    metavar="DIR",
    help="Write report.html, report.json and the replay files into DIR.",
)
@click.option("-v", "--verbose", "verbosity", count=True, help="Tell more; -vv site by site.")
def merge(reports: tuple[Path, ...], directory: Path | None, verbosity: int) -> None:
    """Merge the reports of shards, or of several templates.

    Each is the report.json of a run with --storagefirst-report=DIR. A stack whose shards are not
    all there is unknown. Exits with 0 when every property holds or does not apply, 1 when one is
    violated or unknown, 2 when the reports can't be read or merged.
    """
    from pytest_storagefirst.errors import StorageFirstError
    from pytest_storagefirst.report.merged import merge_reports, write_merged
    from pytest_storagefirst.report.terminal import stack_lines, story_lines

    try:
        merged = merge_reports(reports)
        if directory is not None:
            merged = write_merged(merged, directory)
    except StorageFirstError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"--report: {directory} can't be written: {error.strerror or error}")
    for template, outcome in merged.outcomes.items():
        _tell(stack_lines(template, outcome, merged.expected[template], verbosity=verbosity))
        _tell(story_lines(outcome))
    for outcome in merged.outcomes.values():
        for name, file in outcome.replays.items():
            click.echo(f"replay of {name}: {file}")
    if directory is not None:
        click.echo(f"report: {directory / 'report.html'} (report.json beside it)")
    _summarize(merged)
    sys.exit(0 if merged.passes else 1)


@main.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
@click.option("--budget", type=float, default=10.0, metavar="SECONDS", help="For each stack.")
@click.option(
    "--report",
    "directory",
    type=Path,
    metavar="DIR",
    help="Write report.html, survey.json and the replay files into DIR.",
)
def survey(folder: Path, as_json: bool, budget: float, directory: Path | None) -> None:
    """Explore every template in FOLDER and below.

    Each ends in verdicts, or in a refusal that names the reason. Exits with 0 when every template
    was judged or refused, 1 when one failed in a way that is a defect of ours, 2 without templates.
    """
    import json

    from pytest_storagefirst import survey as surveying
    from pytest_storagefirst.errors import StorageFirstError

    found = []
    try:
        for finding in surveying.survey(folder, budget_seconds=budget, report=directory):
            found.append(finding)
            if not as_json:
                _tell_finding(finding)
    except StorageFirstError as error:
        _fail(str(error))
    text = json.dumps({"version": 1, "templates": found}, indent=2, ensure_ascii=False)
    if as_json:
        click.echo(text)
    else:
        judged = sum(not one["refused"] for one in found)
        standing = sum(one["stands_up"] for one in found)
        click.echo(f"{len(found)} templates: {standing} stand up, {judged} judged")
    if directory is not None:
        from pytest_storagefirst.report.stack_html import write_html

        try:
            directory.mkdir(parents=True, exist_ok=True)
            (directory / "survey.json").write_text(text + "\n", encoding="utf-8")
            page = write_html({"stacks": found}, directory)
        except OSError as error:
            _fail(f"--report: {directory} can't be written: {error.strerror or error}")
        if not as_json:
            click.echo(f"report: {page} (survey.json beside it)")
    sys.exit(any(str(one["refused"] or "").startswith("internal error") for one in found))


@main.command()
@click.argument("templates", nargs=-1, required=True, metavar="TEMPLATE|DIR…", type=Path)
@click.option(
    "--format", type=click.Choice(["text", "json", "sarif", "github", "counts"]), default="text"
)
@click.option("--output", type=Path, metavar="FILE", help="Write the findings there instead.")
@click.option("--report", "directory", type=Path, metavar="DIR", help="Write audit.json into DIR.")
@click.option("--no-witness", is_flag=True, help="Run nothing: all findings are advice.")
@click.option("--strict", is_flag=True, help="Advice, too, makes the exit code 1.")
@click.option(
    "--budget",
    "budget_seconds",
    type=click.FloatRange(min=0),
    default=30.0,
    metavar="SECONDS",
    help="For the witnesses of each template (30).",
)
def audit(no_witness: bool, **asked: Any) -> None:
    """Find what the configuration of a TEMPLATE can lose or double, each shown by a run.

    What no run shows is advice. A finding is suppressed in its resource's Metadata, with a reason.
    Exits with 0 when there is nothing but advice, 1 when a run shows a finding, 2 when a template
    can't be read or a folder has none.
    """
    from pytest_storagefirst.audit.command import Asked, run_audit
    from pytest_storagefirst.errors import StorageFirstError

    try:
        code, lines = run_audit(Asked(witnesses=not no_witness, **asked))
    except StorageFirstError as error:
        _fail(str(error))
    _tell(lines)
    sys.exit(code)


@main.command()
@click.argument("template", required=False, type=Path)
@click.option("--force", is_flag=True, help="Overwrite what is there.")
def init(template: Path | None, force: bool) -> None:
    """Write storagefirst.toml and a first test beside TEMPLATE, from what can be seen in it.

    Without TEMPLATE it is the one in this folder. Exits with 2, and writes nothing, when there is
    none or several, when it does not stand up, and when there are settings already.
    """
    from pytest_storagefirst.errors import StorageFirstError
    from pytest_storagefirst.init import command

    try:
        for line in command.init(template, Path.cwd(), force=force):
            click.echo(line)
    except StorageFirstError as error:
        _fail(str(error))


@main.command()
@click.argument("template", required=False, metavar="[TEMPLATE|BLUEPRINT]")
@click.option(
    "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="Of the template."
)
def up(template: str | None, parameters: tuple[str, ...]) -> None:
    """Deploy a template or blueprint on this machine: the target "local".

    The emulator (ministack) and scripted third parties run as processes of their own on loopback,
    until `storagefirst down`. Without a template it is template.yaml here, or else a blueprint.
    Exits with 5 when that can't be done.
    """
    from pytest_storagefirst.errors import StorageFirstError
    from pytest_storagefirst.load import telling
    from pytest_storagefirst.target import local

    given = dict(one.partition("=")[::2] for one in parameters)
    for one in parameters:
        if "=" not in one:
            _fail(f"--parameter: {one!r} is not NAME=VALUE", SET_UP)
    try:
        for line in telling.lines(local.up(template, given, Path.cwd())):
            click.echo(line)
    except StorageFirstError as error:
        _fail(str(error), SET_UP)


@main.command()
def down() -> None:
    """End what `storagefirst up` started in this folder. Does nothing where nothing runs."""
    from pytest_storagefirst.errors import StorageFirstError
    from pytest_storagefirst.target import local

    try:
        click.echo("the local target is down" if local.down(Path.cwd()) else "nothing was up")
    except StorageFirstError as error:
        _fail(str(error), SET_UP)


@main.command()
@click.argument("profile", required=False)
@click.option("--target", default="local", metavar="local|stack:NAME", help="Where it is sent.")
@click.option("--slo", "objectives", multiple=True, metavar="EXPR", help="ingest.p99<300ms, …")
@click.option("--report", type=Path, metavar="DIR", help="Write the report into DIR.")
@click.option(
    "--processes",
    type=click.IntRange(min=0),
    default=1,
    help="How many send; 0: one process leads and sends.",
)
@click.option(
    "--duration",
    "seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Stretch or shorten what comes after the warm-up.",
)
@click.option("--file", type=Path, metavar="FILE", help="A locustfile of your own; see --init.")
@click.option("--list", "lists", is_flag=True, help="The profiles, a name a line.")
@click.option("--path", "shows_path", is_flag=True, help="Where the locustfile is.")
@click.option("--init", "inits", is_flag=True, help="Copy the files to edit to PROFILE, or load/.")
def load(
    profile: str | None, lists: bool, shows_path: bool, inits: bool, file: Path | None, **asked: Any
) -> None:
    """Offer PROFILE to a deployed stack and account for every message.

    Exits with 0 when all objectives are met, 3 when one is missed or a message is lost, 4 when the
    run does not show it, 5 when it can't be set up.
    """
    from pytest_storagefirst.errors import StorageFirstError
    from pytest_storagefirst.load import command, files

    try:
        if inits:
            for path in files.copy_to(Path(profile or "load")):
                click.echo(str(path))
        elif shows_path:
            click.echo(str(files.shipped() / "locustfile.py"))
        elif lists:
            folder = file.parent if file else files.shipped()
            click.echo("\n".join(files.profiles_for(folder, Path.cwd())))
        elif profile is None:
            raise click.UsageError("name a profile; storagefirst load --list names them all")
        else:
            asked["objectives"] = tuple(asked["objectives"])
            sys.exit(command.run_load(command.Asked(profile=profile, file=file, **asked)))
    except StorageFirstError as error:
        _fail(f"storagefirst load: {error.line}", SET_UP)


@main.command()
@click.argument("name", required=False, metavar="NAME|FILE")
@click.option("--target", default="local", metavar="local|stack:NAME", help="What is broken.")
@click.option("--live", metavar="ACCOUNT:REGION:STACK", help="Act; without it, a plan.")
@click.option("--report", type=Path, metavar="DIR", help="Write the report into DIR.")
@click.option("--alarm", "alarms", multiple=True, help="An alarm of CloudWatch that has to be OK.")
@click.option(
    "--journal",
    "journals",
    multiple=True,
    metavar="dynamodb:TABLE|s3://BUCKET/PREFIX",
    help="Keep the undo journal there, too: another machine can then recover.",
)
@click.option("--duration", "seconds", type=float, metavar="SECONDS", help="Of all of it.")
@click.option("--faults-only", is_flag=True, help="Send no message: nothing is judged.")
@click.option("--list", "lists", is_flag=True, help="The drills, a name a line.")
def drill(name: str | None, lists: bool, **asked: Any) -> None:
    """Plan the drill NAME on a deployed stack, or run it with --live, and undo it.

    Exits with 0 when all properties hold, 3 when one is violated, 4 when the drill does not show
    it, 5 when it can't be set up: then nothing was touched.
    """
    from pytest_storagefirst.chaos.drill import drill_names
    from pytest_storagefirst.errors import StorageFirstError

    if lists:
        click.echo("\n".join(drill_names()))
        return
    if name is None:
        raise click.UsageError("name a drill; storagefirst drill --list names them all")
    from pytest_storagefirst.chaos import command
    from pytest_storagefirst.chaos.interruptions import ignore_signals

    try:
        atexit.register(ignore_signals)
        sys.exit(command.drill(command.Asked(name=name, **asked), Path.cwd(), click.echo))
    except StorageFirstError as error:
        _fail(f"storagefirst drill: {error.line}", SET_UP)


@main.command()
@click.option("--target", default="local", metavar="local|stack:NAME", help="What was broken.")
@click.option(
    "--journal",
    "journals",
    multiple=True,
    metavar="dynamodb:TABLE|s3://BUCKET/PREFIX",
    help="Where a drill of another machine keeps its undo journal.",
)
@click.option(
    "--keep-changes", is_flag=True, help="What someone else changed meanwhile is meant so."
)
@click.option(
    "--salvage",
    "damaged",
    metavar="DRILL",
    help="The id of a drill whose journal is damaged or lost, or which can't be undone for good: "
    "undo what can be, tell what is left or can't be known, and let go of the stack.",
)
def recover(
    target: str, journals: tuple[str, ...], keep_changes: bool, damaged: str | None
) -> None:
    """Undo what drills left open, as after a SIGKILL, and say what was done.

    Exits with 0 when nothing is left, 4 when something could not be undone or is not known, 5 when
    nothing could be tried.
    """
    from pytest_storagefirst.chaos import command
    from pytest_storagefirst.chaos.interruptions import ignore_signals
    from pytest_storagefirst.errors import StorageFirstError

    try:
        atexit.register(ignore_signals)
        found = command.recovery(target, Path.cwd(), journals, keep_changes, click.echo, damaged)
        sys.exit(found)
    except StorageFirstError as error:
        _fail(f"storagefirst recover: {error.line}", SET_UP)


def _summarize(merged: Merged) -> None:
    """On GitHub Actions, for the job's page too."""
    from pytest_storagefirst.report.json import report
    from pytest_storagefirst.report.markdown import append_summary, summary_of_tests

    told = report(merged.outcomes, merged.expected, Path.cwd())
    problem = append_summary(summary_of_tests(told))
    if problem:
        click.echo(problem, err=True)


def _tell_finding(finding: dict[str, Any]) -> None:
    if finding["refused"]:
        first, *rest = str(finding["refused"]).splitlines()
        stands = "stands up, not judged" if finding["stands_up"] else "does not stand up"
        click.echo(f"{finding['template']}: {stands}: {first}")
        for line in rest:
            click.echo(f"    {line}")
        if finding["findings"]:
            click.echo(f"{finding['template']}: {_audit_told(finding['findings'])}")
        return
    verdicts: dict[str, list[str]] = {}
    for one in finding["properties"]:
        verdicts.setdefault(one["verdict"], []).append(one["name"])
    told = "; ".join(f"{verdict}: {', '.join(names)}" for verdict, names in verdicts.items())
    if finding["findings"]:
        told += f"; {_audit_told(finding['findings'])}"
    click.echo(f"{finding['template']}: {told}")


def _audit_told(findings: list[dict[str, Any]]) -> str:
    """ "audit: no-dlq with a witness; advice: 3"."""
    open_ones = [one for one in findings if not one["suppressed"]]
    shown = [one["rule"] for one in open_ones if one["witness"]]
    told = [f"{', '.join(dict.fromkeys(shown))} with a witness"] if shown else []
    if len(shown) < len(open_ones):
        told.append(f"advice: {len(open_ones) - len(shown)}")
    return f"audit: {'; '.join(told) or 'all suppressed'}"


def _tell(lines: Iterable[Line]) -> None:
    """On a terminal in colour, unless NO_COLOR says otherwise (no-color.org)."""
    colour = False if os.environ.get("NO_COLOR") else None
    for line in lines:
        shown = next((name for name, wanted in line.markup.items() if wanted), None)
        click.secho(line.text, fg=shown, color=colour)


def _fail(text: str, status: int = 2) -> NoReturn:
    click.echo(text, err=True)
    sys.exit(status)
