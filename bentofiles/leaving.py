"""Whether this server has been told that it is going to be stopped.

A server that leaves is still sent requests for some seconds. Clients that keep their connections
open would go on with theirs until the process ends, and lose what they send at that moment. Told
with each answer that the connection closes, they open another one, which leads elsewhere.

Who stops the server says so by touching a file (`preStop` of a pod), because a signal would make
it stop. Its name is in an environment variable; without one nothing is looked for.
"""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

FILE_VARIABLE = "OPTBUILD_LEAVING_FILE"
LOOK_S = 0.2  # at least between two looks at the file
CLOSE = (b"connection", b"close")


class Leaving:
    """Says, at the cost of a file's status every LOOK_S, whether the server is on its way out.

    A file that was touched before `since_s` (seconds of the epoch) was meant for a predecessor: a
    container that is started again in the same pod finds what that has left.
    """

    def __init__(
        self,
        environment: Mapping[str, str] = os.environ,
        since_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        name = environment.get(FILE_VARIABLE)
        self._file = Path(name) if name else None
        self._since_s = time.time() if since_s is None else since_s
        self._clock = clock
        self._next_s = -1.0
        self._told = False

    @property
    def watched(self) -> bool:
        """Whether there is a file to look for."""
        return self._file is not None

    def told(self) -> bool:
        """Whether it has been told; once it has, that stays so."""
        if self._told or self._file is None:
            return self._told
        now_s = self._clock()
        if now_s >= self._next_s:
            self._next_s = now_s + LOOK_S
            try:
                self._told = self._file.stat().st_mtime >= self._since_s
            except OSError:  # not there yet
                self._told = False
        return self._told
