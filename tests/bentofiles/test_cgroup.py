"""CPU quotas of cgroups v1 and v2, in folders that look like Linux's."""

from pathlib import Path

import pytest
from fake_cgroups import V1_MEMBER, V1_MOUNT, V2_MOUNT, machine

from bentofiles import predictor
from bentofiles.cgroup import allowed_cpus

CASES: dict[str, tuple[str, str, dict[str, str], float | None]] = {
    "v2, nothing says": ("0::/\n", V2_MOUNT, {}, None),
    "v2, no quota": ("0::/job\n", V2_MOUNT, {"job/cpu.max": "max 100000\n"}, None),
    "v2, of its own, below the root": (
        "0::/job/server\n",
        V2_MOUNT,
        {"job/server/cpu.max": "150000 100000\n"},
        1.5,
    ),
    "v2, the one above has less": (
        "0::/job/server\n",
        V2_MOUNT,
        {"job/server/cpu.max": "400000 100000\n", "job/cpu.max": "50000 100000\n"},
        0.5,
    ),
    "v2, in a container": ("0::/\n", V2_MOUNT, {"cpu.max": "50000 100000\n"}, 0.5),
    "v2, a mount that shows a part of the hierarchy": (
        "0::/pod/server\n",
        V2_MOUNT.replace(" / ROOT", " /pod ROOT"),
        {"server/cpu.max": "20000 10000\n"},
        2.0,
    ),
    "v1, below the root": (
        V1_MEMBER,
        V1_MOUNT,
        {
            "cpu/job/server/cpu.cfs_quota_us": "25000\n",
            "cpu/job/server/cpu.cfs_period_us": "50000\n",
            "cpu/cpu.cfs_quota_us": "-1\n",
            "cpu/cpu.cfs_period_us": "100000\n",
        },
        0.5,
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_least_quota_that_holds_for_a_process(
    tmp_path: Path, case: tuple[str, str, dict[str, str], float | None]
) -> None:
    membership, mounts, files, cpus = case
    proc = machine(tmp_path, membership, mounts, files, process="self")
    assert allowed_cpus(proc=proc) == cpus


def test_without_a_proc_of_linux_there_is_no_quota(tmp_path: Path) -> None:
    assert allowed_cpus(proc=tmp_path) is None


@pytest.mark.parametrize(
    ("quota", "seen", "cpus"), [(None, 4, 4), (1.5, 4, 1), (0.2, 4, 1), (8.0, 4, 4)]
)
def test_cpus_are_those_of_the_mask_within_the_quota(
    monkeypatch: pytest.MonkeyPatch, quota: float | None, seen: int, cpus: int
) -> None:
    monkeypatch.setattr(predictor, "allowed_cpus", lambda: quota)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(seen)))
    assert predictor.cpus() == cpus
