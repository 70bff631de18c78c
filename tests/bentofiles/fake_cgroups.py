"""A /proc and cgroup folders of v1 and v2 that look like Linux's."""

from pathlib import Path

V2_MOUNT = "30 23 0:26 / ROOT rw,nosuid - cgroup2 cgroup2 rw\n"
V1_MOUNT = (
    "33 31 0:30 / ROOT/memory rw - cgroup cgroup rw,memory\n"
    "32 31 0:29 / ROOT/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
    "41 31 0:38 / ROOT/unified rw - cgroup2 cgroup2 rw\n"
)
V1_MEMBER = "4:memory:/job\n1:cpu,cpuacct:/job/server\n0::/\n"


def machine(
    tmp_path: Path, membership: str, mounts: str, files: dict[str, str], process: str = "7"
) -> Path:
    """A /proc with one process, and the cgroup files that its mounts show."""
    proc = tmp_path / "proc"
    for name in {"self", process}:
        (proc / name).mkdir(parents=True)
    (proc / process / "cgroup").write_text(membership)
    (proc / "self" / "mountinfo").write_text(mounts.replace("ROOT", str(tmp_path / "cg")))
    for name, content in files.items():
        file = tmp_path / "cg" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return proc
