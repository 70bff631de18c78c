"""How long a cgroup's CPU quota has held its processes back, under cgroup v1 and v2.

Sources: Linux, Documentation/scheduler/sched-bwc.rst (v1: `throttled_time` in ns) and
Documentation/admin-guide/cgroup-v2.rst (v2: `throttled_usec`).
"""

from pathlib import Path

from bentofiles.cgroup import PROC, folders, quota_cpus


def limited_cgroup(pid: int, proc: Path = PROC) -> Path | None:
    """The folder of the nearest cgroup with a CPU quota that a process is in; None without one."""
    return next((each for each in folders(pid, proc) if quota_cpus(each) is not None), None)


def throttled_s(cgroup: Path) -> float | None:
    """For how long its quota kept it waiting since the cgroup began; None if it does not say."""
    try:
        lines = (cgroup / "cpu.stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    figures = dict(line.split() for line in lines)
    if "throttled_usec" in figures:
        return int(figures["throttled_usec"]) / 1e6
    return int(figures["throttled_time"]) / 1e9 if "throttled_time" in figures else None
