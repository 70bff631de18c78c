"""Conditions in which the generator can be on time, for the length of a run."""

import contextlib
import gc
import os
from collections.abc import Iterator
from functools import cache


@contextlib.contextmanager
def calm_gc() -> Iterator[None]:
    """Keep the garbage collector from making sends late: set aside what is there, look rarely."""
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


@contextlib.contextmanager
def real_time() -> Iterator[bool]:
    """Run this thread before ordinary ones where the system allows it (root); yields whether.

    A generator that shares its cores with the server it loads is late exactly when the server is
    busy. It needs little time, but at once. Threads and processes started meanwhile stay ordinary.
    """
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except OSError:  # not allowed, or a sandbox that knows nothing of it
        yield False
        return
    try:
        yield True
    finally:
        try:
            os.sched_setscheduler(0, policy, parameters)
        except PermissionError:
            # Whoever has it by `ulimit -r` may not take the flag back, which changes nothing for
            # an ordinary process.
            os.sched_setscheduler(0, policy | os.SCHED_RESET_ON_FORK, parameters)


@cache
def goes_first() -> bool:
    """Whether the system allows `real_time`: whoever goes first needs nobody to give way."""
    with real_time() as allowed:
        return allowed
