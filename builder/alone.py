"""One writer at a time in a directory of runs."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from variants._errors import OptbuildError


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Make the directory and keep other writers out of it; the lock goes with the process."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(directory / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise OptbuildError(
            f"cannot write to {directory} ({error.strerror}): choose another --out"
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OptbuildError(f"another ablation or sweep is writing to {directory}") from None
    else:
        yield
    finally:
        os.close(handle)
