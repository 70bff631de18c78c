"""Searches with a simulated server in the place of Locust and BentoML: files, turns, resuming."""

import json
import math
import re
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from rich.console import Console

from analysis.gates import Gate
from analysis.objective import Objective
from analysis.records import OK, Records, write_records
from analysis.runs import read_facts
from analysis.sweep import Sweep, find_sweep
from builder import sweeper
from builder.build import Build
from builder.check import Check
from builder.load import Load
from builder.measure import Measured
from builder.model import Model
from builder.plan import MOST_ATTEMPTS
from builder.progress import Progress
from builder.sweep_plan import SweepChoices, SweepPlan, load, require_same, save
from builder.sweeper import Sweeper
from loadtests._texts import Texts
from variants._errors import OptbuildError
from variants._spec import compose

TEXTS = Texts("test", ("a film", "another film"))
CHECK = Check("test", 2, 0, 0.0, None, None)
MODEL = Model("fake", "synthetic", "d", None)
SPECS = ("baseline", "onnx")
CAPACITY_RPS = {"baseline": 40.0, "onnx": 130.0}
OBJECTIVE = Objective("p95", 0.25)


class Idle:
    """A target that serves nobody; `spec` is what the simulated load looks up."""

    def __init__(self, spec: str) -> None:
        self.url = spec

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass


def plan(**changes: Any) -> SweepPlan:
    choices = SweepChoices(
        specs=SPECS,
        scenario="steady",
        objective=OBJECTIVE,
        duration_s=5.0,
        repeats=3,
        resolution=0.05,
        from_rps=None,
        to_rps=None,
        seed=1,
        timeout_s=5.0,
        model=None,
        model_digest="d",
        texts_sha256=TEXTS.sha256,
    )
    starts = dict.fromkeys(SPECS, 15.0)
    return SweepPlan(replace(choices, **changes), ("a", "b"), starts, {}, "test", "optbuild sweep")


def simulated(load: Load, target: Any, folder: Path) -> Measured:
    """A queue whose p95 is 250 ms at the variant's capacity, 3% faster or slower in each run."""
    rng = np.random.default_rng(load.seed)
    use = load.rate_rps / (2 * CAPACITY_RPS[target.url])
    latency_s = 0.125 / max(1 - use, 0.01) * math.exp(rng.normal(0, 0.03))
    n = round(load.rate_rps * load.duration_s)
    planned_s = np.arange(n) / load.rate_rps
    records = Records(
        index=np.arange(n, dtype=np.int32),
        planned_s=planned_s,
        sent_s=planned_s,
        done_s=planned_s + latency_s,
        status=np.full(n, 200, dtype=np.int16),
        outcome=np.full(n, OK, dtype=np.int8),
        payload=np.zeros(n, dtype=np.int32),
    )
    write_records(folder / "records.parquet", records)
    facts = {
        "planned": n,
        "timeout_s": load.timeout_s,
        "real_time": True,
        "cv": 1.0,
        "schedule_sha256": str(load.seed),
        "texts": {"source": "test", "sha256": "5e", "count": 2},
        "started_at": "2026-11-22T10:00:00+00:00",
    }
    (folder / "load.json").write_text(json.dumps(facts))
    return Measured(load, facts, records, {"steal_fraction": 0.0}, None)


