import os
import shutil
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import fake_runs
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fake_runs import Experiment, edit_json, mark_invalid, planted

from analysis.records import Records, read_records, write_records
from analysis.report import write_report
from analysis.runs import load_runs
from variants._errors import OptbuildError

SMALL = Experiment(
    planted({"baseline": 1.0, "onnx": 0.5}),
    specs=("baseline", "onnx"),
    scenarios=("steady", "bursty"),
    blocks=2,
    duration_s=4,
)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return fake_runs.write(tmp_path / "out", SMALL)


def test_runs_come_in_the_order_of_the_plan(out: Path) -> None:
    runs = load_runs(out)
    assert runs.problems == () and runs.invalid == ()
    assert [(r.facts.scenario, r.facts.block, r.facts.spec) for r in runs.runs] == [
        (scenario, block, spec)
        for scenario in ("steady", "bursty")
        for block in (1, 2)
        for spec in ("baseline", "onnx")
    ]
    assert runs.scenarios == ("steady", "bursty") and runs.specs == ("baseline", "onnx")
    assert len(runs.of("bursty", "onnx")) == 2


def test_facts_are_typed(out: Path) -> None:
    facts = load_runs(out).of("steady", "onnx")[0].facts
    assert (facts.added, facts.rate, facts.timeout_s, facts.block) == ("onnx", 30.0, 10.0, 1)
    assert facts.check is not None and facts.check.accuracy is not None
    assert facts.check.accuracy.value == 0.856
    assert load_runs(out).of("steady", "baseline")[0].facts.check is None


@pytest.mark.parametrize("name", ["batch_invariance", "company"])  # as it was called before
def test_batch_invariance_is_read_where_a_check_has_it(name: str, out: Path) -> None:
    found = {"texts": 256, "label_flips": 2, "label_flip_rate": 2 / 256, "largest_drift": 0.04}
    before = load_runs(out).of("steady", "onnx")[0].facts.check
    assert before is not None and before.batch_invariance is None
    for folder in (out / "runs").glob("*-onnx"):
        edit_json(folder, lambda facts: facts["check"].update({name: found, "served": found}))
    check = load_runs(out).of("steady", "onnx")[0].facts.check
    assert check is not None and check.batch_invariance is not None
    assert (check.batch_invariance.label_flips, check.batch_invariance.largest_drift) == (2, 0.04)
    assert check.served == check.batch_invariance
    write_report(out)
    assert "2 of 256, drift 4 points" in (out / "report.html").read_text()
    assert "2 of 256, drift 4 points" in (out / "report.md").read_text()


VICTIM = "b002-bursty-onnx"


def truncate(folder: Path) -> None:
    file = folder / "records.parquet"
    file.write_bytes(file.read_bytes()[:-200])


def other_run(folder: Path) -> None:
    shutil.copy(folder.parent / "b001-steady-onnx" / "records.parquet", folder)


def change(**changes: Any) -> Any:
    return lambda folder: edit_json(folder, lambda facts: facts.update(changes))


def other_block(folder: Path) -> None:
    """The records of another block, with a count that fits."""
    shutil.copy(folder.parent / "b001-bursty-onnx" / "records.parquet", folder)
    rows = pq.read_metadata(folder / "records.parquet").num_rows
    edit_json(folder, lambda facts: facts["generator"].update(planned=rows))


def rewrite(alter: Any) -> Any:
    """Writes the records again, with some of their columns altered."""

    def damage(folder: Path) -> None:
        records = read_records(folder / "records.parquet")
        write_records(folder / "records.parquet", replace(records, **alter(records)))

    return damage


def first(values: Any, value: float) -> Any:
    changed = values.copy()
    changed[0] = value
    return changed


def early(records: Records) -> dict[str, Any]:
    at = records.planned_s - 1
    return {"sent_s": at, "done_s": at}


def columns(folder: Path) -> None:
    pq.write_table(pa.table({"latency": [0.1, 0.2]}), folder / "records.parquet")


