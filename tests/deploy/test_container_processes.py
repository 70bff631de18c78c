"""Which of an engine's processes are this machine's own."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deploy.container_processes import first_process, with_descendants

SELF = "c0ffee"


@pytest.mark.parametrize(
    ("pid", "membership", "seen"),
    [
        (7, f"0::/system.slice/docker-{SELF}.scope\n", 7),
        (7, f"4:memory:/docker/{SELF}\n0::/\n", 7),
        (7, "0::/user.slice/session-1.scope\n", None),  # another one with that number
        (8, "", None),  # nobody has it here
        (0, "", None),  # the container has ended
    ],
)
def test_only_a_process_in_the_containers_own_cgroup_is_its(
    tmp_path: Path, pid: int, membership: str, seen: int | None
) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text(membership)
    container: Any = SimpleNamespace(id=SELF, attrs={"State": {"Pid": pid}})
    assert first_process(container, tmp_path) == seen


def test_descendants_are_found_and_what_has_ended_is_left_out() -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as parent:
        while len(found := with_descendants([parent.pid])) < 2:
            pass
        assert found[0] == parent.pid
        assert os.getpid() not in found
        parent.communicate(b"\n", timeout=30)
    assert with_descendants([parent.pid]) == []
