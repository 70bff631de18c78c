"""Waiting for an absolute time, to a tenth of a millisecond.

gevent's own timers end in epoll_wait, whose resolution is a millisecond: half of all sends would
be 0.7 ms late, and that would be part of every latency. A timerfd (Linux) wakes epoll when it is
time. Python has it from 3.13 on; until then it is called in the C library.
"""

import ctypes
import os
import time
from typing import Any, NoReturn

import gevent

_libc = ctypes.CDLL(None, use_errno=True)
_READABLE = 1
_ABSOLUTE = 1  # TFD_TIMER_ABSTIME


class _Timer(ctypes.Structure):  # struct itimerspec
    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


class Alarm:
    """Wakes one greenlet at times of `time.perf_counter`, which is CLOCK_MONOTONIC on Linux."""

    def __init__(self) -> None:
        self._fd: int = _libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            _raise()
        self._hub: Any = gevent.get_hub()
        self._watcher = self._hub.loop.io(self._fd, _READABLE)
        self._silenced = False

    def wait_until(self, at_s: float) -> None:
        """Let other greenlets run until `at_s`; returns at once after `silence`."""
        if not self._silenced:
            self._set(at_s)
            self._hub.wait(self._watcher)

    def silence(self) -> None:
        """End the present wait and all later ones."""
        self._silenced = True
        self._set(0.0)

    def close(self) -> None:
        """Free the timer; nobody may wait on it any more."""
        self._watcher.close()
        os.close(self._fd)

    def _set(self, at_s: float) -> None:
        # Zero would disarm the timer; any other time of the past rings at once.
        seconds, nanoseconds = divmod(max(1, round(at_s * 1e9)), 1_000_000_000)
        timer = _Timer(0, 0, seconds, nanoseconds)
        if _libc.timerfd_settime(self._fd, _ABSOLUTE, ctypes.byref(timer), None) < 0:
            _raise()


def _raise() -> NoReturn:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))
