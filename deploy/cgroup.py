"""How long a cgroup's CPU quota has held its processes back, under cgroup v1 and v2.

Sources: Linux, Documentation/scheduler/sched-bwc.rst (v1: `throttled_time` in ns) and
Documentation/admin-guide/cgroup-v2.rst (v2: `throttled_usec`).
"""

from pathlib import Path

PROC = Path("/proc")


def limited_cgroup(pid: int, proc: Path = PROC) -> Path | None:
    """The folder of the nearest cgroup with a CPU quota that a process is in; None without one.

    Its own cgroup comes first, then those above it as far as they can be seen from here.
    """
    try:
        mounts = (proc / "self" / "mountinfo").read_text(encoding="utf-8")
        memberships = (proc / str(pid) / "cgroup").read_text(encoding="utf-8")
    except OSError:  # gone, or not Linux's usual /proc
        return None
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
                found = _limited(Path(mounted), _below(path, root))
                if found is not None:
                    return found
    return None


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


def _below(path: str, root: str) -> str:
    """The place of a cgroup below a mount that shows the hierarchy from `root` on."""
    return path.removeprefix(root) if root != "/" else path


def _limited(mounted: Path, below: str) -> Path | None:
    folder = mounted / below.lstrip("/")
    for candidate in (folder, *folder.parents):
        if candidate.is_relative_to(mounted) and _has_quota(candidate):
            return candidate
    return None


def _has_quota(cgroup: Path) -> bool:
    for name in ("cpu.max", "cpu.cfs_quota_us"):  # v2, v1
        try:
            quota = (cgroup / name).read_text(encoding="ascii").split()[0]
        except (OSError, IndexError):
            continue
        return quota not in ("max", "-1")
    return False
