"""Temporary folders that do not pile up when a process is killed."""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

LEFT_FOR_DEAD_S = 24 * 3600.0


@contextlib.contextmanager
def scratch(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder below `parent`, gone afterwards; sweeps up what killed processes left there."""
    parent.mkdir(parents=True, exist_ok=True)
    for leftover in parent.glob(f"{prefix}[0-9]*-*"):
        if _abandoned(leftover, prefix):
            shutil.rmtree(leftover, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _abandoned(folder: Path, prefix: str) -> bool:
    """Whether its process is gone. Only after a day: another container may share the folder."""
    process = folder.name.removeprefix(prefix).partition("-")[0]
    with contextlib.suppress(FileNotFoundError):
        old = time.time() - folder.stat().st_mtime > LEFT_FOR_DEAD_S
        return old and not Path("/proc", process).exists()
    return False
