"""The handle of the process that stands in front of several replicas."""

import json
import threading
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Self

from deploy.child import Child
from variants._errors import OptbuildError


class Front:
    """One URL for replicas that come and go; a context manager (see deploy/front_process.py)."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._ledger = log.with_suffix(".ledger")
        self._lock = threading.Lock()
        self._last = ""

    def __enter__(self) -> Self:
        """Start it; it answers 503 until `send_to` names a replica."""
        self._child = Child(["-m", "deploy.front_process", str(self._ledger)], self._log, pipe=True)
        try:
            self._port = int(self._line())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        """End it."""
        self._child.stop()

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self._port}"

    def send_to(
        self,
        ready: Mapping[str, int],
        cut: Collection[str] = (),
        slow: Mapping[str, float] | None = None,
    ) -> None:
        """From now on requests go to these replicas (name, port on the loopback) in turn.

        Nothing passes to and from those in `cut`; requests to those in `slow` are kept for so many
        seconds first. Returns when that is so.
        """
        state = {"ready": dict(ready), "cut": sorted(cut), "slow": dict(slow or {})}
        news = json.dumps(state, sort_keys=True)
        with self._lock:
            if news == self._last:
                return
            self._last = news
            stdin = self._child.process.stdin
            assert stdin is not None
            try:
                stdin.write(f"{news}\n")
                stdin.flush()
            except OSError:
                pass  # it is gone: the answer, which will not come, says so
            self._line()

    def served(self) -> dict[int, str]:
        """Which replica each numbered request (X-Request-ID) was given to, so far."""
        lines = self._ledger.read_text(encoding="ascii").splitlines()
        return {int(number): name for number, name in map(str.split, lines)}

    def _line(self) -> str:
        stdout = self._child.process.stdout
        assert stdout is not None
        line = stdout.readline()
        if not line:
            raise OptbuildError(
                f"the front of the replicas ended: {self._child.last_words()}", exit_code=1
            )
        return line
