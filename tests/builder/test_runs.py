import json
from pathlib import Path

from builder.runs import RunStore, run_id


def write(store: RunStore, name: str, attempt: int = 1) -> Path:
    folder = store.start(name)
    block, scenario, _ = name.split("-", 2)
    content = {"block": int(block[1:]), "scenario": scenario, "attempt": attempt}
    (folder / "run.json").write_text(json.dumps(content))
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_run_counts_when_it_is_complete(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    name = run_id(3, "steady", "onnx+batching")
    folder = write(store, name)
    assert not store.finished(name)
    store.finish(name, folder)
    assert store.finished(name)
    assert (tmp_path / "runs" / "b003-steady-onnx+batching" / "run.json").exists()


def test_what_a_killed_process_left_is_swept_away(tmp_path: Path) -> None:
    write(RunStore(tmp_path), "b001-steady-onnx")
    store = RunStore(tmp_path)
    assert list(store.runs.iterdir()) == []
    assert not store.finished("b001-steady-onnx")


def test_a_failed_run_takes_its_block_with_it_and_no_other(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    for name in ("b001-steady-baseline", "b001-bursty-baseline", "b002-steady-baseline"):
        store.finish(name, write(store, name))
    failed = "b001-steady-onnx"
    assert store.attempts(1, "steady") == 0
    assert store.fail(1, "steady", failed, write(store, failed)) == 1
    assert store.attempts(1, "steady") == 1
    assert names(store.runs) == {
        "b001-bursty-baseline",
        "b002-steady-baseline",
    }
    assert names(store.invalid) == {
        "b001-steady-baseline-attempt1",
        "b001-steady-onnx-attempt1",
    }
    store.fail(1, "steady", failed, write(store, failed))
    assert store.attempts(1, "steady") == 2
    assert store.attempts(1, "bursty") == 0


def test_a_kill_while_a_block_is_set_aside_is_made_good(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    store.finish("b001-steady-baseline", write(store, "b001-steady-baseline"))
    store.finish("b001-bursty-baseline", write(store, "b001-bursty-baseline"))
    failed = write(store, "b001-steady-onnx")
    # The first rename of `fail`, and then the power went.
    store.invalid.mkdir()
    failed.rename(store.invalid / "b001-steady-onnx-attempt1")
    again = RunStore(tmp_path)
    assert names(again.runs) == {"b001-bursty-baseline"}
    assert again.attempts(1, "steady") == 1
    again.finish("b001-steady-baseline", write(again, "b001-steady-baseline", attempt=2))
    assert "b001-steady-baseline" in names(RunStore(tmp_path).runs)
