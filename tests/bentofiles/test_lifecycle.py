import os
import subprocess
import sys
from pathlib import Path

from bentofiles.lifecycle import Roll

WORKER = """
import pathlib, sys
from bentofiles.lifecycle import Roll
roll = Roll(2, pathlib.Path(sys.argv[1]))
roll.sign()
for question in sys.stdin:
    print(roll.complete(), flush=True)
"""


class Worker:
    """A worker of the supervisor that this process is."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def sees_all(self) -> bool:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write("complete?\n")
        self.process.stdin.flush()
        return self.process.stdout.readline() == "True\n"

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def test_the_roll_is_complete_while_all_workers_live(tmp_path: Path) -> None:
    first = Worker(tmp_path / "roll")
    assert not first.sees_all()
    second = Worker(tmp_path / "roll")
    assert second.sees_all()
    assert first.sees_all()
    second.process.kill()
    os.waitid(os.P_PID, second.process.pid, os.WEXITED | os.WNOWAIT)
    assert not first.sees_all(), "dead, though nobody has reaped it yet"
    second.kill()
    assert not first.sees_all()
    first.kill()


def test_entries_of_the_dead_and_of_strangers_do_not_count(tmp_path: Path) -> None:
    roll = Roll(workers=1, folder=tmp_path)
    (tmp_path / "999999999").touch()
    (tmp_path / "1").touch()
    assert not roll.complete()
    roll.sign()
    assert roll.complete()


def test_the_entry_of_a_predecessor_with_the_same_process_id_does_not_count(tmp_path: Path) -> None:
    worker = Worker(tmp_path / "roll")
    assert not worker.sees_all()
    second = Worker(tmp_path / "roll")
    assert second.sees_all()
    # What a container that is started again finds in its /tmp.
    (tmp_path / "roll" / str(second.process.pid)).write_text("12345")
    assert not worker.sees_all()
    second.kill()
    worker.kill()


def test_leaving_takes_a_worker_off(tmp_path: Path) -> None:
    roll = Roll(workers=1, folder=tmp_path / "roll")
    roll.sign()
    roll.leave()
    assert not roll.complete()
    assert not (tmp_path / "roll").exists()


def test_a_worker_that_does_not_get_on_is_off_until_it_does(tmp_path: Path) -> None:
    roll = Roll(workers=1, folder=tmp_path / "roll")
    roll.sign()
    for getting_on in (True, False, False, True):
        roll.keep(getting_on)
        assert roll.complete() == getting_on
