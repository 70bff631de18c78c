"""No process outlives the one that started it."""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Have processes that this one forks killed when it ends, however it ends.

    Locust's --processes forks workers; a master that is killed cannot tell them to stop, and they
    would go on loading the server for a minute.
    """
    libc = ctypes.CDLL(None)  # before the fork: afterwards as little as possible

    def in_child() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    os.register_at_fork(after_in_child=in_child)
