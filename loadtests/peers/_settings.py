"""What the runner tells a peer, through its environment."""

import fcntl
import os
from functools import cache
from pathlib import Path

HOST = "127.0.0.1"


def sources() -> Path:
    """`src` of a Bento: `variant.json` and the folder `model` with the graph and tokenizer."""
    return Path(os.environ["PEER_SOURCES"])


def scratch() -> Path:
    """A folder for what the peer writes; it is gone afterwards."""
    return Path(os.environ["PEER_SCRATCH"])


def port() -> int:
    """Where to listen."""
    return int(os.environ["PEER_PORT"])


def setting(name: str) -> int:
    """A number from the `settings` at the top of the peer's file.

    `cpus` is one for each CPU, `cpus+1` one more: another runs while one hands over its answer.
    """
    value = os.environ[f"PEER_{name.upper()}"]
    if value.startswith("cpus"):
        return cpus() + int(value.removeprefix("cpus") or 0)
    return int(value)


def cpus() -> int:
    """CPUs that the peer may use, by affinity and by quota, as our variants count them."""
    return int(os.environ["PEER_CPUS"])


@cache
def number() -> int:
    """This process's among those of the peer that ask, from 0; free again when it ends.

    For workers that their server does not number. Held by a lock on a file, which goes with the
    process however that ends, and which its children do not inherit.
    """
    found = 0
    while True:
        handle = os.open(scratch() / f"number-{found}", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # another process's: Linux says either
            os.close(handle)
            found += 1
        else:
            return found  # the handle stays open: closing it would give the number back


def pin(number: int) -> None:
    """Keep the thread that calls this on one CPU; threads of other numbers get others.

    A thread may call it again: nothing changes. Those that it starts are kept there too.
    """
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {allowed[number % len(allowed)]})
