"""Progress as a terminal, a log and xdist show it, each a pytest of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from pytest_storagefirst.ledger.properties import registered

if sys.platform == "win32":
    pytest.skip("pseudo-terminals", allow_module_level=True)

import fcntl
import pty
import struct
import termios

STEPS = 3
ITEMS = len(registered())  # of a template, one a property
PLAIN = ("CI", "BUILD_NUMBER", "NO_COLOR", "PY_COLORS")  # the last is pytester's own
BAR = "━"
ESCAPE = r"\x1b\[\d*[A-Za-z]"


def on_terminal(project, *arguments, columns=100, **environment):
    """All that pytest writes to a terminal of that width, escapes included."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    plain = {key: value for key, value in os.environ.items() if key not in PLAIN}
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "storagefirst", *arguments],
        cwd=project.path,
        env=plain | {"TERM": "xterm"} | environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            more = os.read(ours, 65536)
        except OSError:  # Linux says so when the other side has closed
            more = b""
        if not more:
            break
        written += more
    os.close(ours)
    assert process.wait() == 0, written.decode()
    return written.decode()


@pytest.fixture
def steps(project):
    project.write("template.yaml")
    project.behaves({"template.yaml": {"steps": STEPS}})
    return project


def test_a_bar_on_a_terminal_and_nothing_left_of_it(steps):
    written = on_terminal(steps, "template.yaml")

    assert written.count(" of 3 runs: pairs") == STEPS
    drawn, _, after = written.rpartition(" of 3 runs: pairs")[2].partition("\x1b[K")
    assert BAR not in drawn
    assert re.match(rf"\.{{{ITEMS}}} +\[100%\]", re.sub(ESCAPE, "", after))


def test_a_bar_beside_the_name_of_an_item(steps):
    written = on_terminal(steps, "-v", "template.yaml")

    first = next(line for line in written.splitlines() if "no-message-loss" in line)
    assert first.count(BAR) > 0
    assert re.sub(ESCAPE, "", first.rpartition("\x1b[K")[2]).startswith("PASSED")


@pytest.mark.parametrize(
    ("columns", "drawn"), [(0, ""), (20, ""), (40, f"{BAR * 8} 3 of 3 runs"), (60, ": pairs")]
)
def test_a_narrow_terminal(steps, columns, drawn):
    written = on_terminal(steps, "template.yaml", columns=columns)

    assert drawn in written
    assert (BAR in written) == bool(drawn)
    # A terminal that does not know its width is written to like a log.
    assert ("template.yaml: 1 of 3 runs after 0 s: pairs" in written) == (columns == 0)


def test_no_colour(steps):
    written = on_terminal(steps, "template.yaml", NO_COLOR="1")

    assert BAR in written
    assert "\x1b[3" not in written


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["-s"], {}),
        (["--log-cli-level=INFO"], {}),
        ([], {"TERM": "dumb"}),
        ([], {"CI": "true"}),
    ],
)
def test_lines_where_a_bar_would_be_in_the_way(steps, arguments, environment):
    written = on_terminal(steps, *arguments, "template.yaml", **environment)

    assert written.count("runs after 0 s: pairs\r\n") == STEPS
    assert BAR not in written


@pytest.mark.parametrize(
    "arguments", [["-q"], ["-n2"], ["-p", "no:terminal"], ["-n2", "-v"]], ids=" ".join
)
def test_nothing_where_nobody_watches_this_process(steps, arguments):
    assert " of 3 runs" not in on_terminal(steps, *arguments, "template.yaml")


def test_lines_in_a_log(steps):
    result = steps.run("template.yaml")

    assert result.ret == 0
    at = result.outlines.index("template.yaml: 1 of 3 runs after 0 s: pairs")
    assert result.outlines[at + 1 : at + 3] == [
        f"template.yaml: {done} of 3 runs after 0 s: pairs" for done in (2, 3)
    ]
    assert re.fullmatch(rf"template\.yaml \.{{{ITEMS}}} +\[100%\]", result.outlines[at + 4])


@pytest.mark.parametrize(
    "arguments", [["-p", "no:capture"], ["--capture=sys"], ["-p", "no:logging"]], ids=" ".join
)
def test_without_a_part_of_pytest(steps, arguments):
    steps.run(*arguments, "template.yaml").assert_outcomes(passed=ITEMS)
