"""One copy of a server: what a fleet asks of it, and the one that is a process."""

import contextlib
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import psutil

from deploy.child import Child
from deploy.local import free_port
from deploy.scratch import scratch


class Replica(Protocol):
    """A server that is started, asked to end, killed, and cleaned up after.

    `end` and `kill` may be called at any time after `start`, also when it has ended by itself.
    """

    name: str

    def start(self) -> int:
        """Start it without waiting; the port on the loopback at which it is going to answer."""
        ...

    def alive(self) -> bool:
        """Whether its process runs."""
        ...

    def end(self) -> None:
        """Ask it to finish what is under way and go; returns at once."""
        ...

    def kill(self) -> None:
        """SIGKILL to all of it; returns when that has been sent."""
        ...

    def close(self) -> None:
        """Leave nothing of it behind, whatever state it is in."""
        ...

    def last_words(self) -> str:
        """The end of its log, on one line."""
        ...


class ProcessReplica:
    """A server process on this machine; `command` gives its arguments from its port."""

    def __init__(
        self,
        name: str,
        command: Callable[[int], Sequence[str]],
        log: Path,
        background: bool = True,
    ) -> None:
        self.name = name
        self._command = command
        self._log = log
        self._background = background
        self._cleanup = ExitStack()
        self._child: Child | None = None

    def start(self) -> int:
        """Start it; again, if it has died."""
        self.close()
        port = free_port("127.0.0.1", 0)
        home = self._cleanup.enter_context(scratch(Path(tempfile.gettempdir()), "optbuild-home-"))
        self._child = Child(
            self._command(port),
            self._log,
            # BENTOML_DO_NOT_TRACK: usage statistics would be sent during the measurement.
            env={"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"},
            background=self._background,
        )
        self._cleanup.callback(self._child.stop)
        return port

    def alive(self) -> bool:
        """Whether its first process runs."""
        return self._child is not None and self._child.process.poll() is None

    def end(self) -> None:
        """SIGTERM."""
        if self._child is not None and self.alive():
            self._child.process.terminate()

    def kill(self) -> None:
        """SIGKILL to it and to all that it started, as when a container is killed."""
        if self._child is None:
            return
        family = self._child.descendants()
        self._child.process.kill()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def close(self) -> None:
        """End all of its processes, remove its folder."""
        self._cleanup.close()

    def last_words(self) -> str:
        """The end of its log."""
        return "" if self._child is None else self._child.last_words()


def bento_process(bento: Path, log: Path) -> Callable[[str], ProcessReplica]:
    """What makes replicas of a Bento served by `bentoml serve`, each with a log beside `log`."""

    def make(name: str) -> ProcessReplica:
        return ProcessReplica(
            name,
            lambda port: [
                *("-m", "bentoml", "serve", str(bento)),
                *("--host", "127.0.0.1", "--port", str(port)),
            ],
            log.with_name(f"{log.stem}-{name}.log"),
        )

    return make