def folder_instead(name: str) -> Any:
    def damage(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return damage


def pipe_instead(name: str) -> Any:
    def damage(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return damage


def loop(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.symlink_to(folder)


def other_things(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()
    (folder / "holiday.jpg").write_bytes(b"\xff\xd8")


def raw_json(old: str, new: str) -> Any:
    """Changes the text of run.json, for what Python would not write."""

    def damage(folder: Path) -> None:
        text = (folder / "run.json").read_text()
        assert old in text
        (folder / "run.json").write_text(text.replace(old, new, 1))

    return damage


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (truncate, "records.parquet"),
        (lambda f: (f / "records.parquet").unlink(), "records.parquet"),
        (lambda f: (f / "records.parquet").write_text("a,b\n1,2\n"), "records.parquet"),
        (other_run, "requests were planned"),
        (lambda f: (f / "run.json").unlink(), "run.json: missing"),
        (lambda f: (f / "run.json").write_text('{"format": 1, "id"'), "cannot be read as JSON"),
        (lambda f: (f / "run.json").write_bytes(b"\xff\xfe\x00"), "cannot be read as JSON"),
        (lambda f: (f / "run.json").write_text("[1]"), "holds no object"),
        (lambda f: (f / "run.json").write_text("{}"), "the field format is missing"),
        (change(format=2), "the field format is not 1"),
        (change(rate="fast"), "the field rate is not a number: 'fast'"),
        (change(rate=True), "the field rate is not a number"),
        (change(rate=float("nan")), "the field rate is not a finite number"),
        (change(duration_s=0), "the field duration_s is not above zero"),
        (change(block=1.5), "the field block is not a whole number"),
        (change(valid="yes"), "the field valid is not true or false"),
        (change(slo={"quantile": "p95"}), "the field slo.limit_s is missing"),
        (change(gates=[{"name": "x"}]), "the field gates[0].limit is missing"),
        (change(schedule_sha256="0" * 64), "replayed another schedule"),
        (change(scenario="diurnal"), "not in its own plan"),
        (change(block=1), "replayed another schedule"),
        (lambda f: (f / "records.parquet").write_bytes(b""), "records.parquet"),
        (lambda f: (f / "records.parquet").write_bytes(b"PAR1"), "records.parquet"),
        (columns, "its columns differ"),
        (folder_instead("records.parquet"), "records.parquet: missing"),
        (folder_instead("run.json"), "run.json: missing"),
        (pipe_instead("run.json"), "run.json: missing"),
        (pipe_instead("records.parquet"), "records.parquet: missing"),
        (other_block, "not the schedule of run.json beside it"),
        (loop, "a link that leads nowhere"),
        (other_things, "or this is no run"),
        (rewrite(lambda r: {"planned_s": first(r.planned_s, np.inf)}), "is not a number"),
        (rewrite(lambda r: {"planned_s": r.planned_s + 0.5, "sent_s": r.sent_s + 0.5}), "before"),
        (rewrite(lambda r: {"done_s": first(r.done_s, 1e12)}), "a time is months away"),
        (rewrite(lambda r: {"done_s": r.sent_s - 0.1}), "done before it was sent"),
        (rewrite(early), "done before it was planned"),
        (rewrite(lambda r: {"payload": r.payload + 1}), "not the schedule of run.json beside it"),
        (change(format=99), "the newest this version reads; upgrade optbuild"),
        (change(rate=10**400), "the field rate is not a finite number: 1000"),
        (change(duration_s=1e-320), "the field duration_s is not above zero"),
        (change(duration_s=1e300), "the field duration_s is not a finite number"),
        (raw_json('"block": 2', f'"block": {"1" * 5000}'), "cannot be read as JSON"),
        (change(rate=float("inf")), "the field rate is not a finite number"),
        (raw_json('"rate": 30.0', '"rate": NaN'), "the field rate is not a finite number"),
        (raw_json('"rate": 30.0', '"rate": 1e999'), "the field rate is not a finite number"),
        (lambda f: (f / "run.json").write_text("[" * 100_000), "cannot be read as JSON"),
        (lambda f: (f / "run.json").write_text(" " * 10_000_001), "too large"),
        (change(server={"cpu_s": "much"}), "the field server.cpu_s is not a number: 'much'"),
        (change(server=[1]), "the field server is not an object"),
        (change(spec="x", variant={"spec": "y"}), "the field variant.digest is missing"),
    ],
)
def test_a_damaged_run_costs_one_line_and_no_other_run(out: Path, damage: Any, named: str) -> None:
    damage(out / "runs" / VICTIM)
    runs = load_runs(out)
    assert len(runs.runs) == 7
    assert VICTIM not in [run.facts.id for run in runs.runs]
    (problem,) = runs.problems
    assert VICTIM in problem and named in problem and "\n" not in problem and len(problem) < 400


def test_a_run_of_another_plan_is_left_out(out: Path) -> None:
    edit_json(out / "runs" / VICTIM, lambda facts: facts["plan"].update(digest="ee" * 32))
    runs = load_runs(out)
    assert len(runs.runs) == 7 and "another plan (eeeeeeeeeeee)" in runs.problems[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"specs": ["baseline", "onnx", "onnx+batching"]},
        {"scenarios": ["bursty"]},
        {"margin": 0.5},
    ],
)
def test_a_run_whose_plan_was_edited_is_left_out(out: Path, changes: dict[str, Any]) -> None:
    edit_json(out / "runs" / VICTIM, lambda facts: facts["plan"].update(changes))
    runs = load_runs(out)
    assert len(runs.runs) == 7 and VICTIM in runs.problems[0]


