"""A handler finds the process as Lambda would have it, and its tester gets it back as it was."""

from __future__ import annotations

import atexit
import json
import locale
import logging
import logging.config
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from pytest_storagefirst.simulation.environment import Code


def run_source(rig: Any, folder: Path, source: str, **more: Any) -> Any:
    played = rig.with_files(folder, app=source).play(**more)
    assert played.errors == (), played.errors
    return played


# -- environment variables --------------------------------------------------------------------


def test_variables_are_lambdas_and_the_functions_own(
    rig: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_TESTER", "secret")
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREAL")
    played = run_source(
        rig,
        tmp_path,
        """
        import json, os
        def handler(event, context):
            print(json.dumps(dict(os.environ)))
            print(os.environb[b"STAGE"].decode(), os.getenv("OF_THE_TESTER"))
        """,
    )
    first, second = played.printed.splitlines()
    seen = json.loads(first)
    assert second == "test None"
    assert seen["STAGE"] == "test"
    assert seen["AWS_LAMBDA_FUNCTION_NAME"] == "worker"
    assert seen["AWS_REGION"] == seen["AWS_DEFAULT_REGION"] == "us-east-1"
    assert seen["LAMBDA_TASK_ROOT"] == str(tmp_path)
    assert seen["AWS_ACCESS_KEY_ID"] != "AKIAREAL"
    assert "AWS_PROFILE" not in seen
    # None of them differs from machine to machine.
    values = {**os.environ, "HOME": str(Path.home())}
    for name in ("PATH", "HOME", "LANG"):
        assert seen[name] != values.get(name, "none") or name == "LANG"


def test_variables_that_a_handler_sets_are_its_environments(rig: Any, tmp_path: Path) -> None:
    source = """
    import os
    os.environ["AT_IMPORT"] = "1"
    def handler(event, context):
        print(os.environ.get("COUNT", "0"), os.environ["AT_IMPORT"])
        os.environ["COUNT"] = str(int(os.environ.get("COUNT", "0")) + 1)
        del os.environ["STAGE"]
    """.replace('del os.environ["STAGE"]', 'os.environ.pop("STAGE", None)')
    stack = rig.with_files(tmp_path, app=source)
    for _ in range(2):
        played = stack.play("Worker: invocation #3: recycled", messages=3, batch_limit=1)
        assert played.printed.splitlines() == ["0 1", "1 1", "0 1"]
    assert "COUNT" not in os.environ
    assert "AT_IMPORT" not in os.environ


def test_processes_of_the_tester_do_not_inherit_a_handlers_variables(
    rig: Any, tmp_path: Path
) -> None:
    run_source(
        rig,
        tmp_path,
        """
        import os
        os.environ["LEAKED"] = "yes"
        os.putenv("LEAKED_TOO", "yes")
        os.environ.pop("TZ")
        def handler(event, context): pass
        """,
    )
    done = subprocess.run(["/usr/bin/env"], stdout=subprocess.PIPE, text=True, check=True, env=None)
    assert "LEAKED" not in done.stdout


def test_time_is_utc_and_the_testers_zone_comes_back(
    rig: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        played = run_source(
            rig,
            tmp_path,
            """
            import datetime, os, time
            def handler(event, context):
                print(time.localtime().tm_hour, datetime.datetime.now().isoformat(), time.tzname[0])
                os.environ["TZ"] = "Asia/Tokyo"
                time.tzset()
            """,
        )
        assert played.printed.startswith("0 2026-01-01T00:00:00.1")
        assert played.printed.endswith(" UTC\n")
        assert os.environ["TZ"] == "America/New_York"
        assert time.tzname[0] == "EST"
    finally:
        monkeypatch.undo()
        time.tzset()


# -- folder, files ----------------------------------------------------------------------------


def test_files_are_opened_from_the_codes_folder(rig: Any, tmp_path: Path) -> None:
    before = Path.cwd()
    (tmp_path / "config.json").write_text('{"a": 1}')
    source = """
    import os
    def handler(event, context):
        print(open("config.json").read(), os.path.basename(__file__))
    """
    assert run_source(rig, tmp_path, source).printed == '{"a": 1} app.py\n'
    assert Path.cwd() == before


def test_a_folder_is_each_environments_own(rig: Any, tmp_path: Path) -> None:
    source = """
    import boto3, os
    os.chdir("inner")
    def handler(event, context):
        boto3.client("lambda").invoke(FunctionName="callee", Payload=b"{}")
        print(os.path.basename(os.getcwd()))
    """
    (tmp_path / "w" / "inner").mkdir(parents=True)
    before = Path.cwd()
    stack = rig.with_files(tmp_path / "w", app=source)
    callee = "import os\ndef handler(event, context):\n    print(os.getcwd())\n"
    stack = stack.with_code(Callee=Code("Callee", "index.handler", inline=callee))
    assert stack.play().printed.splitlines() == [str(before), "inner"]
    assert Path.cwd() == before


def test_a_folder_that_is_gone_is_no_reason_to_fail(
    rig: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert rig.play().observation.quiet


# -- output -----------------------------------------------------------------------------------

NOISE = """
import logging, sys, threading, warnings
logger = logging.getLogger(__name__)
class Cycle:
    def __del__(self):
        raise ValueError("in a finalizer")
def handler(event, context):
    print("printed")
    print("to stderr", file=sys.stderr)
    sys.stdout.buffer.write(b"bytes\\n")
    sys.stdout.flush()
    sys.stdout.reconfigure(line_buffering=True)
    assert not sys.stdout.isatty()
    logging.info("info"); logging.error("root error"); logger.error("own error")
    logging.getLogger("botocore").error("library error")
    warnings.warn("warned")
    Cycle()
    def fail():
        raise ValueError("in a thread")
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
"""


def test_nothing_of_a_handler_is_seen_in_the_testers_output(
    rig: Any,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        played = run_source(rig, tmp_path, NOISE)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
    assert caplog.records == []
    assert warned == []
    for text in ("printed", "to stderr", "bytes", "in a finalizer", "in a thread"):
        assert text in played.printed


def test_pytest_sees_nothing_of_it_either(tmp_path: Path) -> None:
    """With -W error, which makes an error of everything that got out."""
    test = tmp_path / "test_it.py"
    here = Path(__file__).with_name("conftest.py")
    (tmp_path / "conftest.py").write_text(here.read_text())
    test.write_text(
        f"NOISE = {NOISE!r}\n"
        + textwrap.dedent(
            """
        def test_it(rig, tmp_path):
            played = rig.with_files(tmp_path, app=NOISE).play()
            assert played.errors == ()
            assert "printed" in played.printed
        """
        )
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider",
         "-p", "no:storagefirst", "--rootdir", str(tmp_path), str(test)],
        capture_output=True, text=True, timeout=120, check=False, cwd=Path.cwd(),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].startswith("1 passed in")


def test_what_is_printed_is_bounded(rig: Any, tmp_path: Path) -> None:
    source = """
    def handler(event, context):
        for _ in range(100000):
            print("x" * 5000)
    """
    assert len(run_source(rig, tmp_path, source).printed) < 1_000_000


# -- logging ----------------------------------------------------------------------------------


def test_loggers_are_each_environments_own(rig: Any, tmp_path: Path) -> None:
    source = """
    import io, logging
    logger = logging.getLogger("app")
    logger.addHandler(logging.StreamHandler())
    logger.setLevel(logging.DEBUG)
    root = logging.getLogger()
    root.handlers[0].setFormatter(logging.Formatter("%(message)s"))
    def handler(event, context):
        print(len(logger.handlers), len(root.handlers), root.level, logger.parent is root)
    """
    stack = rig.with_files(tmp_path, app=source)
    for _ in range(3):
        assert stack.play().printed == "1 1 30 True\n"
    assert logging.getLogger("app").handlers == []
    assert logging.getLogger("app").level == logging.NOTSET


CONFIGURING = (
    "logging.basicConfig(level=logging.DEBUG, force=True)",
    "logging.config.dictConfig({'version': 1, 'root': {'level': 'DEBUG'}})",
    "logging.getLogger().setLevel(logging.DEBUG); logging.getLogger().handlers.clear()",
    "logging.disable(logging.CRITICAL)",
    "logging.setLoggerClass(type('Own', (logging.Logger,), {}))",
    "logging.setLogRecordFactory(lambda *a, **k: 1 / 0)",
    "logging.captureWarnings(True)",
    "logging.shutdown()",
)


@pytest.mark.parametrize("statement", CONFIGURING)
def test_the_testers_logging_is_as_it_was(
    rig: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, statement: str
) -> None:
    mine = logging.getLogger("the.testers")
    kept = logging.StreamHandler()
    mine.addHandler(kept)
    root = logging.getLogger()
    before = (list(root.handlers), root.level, dict(root.manager.loggerDict), mine.disabled)
    show_warning = warnings.showwarning
    try:
        source = f"import logging, logging.config\n{statement}\ndef handler(event, context): pass\n"
        run_source(rig, tmp_path, source)
        assert logging.getLogger() is root
        assert (list(root.handlers), root.level, dict(root.manager.loggerDict), mine.disabled) == (
            before
        )
        assert mine.handlers == [kept]
        assert type(logging.getLogger(f"new after {statement}")) is logging.Logger
        with caplog.at_level(logging.INFO):
            mine.info("heard")
        assert [record.message for record in caplog.records] == ["heard"]
        assert warnings.showwarning is show_warning
        assert kept in [reference() for reference in logging._handlerList]  # type: ignore[attr-defined]
    finally:
        mine.removeHandler(kept)


def test_a_logger_that_a_shared_library_keeps_is_the_testers(
    rig: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A library that a handler is the first to import logs to the tester's loggers afterwards."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "a_library.py").write_text("import logging\nlogger = logging.getLogger(__name__)\n")
    monkeypatch.syspath_prepend(str(site))
    try:
        run_source(rig, tmp_path / "w", "import a_library\ndef handler(event, context): pass\n")
        sys.modules["a_library"].logger.error("heard")
        assert [record.message for record in caplog.records] == ["heard"]
    finally:
        sys.modules.pop("a_library", None)


# -- the rest of the process ------------------------------------------------------------------


def observed() -> dict[str, Callable[[], Any]]:
    return {
        "sys.path": lambda: list(sys.path),
        "meta_path": lambda: list(sys.meta_path),
        "stdout": lambda: (sys.stdout, sys.stderr, sys.stdin),
        "hooks": lambda: (sys.excepthook, sys.unraisablehook, threading.excepthook),
        "filters": lambda: (list(warnings.filters), warnings.showwarning),
        "signals": lambda: [signal.getsignal(number) for number in signal.valid_signals()],
        "timers": lambda: signal.getitimer(signal.ITIMER_VIRTUAL),
        "signal": lambda: signal.signal,
        "socket": socket.getdefaulttimeout,
        "locale": lambda: locale.setlocale(locale.LC_ALL),
        "recursion": sys.getrecursionlimit,
        "bytecode": lambda: sys.dont_write_bytecode,
        "environ": lambda: (os.environ.copy(), os.putenv, os.unsetenv),
        "atexit": lambda: (atexit.register, atexit._ncallbacks()),  # type: ignore[attr-defined]
        "session": lambda: boto3.DEFAULT_SESSION,
        "zone": lambda: time.tzname,
        "folder": Path.cwd,
        "random": lambda: __import__("random").getstate(),
        "clock": lambda: (time.time() > 1_600_000_000 and time.gmtime().tm_year != 2026) or True,
    }


UPHEAVAL = """
import atexit, boto3, locale, os, random, signal, socket, sys, threading, warnings
sys.path.append("/added")
sys.meta_path.append(object())
sys.meta_path.pop()
sys.stdout = sys.__stdout__
sys.excepthook = threading.excepthook = sys.unraisablehook = print
warnings.simplefilter("error")
warnings.showwarning = print
signal.signal(signal.SIGTERM, lambda number, frame: 1 / 0)
signal.signal(signal.SIGINT, signal.SIG_IGN)
socket.setdefaulttimeout(3)
locale.setlocale(locale.LC_ALL, "C.UTF-8")
sys.setrecursionlimit(12345)
os.environ["A"] = "B"
os.chdir("/")
random.seed(1)
atexit.register(print, "at exit")
@atexit.register
def ended():
    print("at exit")
boto3.setup_default_session(region_name="eu-west-1")
def handler(event, context):
    assert signal.signal(signal.SIGTERM, signal.SIG_DFL) is not signal.SIG_DFL
"""


def test_the_process_is_as_it_was(rig: Any, tmp_path: Path) -> None:
    stack = rig.with_files(tmp_path, app=UPHEAVAL)
    stack.play()  # the first may import things of ours
    before = {name: look() for name, look in observed().items()}
    played = stack.play()
    assert played.errors == (), played.errors
    for name, look in observed().items():
        assert look() == before[name], name


def test_the_testers_warnings_are_no_errors_of_a_handlers(rig: Any, tmp_path: Path) -> None:
    """filterwarnings = error is common; utcnow() is deprecated from Python 3.12 on."""
    source = """
    import datetime, warnings
    def handler(event, context):
        datetime.datetime.utcnow()
        warnings.warn("old", DeprecationWarning)
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run_source(rig, tmp_path, source)


# -- boto3's default session ------------------------------------------------------------------


def test_the_testers_default_session_is_not_the_handlers(
    rig: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = boto3.Session(region_name="ap-south-1", aws_access_key_id="AKIAREAL",
                         aws_secret_access_key="real")  # fmt: skip
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", mine)
    source = """
    import boto3
    def handler(event, context):
        print(boto3.client("sqs").meta.region_name)
        print(boto3.DEFAULT_SESSION.get_credentials().access_key)
    """
    assert run_source(rig, tmp_path, source).printed.split() == ["us-east-1", "AKIASTOREFIRSTSIMUL"]
    assert boto3.DEFAULT_SESSION is mine


def test_no_default_session_is_left_with_the_simulations_credentials(
    rig: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    run_source(rig, tmp_path, "import boto3\nboto3.client('sqs')\ndef handler(e, c): pass\n")
    assert boto3.DEFAULT_SESSION is None


def test_no_profile_or_configuration_of_the_testers_is_read(
    rig: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / ".aws").mkdir(parents=True)
    (home / ".aws" / "config").write_text(
        "[default]\nregion = ap-south-1\nmax_attempts = 9\nretry_mode = adaptive\n"
        "endpoint_url = http://localhost:4566\ns3 =\n  addressing_style = path\n"
    )
    (home / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id = AKIAREAL\naws_secret_access_key = real\n"
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("AWS_PROFILE", "nowhere")
    source = """
    import boto3
    def handler(event, context):
        client = boto3.Session().client("dynamodb")
        print(client.meta.region_name, client.meta.config.retries, client.meta.endpoint_url)
        print(boto3.Session().get_credentials().access_key)
    """
    played = run_source(rig, tmp_path / "w", source)
    assert "us-east-1" in played.printed
    assert "localhost" not in played.printed
    assert "adaptive" not in played.printed
    assert "AKIAREAL" not in played.printed
