"""Who started something that outlives a killed process, so that the next start can clear it up."""

import os
import socket
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def owner() -> str:
    """This process, in a word that no other process on any machine or after any boot has."""
    return "/".join([socket.gethostname(), _boot(), str(os.getpid()), _started(os.getpid())])


def is_gone(name: str) -> bool:
    """Whether the owner of that name was a process of this machine and is no more."""
    host, _, rest = name.partition("/")
    if host != socket.gethostname():  # another machine, or another container with this engine
        return False
    boot, _, rest = rest.partition("/")
    process, _, started = rest.partition("/")
    return boot != _boot() or not process.isdigit() or _started(int(process)) != started


def _boot() -> str:
    return BOOT_ID.read_text().strip()


def _started(process: int) -> str:
    """Its start time in the kernel's ticks since boot; empty if there is no such process."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
