"""Child processes that do not outlive us, and end in order when they are told to."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import psutil

LAST_WORDS_BYTES = 8192
# ONNX Runtime would write a database to the home folder and report usage from a thread. Read when
# it is imported, which the tool itself leaves to its child processes.
QUIET = {"ORT_DISABLE_TELEMETRY": "1"}
_PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None).prctl  # found here: after a fork only async-signal-safe calls are safe


def end_with_parent() -> None:
    """In a new child: ask Linux for a SIGTERM when the parent is gone, even by SIGKILL."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def yield_to_others() -> None:
    """In a new child: let every ordinary process run first (Linux's SCHED_IDLE, or nice 19).

    Unlike a nice value, it gives way at once when another process wakes up, not after its slice
    of some milliseconds; and it needs no privilege. Its own children inherit it.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    except OSError:  # a sandbox that forbids it
        os.nice(19)


def _set_session_nice(process: int, nice: int = 19) -> None:
    while True:
        try:
            Path(f"/proc/{process}/autogroup").write_text(str(nice))
            return
        except BlockingIOError:  # Linux takes ten of these a second from ordinary users
            time.sleep(0.02)


class Child:
    """A Python process with a log file for its stderr, and for its stdout unless that is a pipe.

    A context manager: leaving it ends the process and all its descendants, whatever happened.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        log: Path,
        *,
        pipe: bool = False,
        env: Mapping[str, str] | None = None,
        background: bool = False,
        grace_s: float = 10.0,
        python: Path | str = sys.executable,
    ) -> None:
        self.log = log
        self.grace_s = grace_s
        self.background = background
        log.parent.mkdir(parents=True, exist_ok=True)

        def before_exec() -> None:
            end_with_parent()
            if background:
                yield_to_others()

        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                # -P: the user's folder may hold a `builder` or a `loadtests` of its own.
                [str(python), "-P", *arguments],
                stdin=subprocess.PIPE if pipe else subprocess.DEVNULL,
                stdout=subprocess.PIPE if pipe else errors,
                stderr=errors,
                env={**QUIET, **os.environ, **(env or {})},
                text=True,
                # Its own session: Ctrl-C reaches us alone, and we end it in order.
                start_new_session=True,
                preexec_fn=before_exec,
            )

    def send(self, text: str) -> None:
        """Write to its stdin and close that."""
        assert self.process.stdin is not None
        # A child that died at once has closed it; its exit is noticed when its lines end.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(text)
            self.process.stdin.close()

    def lines(self) -> Iterator[str]:
        """Lines of its stdout until it closes that."""
        assert self.process.stdout is not None
        yield from self.process.stdout

    def __enter__(self) -> "Child":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """SIGTERM, a grace period, then SIGKILL to it and to all that it started."""
        descendants = self.descendants()
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(self.grace_s)
        for process in [*descendants, *self.descendants()]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.kill()
        self.process.wait()
        psutil.wait_procs(descendants, timeout=self.grace_s)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def descendants(self) -> list[psutil.Process]:
        """All live processes below this one."""
        try:
            found: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return found

    def yield_sessions(self) -> None:
        """Of a child in the background: let the sessions that it has opened come after others.

        Where Linux groups processes by session (autogroup), a process's own priority counts only
        within its session, and BentoML gives each worker a session of its own.
        """
        if not self.background:
            return
        for process in [self.process.pid, *(found.pid for found in self.descendants())]:
            with contextlib.suppress(OSError):  # gone, or a kernel without this
                _set_session_nice(process)

    def last_words(self, lines: int = 3) -> str:
        """The end of its log, on one line."""
        with self.log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LAST_WORDS_BYTES))
            text = file.read().decode(errors="replace")
        return " | ".join(text.strip().splitlines()[-lines:])
