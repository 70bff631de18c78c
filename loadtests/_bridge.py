"""The bridge to Locust: its events on one side, trials on the other.

Three kinds of process: one that does everything itself, a master that has workers send, a worker.
"""

import argparse
import logging
import os
import signal
import sys
from pathlib import Path
from time import perf_counter
from typing import Any, NoReturn

import gevent
from flask import Response, jsonify, request
from locust.runners import MasterRunner, WorkerRunner
from locust.stats import CSV_STATS_INTERVAL_SEC

from loadtests._certificate import Certificate
from loadtests._crew import LocustCrew, join
from loadtests._fleet import Fleet
from loadtests._http import Client
from loadtests._options import check_hosts, overlay, settings_of
from loadtests._recorder import unused
from loadtests._report import to_locust
from loadtests._run import Run
from loadtests._scenario import Scenario
from loadtests._schedule import Schedule
from loadtests._tab import add_tab
from loadtests._trial import Playing, Trial
from loadtests._worker import Worker
from variants._errors import OptbuildError

SETTLE_S = 10.0


class Bridge:
    """One trial at a time."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._environment: Any = None  # stays None in a worker
        self._crew: LocustCrew | None = None  # in a master
        self._worker: Worker | None = None  # in a worker
        self._prepared: Trial | None = None
        self._trial: Trial | None = None
        self._started = self._due = False  # a test was; and is to be played by a master
        self._certificate: Certificate | None = None  # of the last test
        self._written: set[Path] = set()
        self._exit_code: int | None = None  # None: Locust decides

    def check(self, environment: Any, runner: Any, web_ui: Any, **_: object) -> None:
        """Find the user's mistakes before any load: one line, exit code 2."""
        # Last come, first served: before the runner's own listener, which would stop the test.
        environment.events.quitting.add_listener(self._choose_exit_code)
        if isinstance(runner, WorkerRunner):
            self._worker = join(self._scenario, environment, runner)
            return
        self._environment = environment
        options = environment.parsed_options
        if isinstance(runner, MasterRunner):
            self._crew = LocustCrew(runner, self._hear)
        try:
            if options.headless or options.autostart:
                self._prepared = self._prepare(options, environment.host)
            else:
                settings_of(options)
        except OptbuildError as error:
            leave(str(error))
        if web_ui is not None:
            web_ui.app.before_request(self._refuse_bad_form)
            add_tab(web_ui, lambda: self._certificate)
        # Python's own handler would raise KeyboardInterrupt in any greenlet, a request's included.
        gevent.signal_handler(signal.SIGINT, self._interrupt)
        gevent.signal_handler(signal.SIGUSR1, self._show)

    def start(self, **_: object) -> None:
        """A test begins: with what `check` prepared, or with what the UI's form says now."""
        if self._worker is not None:
            return
        trial, self._prepared, self._trial = self._prepared, None, None
        self._exit_code, self._certificate = None, None
        self._started = self._due = True
        try:
            environment = self._environment
            self._trial = trial or self._prepare(environment.parsed_options, environment.host)
        except OptbuildError as error:
            self._fail(error)

    def spawned(self, **_: object) -> None:
        """Locust has set up its users; a master, which has none, plays now. Once a test."""
        if self._crew is not None and self._due:
            self._due = False
            gevent.spawn(self._play)

    def play_as_user(self) -> None:
        """What the one user does."""
        while self._worker is not None:  # the master's messages say what a worker does
            gevent.sleep(60)
        self._play()

    def stop(self, **_: object) -> None:
        """Before Locust kills the user: all rows become final and are written."""
        if self._worker is not None:
            self._worker.stop()
        if self._trial is not None:
            self._trial.run.interrupt()
            self._save(self._trial)

    def _choose_exit_code(self, environment: Any, **_: object) -> None:
        """Locust is quitting; if the trial still runs, a SIGTERM came."""
        if self._trial is not None and not self._trial.run.finished.is_set():
            self._exit_code = 128 + signal.SIGTERM
        self.stop()
        if self._exit_code is not None:
            environment.process_exit_code = self._exit_code

    def print_summary(self, **_: object) -> None:
        """After Locust's own tables."""
        options = self._environment.parsed_options if self._environment else None
        if self._trial is not None and options is not None and options.headless:
            print(self._trial, file=sys.stderr if options.json else sys.stdout, flush=True)

    def _play(self) -> None:
        """The whole trial, then the end of the test."""
        trial = self._trial
        if trial is not None and trial.certificate is not None:
            return  # somebody changed the number of users of a test that is over
        try:
            if trial is not None:
                trial.run.play()
        except Exception:
            self._exit_code = 1  # Locust would log the traceback and exit with 0
            raise
        finally:  # also when Locust kills the user
            if trial is not None:
                self._save(trial)
            gevent.spawn(self._end_test)  # not here: it kills the user whose greenlet this is

    def _prepare(self, options: argparse.Namespace, host: str | None) -> Trial:
        hosts = check_hosts(host)
        settings = settings_of(options)

        def player(schedule: Schedule, texts: tuple[str, ...]) -> Playing:
            # A master has only the names checked.
            clients = [Client(host, texts, settings.resend) for host in hosts]
            if self._crew is not None:
                order = {"settings": settings.to_message(), "hosts": hosts, "texts": texts}
                return Fleet(schedule, self._crew, order, self._complain)
            return Run(
                schedule, clients, settings.timeout_s, to_locust(self._environment, hosts[0])
            )

        return Trial(self._scenario, settings, player)

    def _hear(self, kind: str, worker: str, message: Any) -> None:
        run = self._trial.run if self._trial is not None else None
        if isinstance(run, Fleet):
            run.hear(kind, worker, message)

    def _save(self, trial: Trial) -> None:
        if trial.certificate is not None:
            return
        path = trial.settings.records
        path = None if path is None else unused(path, self._written)
        try:
            trial.save(path)
        except OptbuildError as error:
            self._fail(error)
        self._certificate = trial.certificate
        if path is not None:
            self._written.add(path)
        if trial.run.troubles:
            self._exit_code = 1
            if isinstance(trial.run, Run):  # a fleet's are said when they happen
                self._complain(trial.run.troubles[0])
        if not self._environment.parsed_options.headless:
            print(trial, flush=True)

    def _fail(self, error: OptbuildError) -> None:
        self._complain(str(error))
        self._exit_code = error.exit_code

    @staticmethod
    def _complain(line: str) -> None:
        logging.getLogger("loadtests").error("%s", line)

    def _end_test(self) -> None:
        environment, options = self._environment, self._environment.parsed_options
        if options.headless:
            if options.csv_prefix:  # Locust writes its files now and then, and not at the end
                gevent.sleep(CSV_STATS_INTERVAL_SEC + 0.2)
            environment.runner.quit()
            return
        self._settle()
        environment.runner.stop()
        if options.autoquit != -1:
            gevent.sleep(options.autoquit)
            environment.runner.quit()
            environment.web_ui.stop()

    def _settle(self) -> None:
        """Let a master finish what somebody who changed the number of users had it begin.

        One that is stopped meanwhile says "running" ever after.
        """
        give_up_at = perf_counter() + SETTLE_S
        while self._crew is not None and perf_counter() < give_up_at:
            if self._environment.runner.spawning_completed:
                return
            gevent.sleep(0.1)

    def _interrupt(self) -> None:
        """Ctrl-C: end in order; a second one ends at once."""
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._exit_code = 128 + signal.SIGINT
        self.stop()
        self._environment.runner.quit()
        if self._environment.web_ui is not None:
            self._environment.web_ui.stop()
        elif not self._started:
            os._exit(self._exit_code)  # Locust is waiting for workers and would do so forever

    def _show(self) -> None:
        """Somebody wants to see the rows so far."""
        if self._trial is not None and not self._trial.run.finished.is_set():
            self._trial.show()

    def _refuse_bad_form(self) -> Response | None:
        """Answer the UI's start button with the user's mistake instead of starting."""
        if request.method != "POST" or not request.path.endswith("/swarm"):
            return None
        if self._trial is not None and not self._trial.run.finished.is_set():
            return None  # Locust changes the number of users, which changes nothing here
        host = request.form.get("host", self._environment.host)
        try:
            if self._crew is not None and not self._crew.workers():
                raise OptbuildError("no worker is connected: start one with --worker")
            options = overlay(self._environment.parsed_options, request.form)
            self._prepared = self._prepare(options, host)
        except OptbuildError as error:
            return jsonify({"success": False, "message": str(error), "host": host})
        return None


def leave(message: str) -> NoReturn:
    """The user's mistake: one line, no traceback."""
    print(f"locust: {message}", file=sys.stderr, flush=True)
    sys.exit(2)
