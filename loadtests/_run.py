"""One run of a schedule against a server: the open loop itself, without Locust.

One greenlet, the dispatcher, walks the absolute times of the schedule and starts a greenlet for
each request. It never waits for an answer: a slow server gets the same load as a fast one.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from time import perf_counter, process_time
from typing import Any

import gevent
from gevent.event import Event
from gevent.pool import Group
from geventhttpclient.response import HTTPParseError

from analysis.records import RESET, TIMEOUT, WRONG, Records
from loadtests._alarm import Alarm
from loadtests._calm import calm_gc, real_time
from loadtests._http import Client, OutOfSockets
from loadtests._outcome import outcome_of
from loadtests._recorder import Recorder
from loadtests._schedule import Schedule
from loadtests._share import Share

LEAD_S = 0.05  # between the start and the schedule's origin, so that the first is not late
# Sends that are due leave before answers are looked at, up to so many: each answer takes as long as
# a send, and one that waits for a millisecond is timed a millisecond late, as a send would be.
MOST_TOGETHER = 4
INTERRUPTED_DRAIN_S = 2.0  # how long an interrupted run waits for answers under way

# (outcome, status, latency in s, bytes of the body) of each request that was sent and ended
Report = Callable[[int, int, float, int], None]


class Run:
    """Plays a schedule once. Not started, playing, finished: `finished` tells."""

    def __init__(
        self,
        schedule: Schedule,
        clients: Sequence[Client],
        timeout_s: float,
        report: Report,
        share: Share | None = None,
    ) -> None:
        """`schedule` is the part of `share` if there is one; its rows can then be streamed."""
        self._schedule = schedule
        self._clients = clients
        self._timeout_s = timeout_s
        self._report = report
        self._share = share or Share()
        self.recorder = Recorder(schedule, streamed=share is not None)
        self.announce: Callable[[float], None] = lambda origin_s: None
        self._group = Group()
        self._origin = math.nan
        self.begun = False
        self._alarm: Alarm | None = None
        self._stopped = False
        self.finished = Event()
        self.interrupted = False
        self._generator_cpu = 0.0  # CPU seconds of this process per second of the schedule
        self._real_time = False
        self.bug: Exception | None = None  # a request ended in an error of our own
        self.facts: dict[str, Any] = {}

    @property
    def records(self) -> Records:
        """One row for each planned request, at any time."""
        return self.recorder.records()

    @property
    def troubles(self) -> list[str]:
        """What makes the run void, one line each."""
        return [] if self.bug is None else [f"the load generator failed: {self.bug!r}"]

    def play(self, origin_s: float | None = None) -> None:
        """Send the whole schedule, wait for the last answer. A second call does nothing.

        `origin_s` is the schedule's origin on the clock of `time.perf_counter`; None: at once.
        """
        if self.begun:
            return
        self.begun = True
        self._origin = math.nan if origin_s is None else origin_s
        started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        try:
            with closing(Alarm()) as self._alarm, calm_gc(), real_time() as self._real_time:
                try:
                    self._dispatch(self._alarm)
                except BaseException:  # Locust killed the user whose greenlet this is
                    self._stopped = self.interrupted = True
                    raise
                finally:
                    self._drain()
        finally:
            self._alarm = None
            for client in self._clients:
                client.close()
            self.facts = {
                "generator_cpu": self._generator_cpu,
                "real_time": self._real_time,
                "repeats": sum(client.repeats for client in self._clients),
                "interrupted": self.interrupted,
                "started_at": started_at,
                # On Linux perf_counter is CLOCK_MONOTONIC, which all processes of a host share.
                "origin_monotonic_s": None if math.isnan(self._origin) else self._origin,
            }
            self.finished.set()

    def interrupt(self) -> None:
        """End early: nothing more is sent, what is under way gets INTERRUPTED_DRAIN_S.

        Returns when the rows are final. Harmless on a finished run.
        """
        self._stopped = True
        if self._alarm is not None:
            self._alarm.silence()
        self.play()  # if it never began, all its rows are `unsent`
        self.finished.wait()

    def _dispatch(self, alarm: Alarm) -> None:
        if self._stopped:
            self.interrupted = True
            return
        wall_s, cpu_s = perf_counter(), process_time()
        if math.isnan(self._origin):
            self._origin = wall_s + LEAD_S
        self.announce(self._origin)
        try:
            self._walk(alarm)
        finally:
            wall_s, cpu_s = perf_counter() - wall_s, process_time() - cpu_s
            self._generator_cpu = cpu_s / wall_s

    def _walk(self, alarm: Alarm) -> None:
        # A memoryview gives Python floats one by one; a list of ten million would not fit.
        together = 0  # started since others last had their turn
        for index, planned_s in enumerate(memoryview(self._schedule.planned_s.data)):
            due = self._origin + planned_s
            if together == MOST_TOGETHER:
                together = 0
                gevent.sleep(0)
            while perf_counter() < due and not self._stopped:
                together = 0
                alarm.wait_until(due)
            if self._stopped:
                self.interrupted = True
                return
            self._group.spawn(self._send, index, planned_s)
            together += 1

    def _send(self, index: int, planned_s: float) -> None:
        # Connecting is part of the service: a server that does not accept is slow, we are not late.
        self.recorder.sent(index, perf_counter() - self._origin)
        status = length = 0
        try:
            with gevent.Timeout(self._timeout_s):
                payload, number = int(self._schedule.payload[index]), self._share.index(index)
                answer = self._client_for(index).predict(payload, number)
            status, length = answer.status, len(answer.body)
            outcome = outcome_of(status, answer.body)
        except gevent.Timeout:
            outcome = TIMEOUT
        except HTTPParseError:
            outcome = WRONG
        except OSError:
            outcome = RESET
        except OutOfSockets as error:
            self.recorder.sent(index, math.nan)
            self.bug = error
            return
        except Exception as error:
            self.bug = error
            raise
        done_s = perf_counter() - self._origin
        self.recorder.done(index, done_s, status, outcome)
        self._report(outcome, status, done_s - planned_s, length)

    def _client_for(self, index: int) -> Client:
        """Servers take turns in the order of the whole schedule."""
        if len(self._clients) == 1:
            return self._clients[0]
        return self._clients[self._share.index(index) % len(self._clients)]

    def _drain(self) -> None:
        """Wait for the answers; each request has its time limit, so this ends."""
        give_up = math.inf
        try:
            while len(self._group) and perf_counter() < give_up:
                self._group.join(timeout=0.1)
                if self._stopped and give_up == math.inf:
                    give_up = perf_counter() + INTERRUPTED_DRAIN_S
        finally:
            if len(self._group):  # their rows keep `unsent`, with the time they were sent
                self.interrupted = True
                self._group.kill()
