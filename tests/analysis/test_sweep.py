"""What a sweep's directory says, however far it got and whatever happened to it."""

import json
from pathlib import Path
from typing import Any

import fake_runs
import numpy as np
import pytest

from analysis.objective import Objective
from analysis.records import OK, write_records
from analysis.sweep import Capacity, Ratio, find_sweep
from variants._errors import OptbuildError

SPEC = "onnx"
GOOD, BAD = 0.1, 0.4  # seconds; the objective asks for less than 0.25
Visit = tuple[float, float, str, int]  # rate, latency, role, candidate

CLIMB: list[Visit] = [(20.0, GOOD, "climb", 0), (30.0, BAD, "climb", 0), (30.0, BAD, "climb", 0)]
LOWER: list[Visit] = [(24.0, GOOD, "lower", 0)] * 2
UPPER: list[Visit] = [(26.0, BAD, "upper", 0)] * 2


def write(out: Path, visits: list[Visit], invalid: list[Visit] | None = None) -> Path:
    """OUT/sweep with these runs of one variant, each bound confirmed by two."""
    objective = vars(Objective("p95", 0.25))
    plan = {
        "format": 1,
        "choices": {
            "specs": [SPEC],
            "scenario": "steady",
            "objective": objective,
            "repeats": 2,
            "seed": 7,
        },
        "command": "optbuild sweep onnx",
    }
    (out / "sweep").mkdir(parents=True)
    (out / "sweep" / "plan.json").write_text(json.dumps(plan))
    for folder, group in (("runs", visits), ("invalid", invalid or [])):
        for number, visit in enumerate(group, start=1 if folder == "runs" else 1 + len(visits)):
            _run(out / "sweep" / folder / f"b{number:03d}-steady-{SPEC}", number, visit)
    return out


def _run(folder: Path, number: int, visit: Visit) -> None:
    rate, latency_s, role, candidate = visit
    experiment = fake_runs.Experiment(
        lambda *_: np.empty(0), specs=(SPEC,), scenarios=("steady",), rates={"steady": rate}
    )
    records = fake_runs.rows([latency_s] * 60, [OK] * 60, gap_s=1 / rate)
    facts: dict[str, Any] = fake_runs.run_json(
        folder.name, 0, "steady", number, 0, records, experiment
    )
    facts["sweep"] = {"visit": number, "role": role, "candidate": candidate, "step": 0}
    folder.mkdir(parents=True)
    write_records(folder / "records.parquet", records)
    (folder / "run.json").write_text(json.dumps(facts))


def words(out: Path) -> str:
    found = find_sweep(out)
    assert found is not None
    return found.capacities[0].words


def test_a_finished_search(tmp_path: Path) -> None:
    found = find_sweep(write(tmp_path, CLIMB + LOWER + UPPER))
    assert found is not None
    (capacity,) = found.capacities
    assert (capacity.low_rps, capacity.high_rps) == (24.0, 26.0)
    assert capacity.rate_rps == pytest.approx((24 * 26) ** 0.5)
    assert capacity.words == "meets p95 < 250 ms up to 25.0/s (24.0 to 26.0)"
    assert (found.seed, found.command, found.problems) == (7, "optbuild sweep onnx", ())
    assert [(point.rate_rps, point.repeat, point.meets) for point in found.points] == [
        (20.0, 1, True),
        (30.0, 1, False),
        (30.0, 2, False),
        (24.0, 1, True),
        (24.0, 2, True),
        (26.0, 1, False),
        (26.0, 2, False),
    ]
    assert found.points[1].summary.p95_s == pytest.approx(BAD)


