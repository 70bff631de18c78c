import json
from collections.abc import Callable
from pathlib import Path

import fake_runs
import pytest

from builder.disruption_runs import DisruptionStore
from builder.experiment import ReportedStore
from builder.runs import RunStore, run_id
from variants._errors import OptbuildError


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


def damage(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "run.json").write_text(text)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (damage(""), "cannot be read as JSON"),
        (damage('{"block": 1, "scen'), "cannot be read as JSON"),
        (damage("[]"), "holds no object"),
        (damage('{"block": 1, "scenario": "steady"}'), "is missing"),
        (damage('{"block": 1, "scenario": "steady", "attempt": "x"}'), "attempt|format|disruption"),
        (lambda folder: (folder / "run.json").unlink(), "missing; the run never finished"),
    ],
)
@pytest.mark.parametrize("store", [RunStore, ReportedStore, DisruptionStore])
def test_a_damaged_run_is_one_line_with_the_file_and_the_remedy(
    tmp_path: Path, store: type[RunStore], change: Callable[[Path], object], said: str
) -> None:
    name = "b001-steady-onnx"
    first = RunStore(tmp_path)
    first.finish(name, write(first, name))
    folder = first.runs / name
    change(folder)
    with pytest.raises(OptbuildError, match=said) as error:
        store(tmp_path)
    assert str(folder / "run.json") in str(error.value)
    assert f"move {name} out of {first.runs}" in str(error.value)
    assert "\n" not in str(error.value) and error.value.exit_code == 2
    folder.rename(tmp_path / "away")
    assert not store(tmp_path).finished(name)


def test_a_file_among_the_runs_is_no_run(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    (store.runs / "but.txt").write_text("a note")
    RunStore(tmp_path)


def test_an_ablation_asks_for_all_that_a_report_reads(tmp_path: Path) -> None:
    """Else a run without it counts as made, and every report leaves it out."""
    settings = fake_runs.Experiment(
        fake_runs.planted({"baseline": 1.0}),
        specs=("baseline",),
        scenarios=("steady",),
        blocks=1,
        duration_s=5.0,
    )
    fake_runs.write(tmp_path, settings)
    assert ReportedStore(tmp_path).finished("b001-steady-baseline")
    fake_runs.edit_json(tmp_path / "runs" / "b001-steady-baseline", lambda run: run.pop("rate"))
    assert RunStore(tmp_path).finished("b001-steady-baseline")
    with pytest.raises(OptbuildError, match=r"run\.json: the field rate is missing"):
        ReportedStore(tmp_path)


def test_a_disruption_is_found_by_its_experiment_not_its_scenario(tmp_path: Path) -> None:
    store = DisruptionStore(tmp_path)
    for experiment in ("kill", "stall"):
        folder = store.start(f"b001-{experiment}-onnx")
        content = {"block": 1, "scenario": "steady", "attempt": 1}
        content |= {"disruption": {"experiment": experiment}}
        (folder / "run.json").write_text(json.dumps(content))
        store.finish(f"b001-{experiment}-onnx", folder)
    store.invalid.mkdir()
    (store.invalid / "b001-kill-baseline-attempt1").mkdir()
    assert names(DisruptionStore(tmp_path).runs) == {"b001-stall-onnx"}
    assert "b001-kill-onnx-attempt1" in names(store.invalid)
