"""Quotas of cgroups v1 and v2, in folders that look like Linux's."""

from pathlib import Path

import pytest
from fake_cgroups import V1_MEMBER, V1_MOUNT, V2_MOUNT, machine

from deploy.cgroup import limited_cgroup, throttled_s

CASES = {
    "v2, its own quota": (
        ("0::/job/server\n", V2_MOUNT),
        {"job/server/cpu.max": "150000 100000\n", "job/server/cpu.stat": "throttled_usec 2500\n"},
        ("job/server", 0.0025),
    ),
    "v2, the quota of the one above": (
        ("0::/job/server\n", V2_MOUNT),
        {
            "job/server/cpu.max": "max 100000\n",
            "job/cpu.max": "50000 100000\n",
            "job/cpu.stat": "usage_usec 9\nthrottled_usec 1000000\n",
        },
        ("job", 1.0),
    ),
    "v2, no quota": (
        ("0::/job\n", V2_MOUNT),
        {"job/cpu.max": "max 100000\n", "job/cpu.stat": "throttled_usec 0\n"},
        None,
    ),
    "v2, in a container that sees its own cgroup as the root": (
        ("0::/\n", V2_MOUNT),
        {"cpu.max": "50000 100000\n", "cpu.stat": "throttled_usec 7000000\n"},
        ("", 7.0),
    ),
    "v2, a mount that shows a part of the hierarchy": (
        ("0::/pod/server\n", V2_MOUNT.replace(" / ROOT", " /pod ROOT")),
        {"server/cpu.max": "1000 100000\n", "server/cpu.stat": "throttled_usec 1\n"},
        ("server", 1e-6),
    ),
    "v1, beside a v2 without controllers": (
        (V1_MEMBER, V1_MOUNT),
        {
            "cpu/job/server/cpu.cfs_quota_us": "20000\n",
            "cpu/job/server/cpu.cfs_period_us": "100000\n",
            "cpu/job/server/cpu.stat": "nr_periods 3\nthrottled_time 1500000000\n",
        },
        ("cpu/job/server", 1.5),
    ),
    "v1, no quota": (
        (V1_MEMBER, V1_MOUNT),
        {"cpu/job/server/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_quota_us": "-1\n"},
        None,
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_nearest_quota_is_found(
    tmp_path: Path,
    case: tuple[tuple[str, str], dict[str, str], tuple[str, float] | None],
) -> None:
    proc = machine(tmp_path, *case[0], files=case[1])
    found = limited_cgroup(7, proc)
    if case[2] is None:
        assert found is None
    else:
        assert found == tmp_path / "cg" / case[2][0]
        assert throttled_s(found) == pytest.approx(case[2][1])


def test_a_process_that_has_gone_is_limited_by_nothing(tmp_path: Path) -> None:
    proc = machine(tmp_path, "0::/\n", V2_MOUNT, {})
    assert limited_cgroup(8, proc) is None


def test_a_cgroup_that_does_not_say_is_none(tmp_path: Path) -> None:
    assert throttled_s(tmp_path) is None
    (tmp_path / "cpu.stat").write_text("usage_usec 12\n")
    assert throttled_s(tmp_path) is None
