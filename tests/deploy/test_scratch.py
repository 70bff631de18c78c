import os
from pathlib import Path

import pytest

from deploy.scratch import scratch


def test_a_folder_is_there_and_then_gone(tmp_path: Path) -> None:
    with scratch(tmp_path / "new", "work-") as folder:
        (folder / "file").touch()
    assert list((tmp_path / "new").iterdir()) == []


def test_an_error_clears_up_too(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), scratch(tmp_path, "work-"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_only_what_is_old_and_dead_is_swept(tmp_path: Path) -> None:
    names = {
        "dead": "work-999999999-a",
        "alive": f"work-{os.getpid()}-a",
        "new": "work-999999998-a",
    }
    for name in (*names.values(), "other-999999999-a"):
        (tmp_path / name).mkdir()
    for name in (names["dead"], names["alive"], "other-999999999-a"):
        os.utime(tmp_path / name, (0, 0))
    with scratch(tmp_path, "work-"):
        pass
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {names["alive"], names["new"], "other-999999999-a"}
