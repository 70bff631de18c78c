"""The runs of a sweep as they lie on disk, in the order in which each variant made them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis._fields import Fields
from analysis.capacity import Trial
from analysis.objective import Objective
from analysis.records import read_records
from analysis.runs import read_facts
from analysis.summary import Summary, summarize_records
from variants._errors import OptbuildError

FORMAT = 1


@dataclass(frozen=True)
class SweepPlan:
    """What `plan.json` of a sweep says that its analysis needs."""

    specs: tuple[str, ...]
    scenario: str
    objective: Objective
    repeats: int
    seed: int
    command: str


@dataclass(frozen=True)
class Visited:
    """One valid run: visit `number` 1, 2... of its variant, at a rate and for a purpose."""

    id: str
    spec: str
    number: int
    trial: Trial
    summary: Summary


@dataclass(frozen=True)
class NotOffered:
    """A visit without a valid run: the load generator failed its gates at this rate."""

    spec: str
    number: int
    rate_rps: float


@dataclass(frozen=True)
class Visits:
    """All of a sweep; `problems` are one-line warnings about what could not be read."""

    made: tuple[Visited, ...]
    not_offered: tuple[NotOffered, ...]
    problems: tuple[str, ...]

    def of(self, spec: str) -> tuple[Visited, ...]:
        """The visits of one variant, in order."""
        return tuple(one for one in self.made if one.spec == spec)


def read_plan(folder: Path) -> SweepPlan | None:
    """The plan of the sweep in `folder`; None without one. OptbuildError where it is damaged."""
    file = folder / "plan.json"
    if not file.is_file():
        return None
    fields = _object(file)
    if fields.integer("format") != FORMAT:
        raise fields.wrong("format", f"{FORMAT}, the one this version reads")
    choices = fields.child("choices")
    objective = choices.child("objective")
    return SweepPlan(
        specs=choices.texts("specs"),
        scenario=choices.text("scenario"),
        objective=Objective(
            objective.text("quantile"),
            objective.number("limit_s"),
            objective.maybe_number("goodput"),
        ),
        repeats=choices.integer("repeats"),
        seed=choices.integer("seed"),
        command=fields.text("command"),
    )


def read_visits(folder: Path, plan: SweepPlan) -> Visits:
    """Every run below `folder` of this sweep; one that cannot be read is a problem, no error."""
    problems: list[str] = []
    made = []
    for path in _folders(folder / "runs"):
        try:
            made.append(_visited(path, plan))
        except OptbuildError as error:
            problems.append(str(error))
    done = {(one.spec, one.number) for one in made}
    refused: dict[tuple[str, int], NotOffered] = {}
    for path in _folders(folder / "invalid"):
        try:
            facts, place = read_facts(path), _place(path)
        except OptbuildError as error:
            problems.append(str(error))
            continue
        key = (facts.spec, place.integer("visit"))
        if key not in done:
            refused[key] = NotOffered(*key, facts.rate)
    made.sort(key=lambda one: (plan.specs.index(one.spec), one.number))
    return Visits(tuple(made), tuple(refused.values()), tuple(problems))


def _visited(path: Path, plan: SweepPlan) -> Visited:
    facts, place = read_facts(path), _place(path)
    if facts.spec not in plan.specs or facts.scenario != plan.scenario:
        raise OptbuildError(f"{path}: belongs to another sweep; left out")
    try:
        records = read_records(path / "records.parquet")
    except (IndexError, ValueError) as error:  # a damaged dictionary that still decodes
        reason = " ".join(str(error).split())
        raise OptbuildError(f"{path / 'records.parquet'} is damaged ({reason})") from None
    if len(records) != facts.planned or not facts.planned:
        raise OptbuildError(
            f"{path / 'records.parquet'}: {len(records)} rows, "
            f"but {facts.planned} requests were planned"
        )
    limit_s = plan.objective.limit_s
    summary = summarize_records(records, facts.duration_s, facts.timeout_s, limit_s)
    return Visited(
        id=facts.id,
        spec=facts.spec,
        number=place.integer("visit"),
        trial=Trial(
            rate_rps=facts.rate,
            meets=plan.objective.met(summary),
            role=place.text("role"),
            candidate=place.integer("candidate"),
        ),
        summary=summary,
    )


def _place(path: Path) -> Fields:
    """Where in the search a run stands."""
    return _object(path / "run.json").child("sweep")


def _object(file: Path) -> Fields:
    try:
        raw = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise OptbuildError(f"{file}: cannot be read as JSON ({reason})") from None
    if not isinstance(raw, dict):
        raise OptbuildError(f"{file}: holds no object; not a sweep of optbuild?")
    return Fields(raw, file)


def _folders(parent: Path) -> Sequence[Path]:
    if not parent.is_dir():
        return ()
    # A dot in front marks a run that is still being written.
    return sorted(path for path in parent.iterdir() if path.is_dir() and path.name[0] != ".")
