"""Master and workers at the two ends of Locust's own connection."""

import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gevent
from locust.runners import STATE_MISSING

from loadtests._messages import DONE, GO, PREPARE, READY, ROWS, STOP
from loadtests._report import to_locust
from loadtests._scenario import Scenario
from loadtests._worker import Worker

Hear = Callable[[str, str, Mapping[str, Any]], None]  # kind, name of the worker, message


class LocustCrew:
    """The workers that are connected to a MasterRunner; a Crew."""

    def __init__(self, runner: Any, hear: Hear) -> None:
        self._runner = runner
        for kind in (READY, ROWS, DONE):
            runner.register_message(kind, self._listener(kind, hear))

    def workers(self) -> Sequence[str]:
        """Names of those that answer, in the order in which they first came."""
        known = [name for name in self._runner.clients if not self.lost(name)]
        return sorted(known, key=self._runner.get_worker_index)

    def lost(self, worker: str) -> bool:
        """Whether it left, or has not been heard of for 3 s (Locust's heartbeat)."""
        client = self._runner.clients.get(worker)
        return client is None or client.state == STATE_MISSING

    def send(self, kind: str, message: Mapping[str, Any], worker: str) -> None:
        """Say something to one worker."""
        self._runner.send_message(kind, dict(message), worker)

    @staticmethod
    def _listener(kind: str, hear: Hear) -> Callable[..., None]:
        return lambda environment, msg: hear(kind, msg.node_id, msg.data)


def join(scenario: Scenario, environment: Any, runner: Any) -> Worker:
    """Make this process, which has a WorkerRunner, play its part of whatever the master says."""
    worker = Worker(scenario, lambda host: to_locust(environment, host), runner.send_message)
    orders = {PREPARE: worker.prepare, GO: worker.go, STOP: lambda _: worker.stop()}
    for kind, obey in orders.items():
        listener = _obey(obey)
        runner.register_message(kind, listener, concurrent=True)  # each takes a while

    def interrupted() -> None:
        """Ctrl-C: report what was done, then leave; the terminal tells the master as well."""
        signal.signal(signal.SIGINT, signal.default_int_handler)
        worker.stop()
        gevent.sleep(0.2)  # `go` says the last word
        runner.quit()

    gevent.signal_handler(signal.SIGINT, interrupted)
    return worker


def _obey(order: Callable[[Mapping[str, Any]], None]) -> Callable[..., None]:
    return lambda environment, msg: order(msg.data)