def simulate(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Simulate from now on; the names of the runs in the order in which they were made."""
    names: list[str] = []

    def measure(load: Load, target: Any, folder: Path) -> Measured:
        names.append(folder.name.removeprefix(".partial-"))
        return simulated(load, target, folder)

    monkeypatch.setattr(sweeper, "measure", measure)
    monkeypatch.setattr(sweeper, "warm_up", lambda *arguments: None)
    return names


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Simulated runs by name, in the order in which they were made."""
    return simulate(monkeypatch)


@dataclass(frozen=True)
class Finished:
    """A sweep that nobody disturbed."""

    out: Path
    found: Sweep
    ran: list[str]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    out = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as monkeypatch:
        names = simulate(monkeypatch)
        return Finished(out, run(out, plan()), names)


def run(out: Path, chosen: SweepPlan) -> Sweep:
    builds = [
        Build(compose(spec), MODEL, f"fake:{spec}", Path(), CHECK, {}, True, 0.0) for spec in SPECS
    ]
    folder = out / "sweep"
    folder.mkdir(parents=True, exist_ok=True)
    save(chosen, folder)
    with Progress(Console(quiet=True), chosen.estimated_runs(), 1.0) as progress:
        Sweeper(
            chosen, builds, TEXTS, folder, progress, lambda build, log: Idle(build.variant.spec)
        ).run()
    found = find_sweep(out)
    assert found is not None
    return found


def test_each_variant_gets_its_capacity_with_bounds(finished: Finished) -> None:
    found = finished.found
    for capacity in found.capacities:
        assert capacity.low_rps is not None and capacity.high_rps is not None
        assert capacity.rate_rps is not None and capacity.knee_rps is not None
        truth = CAPACITY_RPS[capacity.spec]
        assert capacity.low_rps < truth * 1.03 and capacity.high_rps > truth / 1.03
        assert capacity.low_rps <= capacity.rate_rps <= capacity.high_rps < 1.3 * capacity.low_rps
        assert capacity.words.startswith("meets p95 < 250 ms up to ")
    assert (found.scenario, found.objective, found.problems) == ("steady", "p95 < 250 ms", ())
    assert len(found.points) == len(finished.ran) == len(set(finished.ran))
    assert len({point.rate_rps for point in found.points if point.spec == "onnx"}) >= 5


def test_every_run_is_an_ordinary_run_directory(finished: Finished) -> None:
    seeds = []
    for point in finished.found.points:
        facts = read_facts(finished.out / "sweep" / "runs" / point.id)
        assert (facts.spec, facts.rate, facts.valid) == (point.spec, point.rate_rps, True)
        seeds.append(facts.seed)
    assert len(set(seeds)) == len(seeds)  # a schedule of its own each


def test_the_variants_take_turns_in_a_random_order(finished: Finished) -> None:
    first = [name.rpartition("-")[2] for name in finished.ran[:20]]
    turns = [tuple(first[at : at + 2]) for at in range(0, 20, 2)]
    assert all(set(turn) == set(SPECS) for turn in turns)
    assert len(set(turns)) == 2


@pytest.mark.parametrize("kill_at", [0, 18])
def test_a_killed_sweep_goes_on_where_it_was(
    finished: Finished,
    tmp_path: Path,
    ran: list[str],
    monkeypatch: pytest.MonkeyPatch,
    kill_at: int,
) -> None:
    measure = sweeper.measure

    def killed(load: Load, target: Any, folder: Path) -> Measured:
        if len(ran) == kill_at:
            (folder / "records.parquet").write_bytes(b"half of it")
            raise KeyboardInterrupt
        return measure(load, target, folder)

    monkeypatch.setattr(sweeper, "measure", killed)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, plan())
    monkeypatch.setattr(sweeper, "measure", measure)
    found = run(tmp_path, plan())
    assert ran == finished.ran
    assert found.capacities == finished.found.capacities
    run(tmp_path, plan())
    assert ran == finished.ran  # a finished sweep runs nothing


def fail_gates(monkeypatch: pytest.MonkeyPatch, failing: Callable[[float, int], bool]) -> None:
    """Fail the gate of the runs for which `failing(rate, attempt)`."""
    seen: Counter[str] = Counter()

    def check(facts: dict[str, Any], records: Records) -> tuple[Gate, ...]:
        seen[facts["schedule_sha256"]] += 1
        bad = failing(len(records) / 5.0, seen[facts["schedule_sha256"]])
        return (Gate("lateness p99", 1.0, 0.5, "s", not bad),)

    monkeypatch.setattr(sweeper, "check_run", check)


