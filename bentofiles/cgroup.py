"""The cgroups that a process is in and the CPU quotas of those, under cgroup v1 and v2.

Sources: Linux, Documentation/scheduler/sched-bwc.rst (v1: `cpu.cfs_quota_us`, -1 for none) and
Documentation/admin-guide/cgroup-v2.rst (v2: `cpu.max`, "max" for none).
"""

from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")


def folders(pid: int | str, proc: Path = PROC) -> Iterator[Path]:
    """The folders of a process's cgroups that can limit its CPU: its own first, then those above.

    As far as they can be seen from here: in a container its own is often the uppermost.
    """
    try:
        mounts = (proc / "self" / "mountinfo").read_text(encoding="utf-8")
        memberships = (proc / str(pid) / "cgroup").read_text(encoding="utf-8")
    except OSError:  # gone, or not Linux's usual /proc
        return
    paths = [line.split(":", 2) for line in memberships.splitlines()]
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        root, mounted = before.split(" ")[3:5]
        for _, controllers, path in paths:
            v1 = kind == "cgroup" and {"cpu"} <= set(controllers.split(",")) & set(
                options.split(",")
            )
            if v1 or (kind == "cgroup2" and not controllers):
                folder = Path(mounted) / _below(path, root).lstrip("/")
                for candidate in (folder, *folder.parents):
                    if candidate.is_relative_to(mounted):
                        yield candidate


def quota_cpus(cgroup: Path) -> float | None:
    """CPUs that a cgroup's own quota allows; None if it has none."""
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):  # v2, v1
        try:
            words = " ".join((cgroup / name).read_text(encoding="ascii") for name in names).split()
            return float(words[0]) / float(words[1]) if float(words[0]) > 0 else None
        except (OSError, ValueError, IndexError):  # not this version of cgroups, or "max"
            continue
    return None


def allowed_cpus(pid: int | str = "self", proc: Path = PROC) -> float | None:
    """CPUs that a process may use by the least of the quotas that hold for it; None without one."""
    quotas = map(quota_cpus, folders(pid, proc))
    return min((quota for quota in quotas if quota is not None), default=None)


def _below(path: str, root: str) -> str:
    """The place of a cgroup below a mount that shows the hierarchy from `root` on."""
    return path.removeprefix(root) if root != "/" else path
