"""Is this machine quiet enough to measure on? One check per cause of noise.

Each check judges plain figures, so that the limits can be tested; `examine` reads them.
"""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.gates import LATENESS_FLOOR_S, ORDINARY_LATENESS_FLOOR_S
from bentofiles.cgroup import allowed_cpus
from builder.covariates import CpuTimes
from builder.paths import bentoml_home, cache_dir
from loadtests._calm import real_time

GIB = 2**30
MOST_STEAL = 0.01
# Percent of the last 10 s in which some task waited.
MOST_PRESSURE = {"cpu": 5.0, "memory": 1.0, "io": 5.0}
MOST_LOAD_PER_CORE = 0.25
LEAST_MEMORY_GIB, LEAST_DISK_GIB = 2.0, 2.0
SLEEPS, SLEEP_S = 400, 0.005


@dataclass(frozen=True)
class Check:
    """One finding: `remedy` says what to do where it is not `ok`."""

    name: str
    ok: bool
    found: str
    remedy: str = ""


def examine(root: Path = Path("/")) -> Iterator[Check]:
    """All checks; takes about 2 s, in which it does next to nothing. `root` is that of /proc."""
    before = CpuTimes.now()
    with real_time() as first:
        late_s = timer_lateness_s()
    after = CpuTimes.now()
    ticks = max(after.total - before.total, 1)
    yield steal((after.steal - before.steal) / ticks)
    for resource in MOST_PRESSURE:
        yield pressure(resource, read_pressure(root / "proc/pressure" / resource))
    yield load(os.getloadavg()[0], len(os.sched_getaffinity(0)))
    yield timer(late_s, first)
    yield priority(first)
    yield governor(read_governors(root))
    yield quota(allowed_cpus(proc=root / "proc"), len(os.sched_getaffinity(0)))
    yield memory(read_available_bytes(root))
    for what, folder in (("cache", cache_dir()), ("Bento store", bentoml_home())):
        yield disk(what, folder, free_bytes(folder))


def steal(share: float) -> Check:
    """CPU time that the hypervisor gave to others."""
    return Check(
        "cpu steal",
        share <= MOST_STEAL,
        f"{share:.1%} of the CPU time",
        "other virtual machines take it: measure at another hour, or on a host of your own",
    )


def pressure(resource: str, percent: float | None) -> Check:
    """How long tasks waited for a resource; None where Linux does not say."""
    if percent is None:
        return Check(f"{resource} pressure", True, "not told by this kernel")
    return Check(
        f"{resource} pressure",
        percent <= MOST_PRESSURE[resource],
        f"{percent:g}% of the last 10 s",
        "stop what else runs here (top, iotop)",
    )


def load(load1: float, cores: int) -> Check:
    """Tasks that ran or waited in the last minute."""
    return Check(
        "load",
        load1 <= MOST_LOAD_PER_CORE * cores,
        f"{load1:.2f} on {cores} core{'s' if cores > 1 else ''}",
        "stop what else runs here, and wait a minute",
    )


def timer(late_s: float, first: bool) -> Check:
    """How late a sleeping process is woken, against the gate that every run must pass."""
    limit_s = LATENESS_FLOOR_S if first else ORDINARY_LATENESS_FLOOR_S
    return Check(
        "timer lateness",
        late_s <= limit_s / 2,
        f"p99 {1000 * late_s:.2f} ms, runs allow {1000 * limit_s:g} ms",
        "runs may be invalid and repeated: stop what else runs here, or take a larger machine",
    )


def priority(first: bool) -> Check:
    """Whether the load generator may run before the server that it loads."""
    return Check(
        "real-time priority",
        first,
        "allowed" if first else "not allowed",
        "run as root, or allow it: ulimit -r 1 (rtprio in limits.conf)",
    )


def governor(names: frozenset[str]) -> Check:
    """What decides the clock frequency; empty where it cannot be seen, as in most guests."""
    if not names:
        return Check("cpu governor", True, "not visible here")
    return Check(
        "cpu governor",
        names == {"performance"},
        ", ".join(sorted(names)),
        "the clock changes with the load: cpupower frequency-set -g performance",
    )


def quota(cpus: float | None, cores: int) -> Check:
    """The CPU time that the cgroup may use; None is without a limit."""
    return Check(
        "cgroup quota",
        cpus is None or cpus >= cores,
        "none" if cpus is None else f"{cpus:g} CPUs of {cores}",
        "throttling stops the server for tens of milliseconds: raise the quota, or pin with cpuset",
    )


def memory(available_bytes: int) -> Check:
    """Memory that can be used without swapping."""
    return Check(
        "memory",
        available_bytes >= LEAST_MEMORY_GIB * GIB,
        f"{available_bytes / GIB:.1f} GiB available",
        f"a build wants {LEAST_MEMORY_GIB:g} GiB: free some",
    )


def disk(what: str, folder: Path, free: int) -> Check:
    """Room for Bentos, artifacts and runs."""
    return Check(
        f"disk of the {what}",
        free >= LEAST_DISK_GIB * GIB,
        f"{free / GIB:.1f} GiB free",
        f"{folder}: free some space, or set OPTBUILD_CACHE and BENTOML_HOME",
    )


def timer_lateness_s() -> float:
    """The 99th percentile of how late `SLEEPS` sleeps end, each until a planned time."""
    begin_s = time.monotonic()
    late = np.empty(SLEEPS)
    for at in range(SLEEPS):
        due_s = begin_s + (at + 1) * SLEEP_S
        time.sleep(max(0.0, due_s - time.monotonic()))
        late[at] = time.monotonic() - due_s
    return float(np.quantile(late, 0.99))


def read_pressure(path: Path) -> float | None:
    """`some avg10` of a file of /proc/pressure."""
    try:
        return float(path.read_text(encoding="ascii").split()[1].removeprefix("avg10="))
    except OSError:
        return None


def read_governors(root: Path) -> frozenset[str]:
    """The frequency governors of all CPUs."""
    folder = root / "sys/devices/system/cpu"
    return frozenset(
        path.read_text(encoding="ascii").strip()
        for path in folder.glob("cpu[0-9]*/cpufreq/scaling_governor")
    )


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").splitlines()
    except OSError:
        return []


def read_available_bytes(root: Path) -> int:
    """MemAvailable of /proc/meminfo."""
    for line in _lines(root / "proc/meminfo"):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def free_bytes(folder: Path) -> int:
    """Free space where `folder` is, or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