def test_runs_of_two_plans_report_the_larger(out: Path, tmp_path: Path) -> None:
    other = fake_runs.write(tmp_path / "other", replace(SMALL, blocks=1, seed=9))
    for folder in (other / "runs").iterdir():
        edit_json(folder, lambda facts: facts["plan"].update(digest="ee" * 32))
        shutil.copytree(folder, out / "runs" / f"{folder.name}-other")
    runs = load_runs(out)
    assert len(runs.runs) == 8 and len(runs.problems) == 4
    text = write_report(out).html.read_text()
    assert "belongs to another plan (eeeeeeeeeeee)" in text and str(out) not in text


def test_a_folder_name_of_two_lines_is_one_line(out: Path) -> None:
    (out / "runs" / "b009\nsteady").mkdir()
    (problem,) = load_runs(out).problems
    assert "\n" not in problem and "run.json: missing" in problem


def test_records_are_not_held_in_memory(out: Path) -> None:
    run = load_runs(out).runs[0]
    assert isinstance(run.source, Path)
    assert run.records is not run.records and len(run.records) == run.facts.planned


def test_flipped_bytes_never_raise_anything_else(out: Path) -> None:
    """A damaged file is a warning or, where the damage cannot be seen, still a run."""
    rng = np.random.default_rng(3)
    folder = out / "runs" / VICTIM
    for name in ("records.parquet", "run.json"):
        whole = (folder / name).read_bytes()
        for _ in range(120):
            damaged = bytearray(whole)
            for at in rng.integers(0, len(whole), int(rng.integers(1, 6))):
                damaged[at] = int(rng.integers(0, 256))
            (folder / name).write_bytes(bytes(damaged))
            runs = load_runs(out)
            assert len(runs.runs) + len(runs.problems) + len(runs.invalid) == 8
            assert all("\n" not in problem for problem in runs.problems)
        (folder / name).write_bytes(whole)


def test_the_same_run_twice_counts_once(out: Path) -> None:
    shutil.copytree(out / "runs" / VICTIM, out / "runs" / f"{VICTIM}-copy")
    runs = load_runs(out)
    assert len(runs.runs) == 8 and "a second run" in runs.problems[0]


def test_a_folder_that_is_being_written_is_no_problem(out: Path) -> None:
    (out / "runs" / ".b003-steady-onnx").mkdir()
    (out / "runs" / "notes.txt").write_text("mine")
    assert load_runs(out).problems == ()


def test_invalid_runs_are_logged_not_counted(out: Path) -> None:
    mark_invalid(out, VICTIM)
    edit_json(out / "runs" / "b001-steady-onnx", lambda facts: facts.update(valid=False))
    runs = load_runs(out)
    assert [facts.id for facts in runs.invalid] == ["b001-steady-onnx", VICTIM]
    assert len(runs.runs) == 7 and runs.problems == ()


@pytest.mark.parametrize("inside", ["", "runs", "elsewhere"])
def test_no_run_says_what_to_give(tmp_path: Path, inside: str) -> None:
    if inside:
        (tmp_path / inside).mkdir()
    with pytest.raises(OptbuildError, match="optbuild ablate"):
        load_runs(tmp_path)


def test_only_damaged_runs_names_the_first(out: Path) -> None:
    for folder in (out / "runs").iterdir():
        (folder / "run.json").write_text("{")
    with pytest.raises(OptbuildError, match=r"no run can be read: .*run.json.*and 7 more") as error:
        load_runs(out)
    assert "\n" not in str(error.value)


def test_only_invalid_runs_says_so(out: Path) -> None:
    for folder in (out / "runs").iterdir():
        edit_json(folder, lambda facts: facts.update(valid=False))
    with pytest.raises(OptbuildError, match="all 8 runs are invalid"):
        load_runs(out)


def test_a_run_of_no_requests_is_one_line(out: Path) -> None:
    folder = out / "runs" / VICTIM
    records = read_records(folder / "records.parquet")
    nothing = {field.name: getattr(records, field.name)[:0] for field in fields(records)}
    write_records(folder / "records.parquet", nothing)
    edit_json(folder, lambda facts: facts["generator"].update(planned=0))
    (problem,) = load_runs(out).problems
    assert VICTIM in problem and "no request was planned" in problem


def test_null_is_read_where_it_may_stand(out: Path) -> None:
    def blank(facts: dict[str, Any]) -> None:
        facts["covariates"] = {"steal_fraction": 0.0, "cpu_pressure_avg10": None, "load1": 0.1}
        facts["check"]["accuracy"] = facts["check"]["baseline_accuracy"] = None
        facts["gates"][0]["value"] = None

    edit_json(out / "runs" / VICTIM, blank)
    runs = load_runs(out)
    assert runs.problems == ()
    facts = next(run.facts for run in runs.runs if run.facts.id == VICTIM)
    assert facts.cpu_pressure_avg10 is None and facts.gates[0].value is None
