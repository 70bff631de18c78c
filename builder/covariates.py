"""How busy the machine was with other things while a run was measured."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class CpuTimes:
    """Ticks of all CPUs since boot."""

    total: int
    steal: int

    @classmethod
    def now(cls) -> Self:
        """Read `/proc/stat`."""
        first = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0]
        ticks = [int(field) for field in first.split()[1:9]]  # guest time is part of user time
        return cls(sum(ticks), ticks[7])


def covariates(before: CpuTimes, after: CpuTimes) -> dict[str, float | None]:
    """Steal between two readings (share of all CPU time), pressure and load at their end."""
    elapsed = after.total - before.total
    return {
        "steal_fraction": (after.steal - before.steal) / elapsed if elapsed else 0.0,
        "cpu_pressure_avg10": _pressure(),
        "load1": os.getloadavg()[0],
    }


def _pressure() -> float | None:
    """Percent of the last 10 s in which some task waited for a CPU; None if Linux does not say."""
    try:
        some = Path("/proc/pressure/cpu").read_text(encoding="ascii").split()
    except OSError:
        return None
    return float(some[1].removeprefix("avg10="))
