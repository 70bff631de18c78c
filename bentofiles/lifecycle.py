"""Readiness of all the workers together, and no worker that outlives its supervisor."""

import contextlib
import ctypes
import os
import signal
import tempfile
import threading
from pathlib import Path

_PR_SET_PDEATHSIG = 1
# Fields of /proc/PID/stat, counted from the one after the name: the state, the parent's id, and the
# start time in the kernel's ticks since boot.
_STATE, _PARENT, _STARTED = 0, 1, 19
_DEAD = "ZX"  # BentoML's supervisor looks for dead workers every ten seconds only


class Roll:
    """The workers of one server that have loaded and warmed up.

    Every worker answers for all of them, because they share a socket and nobody can choose
    which one a probe reaches. A worker is a file named by its process id, in a folder named by
    the id of the supervisor that started them all. In the file stands when the process started:
    a container that is started again in the same pod finds the files of its predecessor, and
    its processes have the same ids.
    """

    def __init__(self, workers: int, folder: Path | None = None) -> None:
        self.workers = workers
        default = Path(tempfile.gettempdir()) / f"bento-workers-{os.getuid()}-{os.getppid()}"
        self.folder = folder or default
        self._signed = False
        self._lock = threading.Lock()

    def keep(self, getting_on: bool) -> None:
        """Stay on it, or leave it for as long as this process does not get on."""
        with self._lock:  # probes are answered on several threads
            if getting_on and not self._signed:
                self.sign()
            elif self._signed and not getting_on:
                self.leave()

    def sign(self) -> None:
        """Say that this process is ready."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        process = os.getpid()
        started = _stat(process)[_STARTED]
        # In one step: a worker that is asked meanwhile must not read half of it.
        new = self.folder / f".{process}"
        new.write_text(started)
        new.replace(self.folder / str(process))
        self._signed = True

    def complete(self) -> bool:
        """Whether as many live processes as there are workers have signed."""
        return sum(map(self._ready, self.folder.glob("[0-9]*"))) >= self.workers

    def leave(self) -> None:
        """Take this process off the roll."""
        self._signed = False
        (self.folder / str(os.getpid())).unlink(missing_ok=True)
        # Not empty: other workers are still on it. Missing: the last of them has removed it.
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def _ready(self, entry: Path) -> bool:
        """Whether this entry is a worker of this supervisor, not one left by a reused id."""
        try:
            fields = _stat(int(entry.name))
            signed = entry.read_text()
        except OSError:
            return False
        alive = fields[_STATE] not in _DEAD
        return alive and int(fields[_PARENT]) == os.getppid() and fields[_STARTED] == signed


def _stat(process: int) -> list[str]:
    """`/proc/PID/stat` from the state on; raises OSError if there is no such process."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()


def die_with_parent() -> None:
    """Ask Linux for a SIGTERM when the supervisor is gone, however it went."""
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "prctl"):
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
