import os
from pathlib import Path

from bentofiles.leaving import FILE_VARIABLE, LOOK_S, Leaving


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_file_that_is_touched_says_so_at_the_next_look(tmp_path: Path) -> None:
    file, clock = tmp_path / "leaving", Clock()
    leaving = Leaving({FILE_VARIABLE: str(file)}, since_s=1000.0, clock=clock)
    assert not leaving.told()
    file.touch()
    assert not leaving.told()  # not looked again yet
    clock.now_s += LOOK_S
    assert leaving.told()
    file.unlink()
    clock.now_s += LOOK_S
    assert leaving.told()  # nobody who leaves comes back


def test_a_file_that_a_predecessor_was_told_with_says_nothing(tmp_path: Path) -> None:
    file, clock = tmp_path / "leaving", Clock()
    file.touch()
    os.utime(file, (999.0, 999.0))
    leaving = Leaving({FILE_VARIABLE: str(file)}, since_s=1000.0, clock=clock)
    assert not leaving.told()
    file.touch()
    clock.now_s += LOOK_S
    assert leaving.told()


def test_without_a_file_to_look_for_nothing_is_watched() -> None:
    leaving = Leaving({})
    assert not leaving.watched
    assert not leaving.told()