@pytest.mark.parametrize(
    ("visits", "invalid", "said"),
    [
        ([], [], "not known yet where it meets p95 < 250 ms"),
        (CLIMB, [], "up to about 24.5/s; neither bound is confirmed"),
        (CLIMB + LOWER, [], "up to about 26.8/s; confirmed is: it does at 24.0/s"),
        (CLIMB + UPPER, [], "up to about 22.8/s; confirmed is: it does not at 26.0/s"),
        (CLIMB[:1] + LOWER, [], "at 24.0/s, the highest rate that was offered"),
        (CLIMB[1:] + UPPER, [], "misses p95 < 250 ms even at 26.0/s, the lowest rate"),
        (
            CLIMB[:1] + LOWER,
            [(30.0, GOOD, "climb", 0)] * 3,
            "the load generator's own limit is below 30.0/s",
        ),
    ],
)
def test_every_other_end_is_told(
    tmp_path: Path, visits: list[Visit], invalid: list[Visit], said: str
) -> None:
    assert said in words(write(tmp_path, visits, invalid))


def test_the_level_is_that_of_the_bounds_there_are(tmp_path: Path) -> None:
    both = find_sweep(write(tmp_path / "both", CLIMB + LOWER + UPPER))
    one = find_sweep(write(tmp_path / "one", CLIMB + LOWER))
    none = find_sweep(write(tmp_path / "none", CLIMB))
    assert both and one and none
    levels = [found.capacities[0].confidence for found in (both, one, none)]
    assert levels[0] is not None and levels[1] is not None and levels[2] is None
    assert 1 - levels[0] == pytest.approx(2 * (1 - levels[1]))


def test_a_ratio_goes_from_bound_to_opposite_bound_at_the_level_of_both() -> None:
    first = Capacity("baseline", 20.0, 19.0, 21.0, 0.98, None, "")
    best = Capacity("best", 60.0, 57.0, 63.0, 0.96, None, "")
    ratio = best.over(first)
    assert (ratio.value, ratio.low, ratio.high) == (3.0, 57 / 21, 63 / 19)
    assert ratio.confidence == pytest.approx(0.94)
    assert str(ratio) == "3.00 (2.71–3.32)"
    unknown = Capacity("new", None, None, None, None, None, "")
    assert unknown.over(first) == Ratio(None, None, None, None)
    assert str(unknown.over(first)) == "? (?–?)"


def test_a_directory_without_a_sweep_has_none(tmp_path: Path) -> None:
    assert find_sweep(tmp_path) is None
    (tmp_path / "sweep").mkdir()
    assert find_sweep(tmp_path) is None


@pytest.mark.parametrize("content", ["", "[]", '{"format": 2}', '{"format": 1}', "{'format': 1}"])
def test_a_damaged_plan_is_named(tmp_path: Path, content: str) -> None:
    write(tmp_path, CLIMB)
    (tmp_path / "sweep" / "plan.json").write_text(content)
    with pytest.raises(OptbuildError, match=r"sweep/plan\.json"):
        find_sweep(tmp_path)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("run.json", b"{"),
        ("run.json", b"[]"),
        ("run.json", b"{}"),
        ("records.parquet", b""),
        ("records.parquet", b"PAR1 and no more"),
    ],
)
def test_a_damaged_run_is_named_and_the_others_count(
    tmp_path: Path, file: str, content: bytes
) -> None:
    write(tmp_path, CLIMB + LOWER + UPPER)
    victim = tmp_path / "sweep" / "runs" / "b001-steady-onnx" / file
    victim.write_bytes(content)
    found = find_sweep(tmp_path)
    assert found is not None
    assert len(found.points) == 6
    (problem,) = found.problems
    assert str(victim) in problem and "\n" not in problem


def test_a_run_of_an_ablation_is_not_one_of_the_sweep(tmp_path: Path) -> None:
    write(tmp_path, CLIMB)
    folder = tmp_path / "sweep" / "runs" / "b001-steady-onnx"
    fake_runs.edit_json(folder, lambda run: run.pop("sweep"))
    found = find_sweep(tmp_path)
    assert found is not None and len(found.points) == 2
    assert "sweep" in found.problems[0]
