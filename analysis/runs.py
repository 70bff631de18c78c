"""Load an experiment's run directories: the valid runs, the invalid log, and what was wrong.

One corrupt, truncated or foreign directory costs one line of warning, never the report. Records
are checked here and read again when they are needed: those of all runs together need not fit into
memory.
"""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from analysis._fields import Fields
from analysis.facts import Plan, RunFacts, parse_facts
from analysis.records import Records, read_records
from analysis.soundness import read_sound
from variants._errors import OptbuildError

MOST_JSON_BYTES = 10_000_000  # a run.json has some 10 kB; what is larger is something else


@dataclass(frozen=True)
class Run:
    """One valid run: what run.json says, and where its rows are (or the rows themselves)."""

    facts: RunFacts
    source: Path | Records

    @property
    def records(self) -> Records:
        """One row per planned request, read from disk each time: keep it in a local name."""
        return read_records(self.source) if isinstance(self.source, Path) else self.source


@dataclass(frozen=True)
class Runs:
    """The runs of one plan, ordered by scenario, block and place in the plan's ablation.

    `problems` are one-line warnings, each naming a file or directory that was left out;
    `invalid` are the runs whose block was repeated because a validity gate failed.
    """

    directory: Path
    plan: Plan
    runs: tuple[Run, ...]
    invalid: tuple[RunFacts, ...]
    problems: tuple[str, ...]

    def of(self, scenario: str, spec: str) -> tuple[Run, ...]:
        """The runs of one variant under one scenario, by block."""
        return tuple(
            run for run in self.runs if run.facts.scenario == scenario and run.facts.spec == spec
        )

    @property
    def scenarios(self) -> tuple[str, ...]:
        """The scenarios that have runs, in the order of the plan."""
        present = {run.facts.scenario for run in self.runs}
        return tuple(name for name in self.plan.scenarios if name in present)

    @property
    def specs(self) -> tuple[str, ...]:
        """The variants that have runs, in the order of the ablation."""
        present = {run.facts.spec for run in self.runs}
        return tuple(spec for spec in self.plan.specs if spec in present)


def load_runs(directory: Path) -> Runs:
    """The runs under DIRECTORY/runs and the log of DIRECTORY/invalid.

    Raises OptbuildError where there is not one valid run: what to do is in the message.
    """
    problems: list[str] = []
    facts_of = _read_all(directory / "runs", problems)
    invalid = [facts for facts in facts_of.values() if not facts.valid]
    invalid += _read_all(directory / "invalid", problems).values()

    candidates = {path: facts for path, facts in facts_of.items() if facts.valid}
    candidates = _of_one_plan(candidates, problems)
    candidates = _of_one_schedule(candidates, problems)
    runs: dict[tuple[str, int, str], Run] = {}
    for path, facts in candidates.items():
        try:
            _add(runs, path, facts)
        except OptbuildError as error:
            problems.append(_one_line(error))
    if not runs:
        raise OptbuildError(_nothing(directory, problems, invalid))

    plan = next(iter(runs.values())).facts.plan
    ordered = sorted(
        runs.values(),
        key=lambda run: (
            plan.scenarios.index(run.facts.scenario),
            run.facts.block,
            plan.specs.index(run.facts.spec),
        ),
    )
    return Runs(directory, plan, tuple(ordered), tuple(invalid), tuple(problems))


def read_facts(path: Path) -> RunFacts:
    """The facts of the run in folder `path`; OptbuildError naming the file where that fails."""
    return parse_facts(read_fields(path))


def read_fields(path: Path) -> Fields:
    """The run.json of folder `path`; OptbuildError naming it if it is not there or no object."""
    file = path / "run.json"
    if not file.is_file():  # nor a folder, nor a pipe that would never end
        raise OptbuildError(f"{file}: missing; the run never finished, or this is no run")
    try:
        if file.stat().st_size > MOST_JSON_BYTES:
            raise ValueError("too large")
        raw = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise OptbuildError(f"{file}: cannot be read as JSON ({_one_line(error)})") from None
    if not isinstance(raw, dict):
        raise OptbuildError(f"{file}: holds no object; not a run of optbuild?")
    return Fields(raw, file)


def _add(runs: dict[tuple[str, int, str], Run], path: Path, facts: RunFacts) -> None:
    key = (facts.scenario, facts.block, facts.spec)
    if key in runs:
        raise OptbuildError(f"{path}: a second run of {facts.spec}, {facts.scenario}, same block")
    read_sound(path, facts)
    runs[key] = Run(facts, path / "records.parquet")


def _read_all(parent: Path, problems: list[str]) -> dict[Path, RunFacts]:
    if not parent.is_dir():
        return {}
    facts_of = {}
    for path in sorted(parent.iterdir()):
        if path.name.startswith("."):  # a run that is still being written
            continue
        if path.is_symlink() and not path.exists():
            problems.append(_one_line(f"{path}: a link that leads nowhere; left out"))
        elif path.is_dir():
            try:
                facts_of[path] = read_facts(path)
            except OptbuildError as error:
                problems.append(_one_line(error))
    return facts_of


def _of_one_plan(facts_of: dict[Path, RunFacts], problems: list[str]) -> dict[Path, RunFacts]:
    """Keeps the plan that most runs belong to; the others cannot be compared with them."""
    counts = Counter(_identity(facts.plan) for facts in facts_of.values())
    kept = {}
    for path, facts in facts_of.items():
        plan = facts.plan
        if _identity(plan) != counts.most_common(1)[0][0]:
            problems.append(f"{path}: belongs to another plan ({plan.digest[:12]}); left out")
        elif facts.spec not in plan.specs or facts.scenario not in plan.scenarios:
            problems.append(f"{path}: its variant or scenario is not in its own plan; left out")
        else:
            kept[path] = facts
    return kept


def _identity(plan: Plan) -> tuple[object, ...]:
    """What runs must share; the digest alone says so only where nobody edited the rest."""
    return (plan.digest, plan.specs, plan.scenarios, plan.margin)


def _of_one_schedule(facts_of: dict[Path, RunFacts], problems: list[str]) -> dict[Path, RunFacts]:
    """Keeps, in each block, the schedule of most runs: others did not replay the same arrivals."""
    hashes: dict[tuple[str, int], Counter[str]] = {}
    for facts in facts_of.values():
        block = hashes.setdefault((facts.scenario, facts.block), Counter())
        block[facts.schedule_sha256] += 1
    kept = {}
    for path, facts in facts_of.items():
        usual = hashes[facts.scenario, facts.block].most_common(1)[0][0]
        if facts.schedule_sha256 == usual:
            kept[path] = facts
        else:
            problems.append(f"{path}: replayed another schedule than its block; left out")
    return kept


def _nothing(directory: Path, problems: list[str], invalid: list[RunFacts]) -> str:
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return f"{directory}: no run can be read: {problems[0]}{more}"
    if invalid:
        return (
            f"{directory}: all {len(invalid)} runs are invalid, the load generator was late: "
            "stop what else runs on this machine and measure into another --out"
        )
    return (
        f"{directory}: no runs in there; give the --out folder of an "
        "`optbuild ablate ... --out DIR`, the one that holds runs/"
    )


def _one_line(error: Exception | str) -> str:
    """Names of files and messages of libraries may hold line breaks."""
    return " ".join(str(error).split()) or type(error).__name__