def test_a_rate_that_the_generator_cannot_offer_is_its_limit_not_the_servers(
    tmp_path: Path, ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_gates(monkeypatch, lambda rate, attempt: rate > 60)
    found = run(tmp_path, plan())
    baseline, onnx = found.capacities
    assert baseline.high_rps is not None
    assert onnx.rate_rps is None and onnx.high_rps is None
    assert onnx.low_rps is not None and 55 < onnx.low_rps < 60
    assert "generator's own limit" in onnx.words
    assert any("its limit, not the server's" in problem for problem in found.problems)
    tries = Counter(ran)
    assert set(tries.values()) == {1, MOST_ATTEMPTS}
    before = len(ran)
    run(tmp_path, plan())
    assert len(ran) == before  # a limit that was found is not looked for again


def test_a_run_that_fails_its_gates_once_is_repeated_alone(
    tmp_path: Path, ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_gates(monkeypatch, lambda rate, attempt: attempt == 1 and 30 < rate < 50)
    found = run(tmp_path, plan())
    assert found.problems == ()
    assert all(one.high_rps is not None for one in found.capacities)
    repeated = {name for name, count in Counter(ran).items() if count == 2}
    set_aside = {path.name for path in (tmp_path / "sweep" / "invalid").iterdir()}
    assert set_aside == {f"{name}-attempt1" for name in repeated} != set()


def test_a_damaged_run_is_named_before_the_search_goes_on(
    finished: Finished, tmp_path: Path
) -> None:
    shutil.copytree(finished.out, tmp_path, dirs_exist_ok=True)
    found = finished.found
    victim = tmp_path / "sweep" / "runs" / found.points[3].id
    (victim / "records.parquet").write_bytes(b"PAR1")
    with pytest.raises(OptbuildError, match=r"records\.parquet.*remove that run's folder"):
        run(tmp_path, plan())
    again = find_sweep(tmp_path)
    assert again is not None
    assert len(again.points) == len(found.points) - 1
    assert [victim.name in problem for problem in again.problems] == [True]


@pytest.mark.parametrize("text", ['{"format": 1, "blo', "{}"])
def test_a_damaged_run_json_is_one_line_too(finished: Finished, tmp_path: Path, text: str) -> None:
    shutil.copytree(finished.out, tmp_path, dirs_exist_ok=True)
    victim = tmp_path / "sweep" / "runs" / finished.found.points[3].id
    (victim / "run.json").write_text(text)
    with pytest.raises(OptbuildError, match=rf"run\.json.*move {re.escape(victim.name)} out of"):
        run(tmp_path, plan())


def test_runs_of_another_search_are_not_taken_for_this_ones(
    finished: Finished, tmp_path: Path
) -> None:
    shutil.copytree(finished.out, tmp_path, dirs_exist_ok=True)
    other = replace(plan(), starts_rps=dict.fromkeys(SPECS, 16.0))
    with pytest.raises(OptbuildError, match="choose another --out"):
        run(tmp_path, other)


def test_a_plan_is_read_as_it_was_saved(tmp_path: Path) -> None:
    saved = plan(from_rps=20.0)
    save(saved, tmp_path)
    assert load(tmp_path) == saved
    assert load(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"format": 1, "choices": {}}', '{"format": 2}']
)
def test_a_plan_that_is_none_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "plan.json").write_text(content)
    with pytest.raises(OptbuildError, match="choose another --out"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [("seed", 2), ("repeats", 4), ("objective", Objective("p50", 0.25)), ("to_rps", 50.0)],
)
def test_resuming_with_other_options_names_the_one_that_differs(name: str, value: object) -> None:
    kept = plan().choices
    require_same(SweepChoices(**{**vars(kept)}), kept)
    with pytest.raises(OptbuildError, match=f"another {name} "):
        require_same(replace(kept, **{name: value}), kept)  # type: ignore[arg-type]  # a table
