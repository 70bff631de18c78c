import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from builder import artifacts


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPTBUILD_CACHE", str(tmp_path / "a cache"))
    return tmp_path / "a cache"


def fill(folder: Path) -> dict[str, object]:
    (folder / "graph").write_text("content")
    return {"operators": 3}


def test_an_artifact_is_made_once() -> None:
    calls = []

    def counted(folder: Path) -> dict[str, object]:
        calls.append(folder)
        return fill(folder)

    first = artifacts.make("kind", {"a": 1}, counted)
    second = artifacts.make("kind", {"a": 1}, counted)
    assert len(calls) == 1
    assert first == second
    assert (second.path / "graph").read_text() == "content"
    assert second.facts == {"operators": 3}


def test_another_recipe_is_another_artifact() -> None:
    one, other = artifacts.make("kind", {"a": 1}, fill), artifacts.make("kind", {"a": 2}, fill)
    assert one.path != other.path
    assert one.content_digest == other.content_digest


def test_a_crash_leaves_nothing_that_looks_finished(cache: Path) -> None:
    def crash(folder: Path) -> dict[str, object]:
        fill(folder)
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError):
        artifacts.make("kind", {"a": 1}, crash)
    assert list((cache / "artifacts").iterdir()) == []
    assert artifacts.make("kind", {"a": 1}, fill).facts == {"operators": 3}


def fill_and_die(folder: Path) -> dict[str, object]:
    fill(folder)
    (folder / "half").touch()
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def test_a_killed_process_leaves_nothing_that_looks_finished() -> None:
    process = multiprocessing.get_context("fork").Process(
        target=artifacts.make, args=("kind", {"a": 1}, fill_and_die)
    )
    process.start()
    process.join(10)
    assert process.exitcode == -9
    made = artifacts.make("kind", {"a": 1}, fill)
    assert not (made.path / "half").exists()


def fill_slowly(folder: Path) -> dict[str, object]:
    with (folder.parent.parent / "calls").open("a") as calls:
        calls.write("x")
    time.sleep(0.3)
    return fill(folder)


def test_two_processes_make_it_once(cache: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [
        context.Process(target=artifacts.make, args=("kind", {"a": 1}, fill_slowly))
        for _ in range(3)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(10)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert (cache / "calls").read_text() == "x"
