import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from deploy.child import Child

# A child with a child of its own in another session, like BentoML's workers; says its id.
FAMILY = """
import subprocess, sys, time
sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
                           start_new_session=True)
print(sleeper.pid, flush=True)
time.sleep(600)
"""


def gone(pid: int, within_s: float = 5.0) -> bool:
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_leaving_ends_the_whole_family(tmp_path: Path) -> None:
    with Child(["-c", FAMILY], tmp_path / "log", pipe=True) as child:
        grandchild = int(next(child.lines()))
    assert gone(grandchild)
    assert gone(child.process.pid)


def test_an_error_ends_the_family_too(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Child(["-c", FAMILY], tmp_path / "log", pipe=True) as c:
        grandchild = int(next(c.lines()))
        raise KeyboardInterrupt
    assert gone(grandchild)


def test_a_deaf_child_is_killed(tmp_path: Path) -> None:
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True)"
    with Child(["-c", deaf + "; time.sleep(600)"], tmp_path / "log", pipe=True, grace_s=0.2) as c:
        next(c.lines())
    assert c.process.returncode == -signal.SIGKILL


def test_a_child_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time, pathlib\n"
            "from deploy.child import Child\n"
            "child = Child(['-c', 'import time; time.sleep(600)'], pathlib.Path(sys.argv[1]))\n"
            "print(child.process.pid, flush=True); time.sleep(600)",
            str(tmp_path / "log"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    assert gone(child)


def test_the_log_keeps_the_last_words(tmp_path: Path) -> None:
    log = tmp_path / "a folder" / "log"
    with Child(
        ["-c", "import sys; print('out', flush=True); sys.exit('no such model')"], log
    ) as child:
        assert child.process.wait() == 1
    assert child.last_words(1) == "no such model"
    assert "out" in log.read_text()


def test_questions_and_answers(tmp_path: Path) -> None:
    echo = "import sys; print(sys.stdin.read().upper())"
    with Child(["-c", echo], tmp_path / "log", pipe=True) as child:
        child.send("texts")
        assert list(child.lines()) == ["TEXTS\n"]


@pytest.mark.parametrize(("own", "expected"), [(None, "1"), ("0", "0")])
def test_a_child_reports_no_usage_of_onnx_runtime_unless_its_user_wants_that(
    own: str | None, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    if own is not None:
        monkeypatch.setenv("ORT_DISABLE_TELEMETRY", own)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    says = "import onnxruntime, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    with Child(["-c", says], tmp_path / "log", pipe=True) as child:
        assert [line.strip() for line in child.lines()] == [expected]
    # With CI=true in its environment ONNX Runtime writes no database even for one who wants it.
    if own is None:
        assert not (tmp_path / "home" / ".cache" / "Microsoft").exists()
