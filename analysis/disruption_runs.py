"""The finished runs of `optbuild disrupt`: read, checked against each other, measured.

One damaged directory costs one line of warning, never the report.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis._objects import read_object
from analysis.disruption import Impact, measure
from analysis.disruption_ledger import read_replicas
from analysis.facts import Plan, RunFacts
from analysis.fault_timeline import FaultTimeline, read_timeline
from analysis.records import Records, read_records
from analysis.runs import read_facts
from variants._errors import OptbuildError


@dataclass(frozen=True)
class Fault:
    """What was done to a run's target; `goal` as in deploy/disruptions."""

    experiment: str
    summary: str
    goal: str
    target: str
    experiments: tuple[str, ...]  # of the whole plan, in its order


@dataclass(frozen=True)
class DisruptedRun:
    """One run and the impact of its fault; its records can be read again from `path`.

    `repeats` are requests that the client sent twice, which may hide as many losses: none since
    disruptions are run without.
    """

    path: Path
    facts: RunFacts
    fault: Fault
    timeline: FaultTimeline
    impact: Impact
    repeats: int

    def records(self) -> Records:
        """The ledger."""
        return read_records(self.path / "records.parquet")


@dataclass(frozen=True)
class DisruptedRuns:
    """The runs of one plan, by experiment, block and place of the variant in the plan.

    `invalid` are (name, reason) of runs whose block was repeated or given up.
    """

    directory: Path
    plan: Plan
    runs: tuple[DisruptedRun, ...]
    invalid: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]

    @property
    def experiments(self) -> tuple[str, ...]:
        """Those that have runs, in the plan's order."""
        present = {run.fault.experiment for run in self.runs}
        return tuple(name for name in self.runs[0].fault.experiments if name in present)

    def specs(self, experiment: str) -> tuple[str, ...]:
        """The variants that have runs of an experiment, in the plan's order."""
        present = {run.facts.spec for run in self.runs if run.fault.experiment == experiment}
        return tuple(spec for spec in self.plan.specs if spec in present)

    def of(self, experiment: str, spec: str) -> tuple[DisruptedRun, ...]:
        """The runs of one variant, by block."""
        return tuple(
            run
            for run in self.runs
            if run.fault.experiment == experiment and run.facts.spec == spec
        )


def load_disrupted(directory: Path) -> DisruptedRuns:
    """The runs under DIRECTORY/runs and the log of DIRECTORY/invalid.

    Raises OptbuildError where there is not one valid run.
    """
    problems: list[str] = []
    found = []
    for path in _folders(directory / "runs"):
        try:
            found.append(_read(path))
        except OptbuildError as error:
            problems.append(str(error))
    found = _of_one_plan(found, problems)
    found = _of_one_schedule(found, problems)
    invalid = tuple(_reason(path) for path in _folders(directory / "invalid"))
    if not found:
        raise OptbuildError(_nothing(directory, problems, invalid))
    plan = found[0].facts.plan
    names = found[0].fault.experiments
    problems += _without_runs(found, invalid)
    found.sort(
        key=lambda run: (
            names.index(run.fault.experiment),
            run.facts.block,
            plan.specs.index(run.facts.spec),
        )
    )
    return DisruptedRuns(directory, plan, tuple(found), invalid, tuple(problems))


def _read(path: Path) -> DisruptedRun:
    facts = read_facts(path)
    file = path / "run.json"
    run = read_object(file)
    fields = run.child("disruption")
    fault = Fault(
        experiment=fields.text("experiment"),
        summary=fields.text("summary"),
        goal=fields.text("goal"),
        target=fields.text("target"),
        experiments=fields.texts("experiments"),
    )
    if fault.experiment not in fault.experiments or facts.spec not in facts.plan.specs:
        raise OptbuildError(f"{file}: its experiment or variant is not in its own plan; left out")
    timeline = read_timeline(path / "timeline.json")
    records = read_records(path / "records.parquet")
    if len(records) == 0 or len(records) != facts.planned:
        raise OptbuildError(
            f"{path / 'records.parquet'}: {len(records)} rows, but {facts.planned} requests were "
            "planned; repeat the run"
        )
    replica = read_replicas(path, facts.planned)
    slo = (facts.slo_quantile, facts.slo_limit_s)
    impact = measure(records, timeline, *slo, facts.duration_s, replica)
    if not np.isfinite(impact.steady_median_s):
        raise OptbuildError(f"{path}: no request was answered before the fault; left out")
    repeats = int(run.child("generator").maybe_number("repeats") or 0)
    return DisruptedRun(path, facts, fault, timeline, impact, repeats)


def _folders(parent: Path) -> list[Path]:
    """Those of finished runs: a dot in front marks one that is still being written."""
    if not parent.is_dir():
        return []
    return [path for path in sorted(parent.iterdir()) if path.is_dir() and path.name[0] != "."]


def _of_one_plan(found: list[DisruptedRun], problems: list[str]) -> list[DisruptedRun]:
    counts = Counter(run.facts.plan.digest for run in found)
    kept = []
    for run in found:
        if run.facts.plan.digest == counts.most_common(1)[0][0]:
            kept.append(run)
        else:
            problems.append(f"{run.path}: belongs to another plan; left out")
    return kept


def _of_one_schedule(found: list[DisruptedRun], problems: list[str]) -> list[DisruptedRun]:
    """Of each block the schedule of most of its runs: others did not replay the same arrivals."""
    hashes: dict[tuple[str, int], Counter[str]] = {}
    for run in found:
        block = hashes.setdefault((run.fault.experiment, run.facts.block), Counter())
        block[run.facts.schedule_sha256] += 1
    kept = []
    for run in found:
        usual = hashes[run.fault.experiment, run.facts.block].most_common(1)[0][0]
        if run.facts.schedule_sha256 == usual:
            kept.append(run)
        else:
            problems.append(f"{run.path}: replayed another schedule than its block; left out")
    return kept


def _reason(path: Path) -> tuple[str, str]:
    try:
        failed = [gate for gate in read_facts(path).gates if not gate.passed]
    except OptbuildError as error:
        return path.name, str(error)
    if not failed:
        return path.name, "another run of its block failed"
    return path.name, "; ".join(
        f"{gate.name} {'unknown' if gate.value is None else f'{gate.value:.3g} {gate.unit}'}, "
        f"limit {gate.limit:.3g}"
        for gate in failed
    )


def _without_runs(
    found: Sequence[DisruptedRun], invalid: Sequence[tuple[str, str]]
) -> Iterator[str]:
    """A line for each experiment of the plan that no table shows."""
    for missing in found[0].fault.experiments:
        if all(run.fault.experiment != missing for run in found):
            reasons = [f"{name}: {why}" for name, why in invalid if f"-{missing}-" in name]
            yield f"{missing}: no valid run of it" + (f"; e.g. {reasons[-1]}" if reasons else "")


def _nothing(directory: Path, problems: list[str], invalid: tuple[tuple[str, str], ...]) -> str:
    if problems:
        return f"{directory}: no run can be read: {problems[0]}"
    if invalid:
        name, reason = invalid[0]
        return (
            f"{directory}: all {len(invalid)} runs are invalid, e.g. {name}: {reason}; lower the "
            "--rate or loosen the --slo so that the steady state meets it, into another --out"
        )
    return f"{directory}: no disruptions in there; run optbuild disrupt SPEC --out DIR first"
