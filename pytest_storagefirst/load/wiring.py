"""What ties a load run to Locust: its options, events, messages between nodes, user and shape.

Imported by load/locustfile.py alone, after `import locust`.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
from locust.runners import STATE_INIT, LocalRunner, MasterRunner, WorkerRunner

from pytest_storagefirst.errors import StorageFirstError
from pytest_storagefirst.load.account import INCONCLUSIVE, SET_UP
from pytest_storagefirst.load.arrivals import new_run
from pytest_storagefirst.load.entry import way_into
from pytest_storagefirst.load.files import profiles_for
from pytest_storagefirst.load.forked import end_forked_workers, end_with
from pytest_storagefirst.load.master import Master
from pytest_storagefirst.load.options import add_options
from pytest_storagefirst.load.plan import Plan
from pytest_storagefirst.load.profiles import chosen, for_run
from pytest_storagefirst.load.sender import Send
from pytest_storagefirst.load.sending import sending
from pytest_storagefirst.load.share import Share
from pytest_storagefirst.load.signals import on_interrupt, raise_on_interrupt
from pytest_storagefirst.target.observe import Observer
from pytest_storagefirst.target.target import Target, find_target

REPORT = "storagefirst_report"  # of a worker to the master
STOP = "storagefirst_stop"  # of the master to the workers
PLAN = "storagefirst_plan"  # among the options that the master hands its workers
LOCAL = "local"  # the name of the one worker, where a process leads and sends alike
REPORT_EVERY_S = 1.0
LINE_EVERY_S = 5.0


class Run:
    """One process's part in a load run: it leads, or sends, or, alone, both.

    `find` and `observe` say where the target is found and who looks at it.
    """

    def __init__(
        self,
        events: Any,
        folder: Path,
        *,
        find: Callable[[str, Path], Target] = find_target,
        observe: Callable[[Target, str], Any] = Observer,
    ) -> None:
        self._folder, self._find, self._observe = folder, find, observe
        self._environment: Any = None
        self._master: Master | None = None
        self._share: Share | None = None
        self._began_in = os.getpid()  # of a worker that is forked later, its parent
        self._is_stopped = False
        self._ready_for = ("", "")
        self._said_s = 0.0
        events.init_command_line_parser.add_listener(add_options)
        events.init.add_listener(self._on_init)
        events.test_start.add_listener(self._on_test_start)
        events.test_stopping.add_listener(self._on_test_stopping)
        events.report_to_master.add_listener(self._on_report_to_master)
        events.worker_report.add_listener(self._on_worker_report)
        events.quitting.add_listener(self._on_quitting)

    # --- what the user class and the shape of the locustfile do -------------------------------

    def offer(self, send: Send | None = None) -> None:
        """Send this process's share of the messages; returns when Locust stops the user."""
        if self._share is not None:
            self._share.send_all(send or self.sending())
        while True:
            gevent.sleep(3600)

    def sending(self) -> Send:
        """How a message is sent where nothing else is said: to the stack's entry."""
        assert self._share is not None
        return sending(self._share.plan)

    def tick(self) -> tuple[int, float] | None:
        """One user a worker while messages are due, none while the stack drains, then the end."""
        try:
            return self._ticked()
        except Exception as error:  # Locust would print its traceback
            self._failed(error)
            return None

    def _ticked(self) -> tuple[int, float] | None:
        master = self._master
        if master is None or master.document is not None:
            # A run that was just asked for, in the web UI too, is prepared when it starts.
            is_asked_for = self._environment.runner.state == STATE_INIT
            count = len(self._names_of_workers())
            return (count, float(count)) if is_asked_for else None
        self._watch_workers(master)
        if master.plan.workers and time.monotonic() - self._said_s >= LINE_EVERY_S:
            self._said_s = time.monotonic()
            master.say(master.line())
        workers = len(master.plan.workers or self._names_of_workers())
        if not master.plan.workers or master.is_sending:
            return workers, float(workers)
        if not master.look():
            return 0, float(workers)
        self._conclude()
        return None

    # --- its beginning ------------------------------------------------------------------------

    def _on_init(self, environment: Any, runner: Any, **_: Any) -> None:
        self._environment = environment
        if isinstance(runner, WorkerRunner):
            environment.process_exit_code = 0  # the master's is the run's
            runner.register_message(STOP, self._on_stop)
            on_interrupt(self._interrupt_worker)
            if os.getpid() != self._began_in:
                end_with(self._began_in, INCONCLUSIVE)
            return
        if environment.parsed_options.storagefirst_quiet:
            logging.getLogger("locust.stats_logger").disabled = True
        if environment.parsed_options.processes:
            atexit.register(end_forked_workers)
        raise_on_interrupt()
        environment.process_exit_code = INCONCLUSIVE  # until something was shown
        if isinstance(runner, MasterRunner):
            runner.register_message(REPORT, self._on_report)
        try:
            self._master = self._prepared()
        except KeyboardInterrupt:
            _say("storagefirst load: interrupted before any load was sent")
            sys.exit(INCONCLUSIVE)
        except StorageFirstError as error:
            _say(f"storagefirst load: {error.line}")
            sys.exit(SET_UP)
        except Exception as error:
            if type(error).__module__.partition(".")[0] not in ("botocore", "boto3"):
                raise
            _say(f"storagefirst load: the target can't be used: {' '.join(str(error).split())}")
            sys.exit(SET_UP)
        on_interrupt(self._interrupt)

    def _asked(self) -> tuple[str, str]:
        options = self._environment.parsed_options
        return options.storagefirst_load_profile, options.storagefirst_target

    def _prepared(self) -> Master:
        options = self._environment.parsed_options
        self._ready_for = self._asked()
        profile = for_run(
            chosen(
                profiles_for(self._folder, Path.cwd()),
                options.storagefirst_load_profile,
            ),
            objectives=options.storagefirst_slo or (),
            seconds=options.storagefirst_load_duration,
        )
        run = new_run(time.time_ns(), os.getpid())
        target = self._find(options.storagefirst_target, Path.cwd())
        master = Master(
            run=run,
            profile=profile,
            target=target,
            way=way_into(target, profile),
            observer=self._observe(target, run),
            report_folder=Path(options.storagefirst_report)
            if options.storagefirst_report
            else None,
            say=_say,
        )
        master.prepare()
        return master

    def _on_test_start(self, environment: Any, **_: Any) -> None:
        runner = environment.runner
        self._share = None
        if isinstance(runner, WorkerRunner):
            document = getattr(environment.parsed_options, PLAN, None)
            if document:
                self._take_share(Plan.of(document), runner.client_id)
            return
        asked = self._asked()
        if self._master is None or self._master.document is not None or asked != self._ready_for:
            try:  # again, or for another profile, from the web UI
                self._master = self._prepared()
            except StorageFirstError as error:
                _say(f"storagefirst load: {error.line}")
                self._master = None
        if self._master is None or self._master.is_interrupted:
            return
        self._master.begin(self._names_of_workers())
        if isinstance(runner, LocalRunner):
            self._take_share(self._master.plan, LOCAL)
        else:
            setattr(environment.parsed_options, PLAN, self._master.plan.document())

    def _take_share(self, plan: Plan, name: str) -> None:
        self._share = Share(plan, name, self._environment.events.request)
        gevent.spawn(self._report_on, self._share)

    # --- its end ------------------------------------------------------------------------------

    def _interrupt(self) -> None:
        """Once: no more is sent, then drain and verdict. Twice: the drain is not waited for."""
        master, runner = self._master, self._environment.runner
        if master is None or not master.plan.workers or master.document is not None:
            self._leave()
        elif master.is_interrupted:
            master.give_up()
        else:
            _say("interrupted: what was sent is drained and judged; again to leave the drain out")
            master.interrupt()
            if isinstance(runner, MasterRunner):
                runner.send_message(STOP)
            self._on_stop()

    def _leave(self) -> None:
        """Nothing but the pilot was sent: there is nothing to wait for."""
        master = self._master
        if master is not None and master.document is None:
            master.begin(())
            master.interrupt()
            master.give_up()
            self._conclude()
        code = self._environment.process_exit_code
        gevent.kill(gevent.get_hub().parent, SystemExit(code))  # the main greenlet

    def _interrupt_worker(self) -> None:
        """A Ctrl-C reaches forked workers too: the master asks for what is left, then ends them."""
        if self._is_stopped or self._share is None or not self._share.has_begun:
            gevent.kill(gevent.get_hub().parent, SystemExit(0))
        self._is_stopped = True
        self._on_stop()

    def _on_test_stopping(self, **_: Any) -> None:
        """Someone pressed Stop in the web UI, or the last worker went."""
        master = self._master
        if master is not None and master.plan.workers and master.document is None:
            master.interrupt()
            if self._environment.web_ui is not None:
                gevent.spawn(self._conclude)

    def _on_quitting(self, environment: Any, **_: Any) -> None:
        if isinstance(environment.runner, WorkerRunner):
            if self._share is not None:
                self._share.finish()
            return
        master = self._master
        if master is None:
            return
        if master.document is None:
            master.interrupt()
            if isinstance(environment.runner, MasterRunner):
                environment.runner.send_message(STOP)
            if not master.plan.workers:
                master.begin(())
        self._conclude()

    def _conclude(self) -> None:
        master = self._master
        assert master is not None
        if self._share is not None:
            self._share.finish()
            self._tell_report(self._share)
        try:
            self._environment.process_exit_code = master.conclude()["exit"]
        except Exception as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        """What nobody foresaw ends the run without a verdict."""
        self._environment.process_exit_code = INCONCLUSIVE
        told = " ".join(str(error).split()) or "no more is known"
        _say(f"storagefirst load: the run can't be judged: {type(error).__name__}: {told}")

    # --- a sender's part ----------------------------------------------------------------------

    def _report_on(self, share: Share) -> None:
        """Tell the master every second, until all is told."""
        while self._share is share:
            gevent.sleep(REPORT_EVERY_S)
            if self._tell_report(share):
                return

    def _tell_report(self, share: Share) -> bool:
        report = share.report()
        if report is None:
            return False
        runner = self._environment.runner
        if isinstance(runner, WorkerRunner):
            runner.send_message(REPORT, report)
        elif self._master is not None:
            self._master.standing.take(report)
        return bool(report.get("done") or report.get("problem"))

    def _on_stop(self, **_: Any) -> None:
        if self._share is not None:
            self._share.stop()

    def _on_report_to_master(self, data: dict[str, Any], **_: Any) -> None:
        report = self._share.report() if self._share is not None else None
        if report is not None:
            data[REPORT] = report

    # --- the leader's part --------------------------------------------------------------------

    def _on_report(self, msg: Any, **_: Any) -> None:
        if self._master is not None:
            self._master.standing.take(msg.data)

    def _on_worker_report(self, data: dict[str, Any], **_: Any) -> None:
        if self._master is not None and REPORT in data:
            self._master.standing.take(data[REPORT])

    def _names_of_workers(self) -> list[str]:
        runner = self._environment.runner
        if isinstance(runner, LocalRunner):
            return [LOCAL]
        clients = runner.clients
        return [one.id for one in (*clients.ready, *clients.spawning, *clients.running)]

    def _watch_workers(self, master: Master) -> None:
        """One that Locust misses is gone; it may come back."""
        runner = self._environment.runner
        if not isinstance(runner, MasterRunner):
            return
        there = set(self._names_of_workers())
        for name, worker in zip(master.plan.workers, master.standing.workers, strict=True):
            if name in there:
                worker.vanished_s = None
            elif worker.vanished_s is None and not worker.is_done:
                worker.vanished_s = master.elapsed_s


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
