"""Real processes, watched from outside."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from deploy import sampler
from deploy.fake import FakeTarget
from deploy.sampler import Sampler

BUSY = "import time; x = bytearray(60_000_000); x[::4096] = x[::4096]\nwhile True: pass"


class Watched:
    """A target of ordinary processes."""

    def __init__(self, *codes: str) -> None:
        self.codes = list(codes)
        self.children: list[subprocess.Popen[bytes]] = []
        self.url = ""

    def start(self, code: str) -> None:
        self.children.append(subprocess.Popen([sys.executable, "-c", code]))

    def __enter__(self) -> Self:
        for code in self.codes:
            self.start(code)
        return self

    def __exit__(self, *exception: object) -> None:
        for child in self.children:
            child.kill()
            child.wait()

    def processes(self) -> Sequence[int]:
        return [child.pid for child in self.children if child.poll() is None]


def cpu_s(pid: int) -> float:
    """What Linux says of a process, by another door than the sampler's."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def test_cpu_time_and_memory_are_those_of_the_processes() -> None:
    with Watched(BUSY, "import time; time.sleep(60)") as target:
        busy, idle = target.processes()
        while cpu_s(busy) < 0.3:  # it has its memory
            time.sleep(0.02)
        outer_s = cpu_s(busy)
        with Sampler(target, period_s=0.1) as watched:
            inner_s = cpu_s(busy)
            while cpu_s(busy) < inner_s + 0.5:
                time.sleep(0.02)
            inner_s = cpu_s(busy) - inner_s
        outer_s = cpu_s(busy) - outer_s
        looks = [look for look in watched.looks if look.pid == busy]
        assert len(looks) >= 4
        tick_s = 0.03  # a counter of ticks, and Linux's way of sharing them out
        assert inner_s - tick_s <= looks[-1].cpu_s - looks[0].cpu_s <= outer_s + tick_s
        assert 60_000_000 < looks[-1].rss_bytes < 200_000_000
        assert looks[-1].threads == 1
        still = [look.cpu_s for look in watched.looks if look.pid == idle]
        assert still[-1] - still[0] < 0.1
        assert watched.pss_bytes is None or watched.pss_bytes > 60_000_000


def test_a_process_that_starts_late_is_found_and_one_that_ends_is_no_error() -> None:
    with Watched("import time; time.sleep(60)", "pass") as target:
        target.children[1].wait()
        with Sampler(target, period_s=0.02) as watched:
            target.start("import time; time.sleep(60)")
            target.children[0].kill()
            late = target.children[-1].pid
            deadline_s = time.monotonic() + 30
            while not [look for look in watched.looks if look.pid == late]:
                assert time.monotonic() < deadline_s
                time.sleep(0.02)


def test_times_are_those_of_the_wall_clock() -> None:
    before = time.time()
    with Watched("import time; time.sleep(60)") as target, Sampler(target, period_s=0.05) as seen:
        time.sleep(0.12)
    times = [look.at for look in seen.looks]
    assert times == sorted(times)
    assert before - 0.5 < times[0] and times[-1] < time.time() + 0.5


def test_throttling_is_that_of_every_cgroup_that_a_process_is_or_was_in(tmp_path: Path) -> None:
    proc, cgroups = tmp_path / "proc", tmp_path / "cg"
    (proc / "self").mkdir(parents=True)
    mount = f"30 23 0:26 / {cgroups} rw - cgroup2 cgroup2 rw"
    (proc / "self" / "mountinfo").write_text(mount)
    zeros = " ".join("0" * 20)
    for pid, replica in ((1, "a"), (2, "a"), (3, "b")):
        (proc / str(pid)).mkdir()
        (proc / str(pid) / "stat").write_text(f"{pid} (server) S {zeros} 0 0 0 0 0")
        (proc / str(pid) / "cgroup").write_text(f"0::/{replica}\n")
    for replica in "ab":
        (cgroups / replica).mkdir(parents=True)
        (cgroups / replica / "cpu.max").write_text("100000 100000")

    def throttle(replica: str, seconds: float) -> None:
        (cgroups / replica / "cpu.stat").write_text(f"throttled_usec {seconds * 1e6:.0f}")

    class Two(FakeTarget):
        def processes(self) -> Sequence[int]:
            return (1, 2, 3)

    throttle("a", 1)
    throttle("b", 2)
    with Sampler(Two(), period_s=60, proc=proc) as watched:
        throttle("b", 3)
        shutil.rmtree(cgroups / "a")
    assert [look.throttled_s for look in watched.looks] == [3.0] * 3 + [4.0] * 3


def test_a_target_without_processes_shows_nothing() -> None:
    with FakeTarget() as target, Sampler(target) as watched:
        pass
    assert watched.looks == []


def test_a_name_with_spaces_and_parentheses_is_read() -> None:
    fields = " ".join(["S", *("0" for _ in range(10)), "250", "50", "0", "0", "0", "0", "9"])
    line = f"1 (a ) name) {fields} 0 0 0 12 0"
    look = sampler._parse(5.0, 1, line, None)
    ticks = os.sysconf("SC_CLK_TCK")
    assert (look.cpu_s, look.threads) == (300 / ticks, 9)
    assert look.rss_bytes == 12 * os.sysconf("SC_PAGE_SIZE")
