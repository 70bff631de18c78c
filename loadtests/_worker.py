"""A worker's side of a run that several processes share: it plays its part and reports the rows."""

from collections.abc import Callable, Mapping
from typing import Any

import gevent

from loadtests._http import Client
from loadtests._messages import DONE, READY, ROWS, origin_of, pack
from loadtests._recorder import Rows
from loadtests._run import Report, Run
from loadtests._scenario import Scenario, Settings
from loadtests._schedule import Schedule
from loadtests._share import Share
from variants._errors import OptbuildError

REPORT_S = 1.0
_ROWS_A_MESSAGE = 100_000  # 2 MB

Say = Callable[[str, dict[str, Any]], None]  # a kind of message and its content, to the master


class Worker:
    """Does what the master says; one run at a time."""

    def __init__(self, scenario: Scenario, report: Callable[[str], Report], say: Say) -> None:
        self._scenario = scenario
        self._report = report
        self._say = say
        self._test = 0
        self._share = Share()
        self._run: Run | None = None

    def prepare(self, order: Mapping[str, Any]) -> None:
        """Draw the schedule again and keep the own part; tell whether that was possible."""
        self.stop()
        self._test, self._run = order["test"], None
        self._share = Share(order["number"], order["of"])
        error = None
        try:
            self._run = self._prepared(order)
        except OptbuildError as mistake:
            error = str(mistake)
        self._tell(READY, {"error": error})

    def go(self, order: Mapping[str, Any]) -> None:
        """Play the part; returns when the master has all of it."""
        run = self._run
        if run is None or order["test"] != self._test:
            return
        reporter = gevent.spawn(self._keep_reporting, run)
        try:
            run.play(origin_of(order))
        finally:
            reporter.kill()
            self._finish(run)

    def stop(self) -> None:
        """End early; what is under way is awaited for a while, as in every run."""
        run = self._run
        if run is not None and not run.finished.is_set():
            never_begun = not run.begun
            run.interrupt()
            if never_begun:  # else `go` reports
                self._finish(run)

    def _prepared(self, order: Mapping[str, Any]) -> Run:
        settings, texts = Settings.from_message(order["settings"]), order["texts"]
        # In a thread: the master takes a worker that is silent for 3 s for lost.
        draw = gevent.get_hub().threadpool.apply
        schedule: Schedule = draw(self._scenario.schedule, (settings, len(texts)))
        if schedule.sha256 != order["sha256"]:
            raise OptbuildError(
                "it draws another schedule than the master: give both the same files and versions"
            )
        hosts = order["hosts"]
        clients = [Client(host, texts, settings.resend) for host in hosts]
        report = self._report(hosts[0])
        return Run(self._share.part(schedule), clients, settings.timeout_s, report, self._share)

    def _keep_reporting(self, run: Run) -> None:
        while True:
            gevent.sleep(REPORT_S)
            self._report_rows(run)

    def _report_rows(self, run: Run) -> None:
        while len((rows := run.recorder.take(_ROWS_A_MESSAGE)).row):
            self._send(rows)

    def _finish(self, run: Run) -> None:
        self._report_rows(run)
        self._send(run.recorder.given_up())
        self._tell(DONE, {"facts": run.facts, "troubles": run.troubles})

    def _send(self, rows: Rows) -> None:
        self._tell(ROWS, pack(self._share.indices(rows.row), rows))

    def _tell(self, kind: str, message: dict[str, Any]) -> None:
        self._say(kind, {"test": self._test, **message})
