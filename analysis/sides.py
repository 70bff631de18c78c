"""The two sides of one comparison: the runs of a spec under a scenario in a directory."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.findings import RunSummary
from analysis.runs import Runs, load_runs
from analysis.summary import Summary, summarize
from variants._errors import OptbuildError
from variants._spec import compose


@dataclass(frozen=True)
class Side:
    """At least one run of `spec`, by block; all of one scenario and one directory."""

    directory: Path
    spec: str
    runs: tuple[RunSummary, ...]

    @property
    def blocks(self) -> set[int]:
        """The numbers of its blocks."""
        return {one.facts.block for one in self.runs}

    @property
    def by_block(self) -> dict[int, Summary]:
        """What each block came to."""
        return {one.facts.block: one.summary for one in self.runs}


@dataclass(frozen=True)
class Sides:
    """What to compare; `margin` is that of the old side's plan, `problems` what was left out."""

    old: Side
    new: Side
    scenario: str
    others: tuple[str, ...]  # further scenarios that both sides have
    margin: float
    problems: tuple[str, ...]
    reference: tuple[Side, Side] | None = None  # a third variant, in the old and the new directory

    @property
    def one_directory(self) -> bool:
        """Whether both sides come from one experiment."""
        return self.old.directory.resolve() == self.new.directory.resolve()


def find_sides(directory: Path, old: str, new: str, scenario: str | None = None) -> Sides:
    """The sides that `old` and `new` name: a spec in `directory`, or `OTHERDIR:spec`.

    Without a scenario it is the first of the old side's plan that both have. Raises OptbuildError
    where there is nothing to compare; what there is instead is in the message.
    """
    loaded: dict[Path, Runs] = {}

    def runs_in(folder: Path) -> Runs:
        if folder.resolve() not in loaded:
            loaded[folder.resolve()] = load_runs(folder)
        return loaded[folder.resolve()]

    places = [_place(text, directory) for text in (old, new)]
    (old_runs, old_spec), (new_runs, new_spec) = (
        (runs_in(folder), _spec_in(runs_in(folder), text)) for folder, text in places
    )
    if old_runs is new_runs and old_spec == new_spec:
        raise OptbuildError(f"both sides are {old_spec} in {old_runs.directory}: name two variants")
    shared = [name for name in old_runs.scenarios if name in new_runs.scenarios]
    asked = None if scenario is None else scenario.replace("-", "_")
    chosen = next((name for name in shared if asked in (None, name.replace("-", "_"))), None)
    if chosen is None:
        there = ", ".join(shared) or "none that both have"
        raise OptbuildError(f"no runs under {scenario or 'a common scenario'}: there is {there}")
    sides = [
        Side(runs.directory, spec, _summaries(runs, chosen, spec))
        for runs, spec in ((old_runs, old_spec), (new_runs, new_spec))
    ]
    _require_two_measurements(*sides)
    reference = None if old_runs is new_runs else _reference(old_runs, new_runs, chosen, sides)
    problems = [problem for runs in loaded.values() for problem in runs.problems]
    others = tuple(name for name in shared if name != chosen)
    margin = old_runs.plan.margin
    return Sides(sides[0], sides[1], chosen, others, margin, tuple(problems), reference)


def _reference(
    old: Runs, new: Runs, scenario: str, sides: Sequence[Side]
) -> tuple[Side, Side] | None:
    """What both directories measured beside the two sides: the same settings of the same model.

    Of several the one that is there in most blocks of the sides, then the first of the old plan.
    """
    taken = {one.facts.digest for side in sides for one in side.runs}
    found: list[tuple[int, tuple[Side, Side]]] = []
    for spec in old.specs:
        if not (old.of(scenario, spec) and new.of(scenario, spec)):
            continue
        pair = (
            Side(old.directory, spec, _summaries(old, scenario, spec)),
            Side(new.directory, spec, _summaries(new, scenario, spec)),
        )
        served = {(one.facts.digest, one.facts.model_digest) for side in pair for one in side.runs}
        if len(served) > 1 or {digest for digest, _ in served} & taken or _copied(*pair):
            continue
        common = sum(len(a.blocks & b.blocks) for a, b in zip(pair, sides, strict=True))
        if common:
            found.append((common, pair))
    return max(found, key=lambda one: one[0])[1] if found else None


def _copied(old: Side, new: Side) -> list[str]:
    """The runs that both sides hold."""
    return [one.facts.id for one in new.runs if one in old.runs]


def _require_two_measurements(old: Side, new: Side) -> None:
    """Raise OptbuildError where both sides hold the same run: a copy would pass any gate."""
    both = _copied(old, new)
    if both:
        raise OptbuildError(
            f"{new.directory} and {old.directory} hold the same run ({both[0]}): a copy is no "
            "second measurement; name two directories that were measured each"
        )


def _place(text: str, directory: Path) -> tuple[Path, str]:
    """Folder and spec; a spec may hold colons too, so what is before one must hold runs."""
    for position, letter in enumerate(text):
        if letter == ":" and (Path(text[:position]) / "runs").is_dir():
            return Path(text[:position]), text[position + 1 :]
    return directory, text


def _spec_in(runs: Runs, text: str) -> str:
    """The spec as the runs name it, whatever the order of the layers in `text`."""
    try:
        named = compose(text).spec
    except OptbuildError:  # of another version, perhaps: then letter for letter
        named = text
    for spec in (text, named):
        if spec in runs.specs:
            return spec
    raise OptbuildError(
        f"{runs.directory} has no runs of '{text}': it has {', '.join(runs.specs)} "
        "(of another directory: OTHERDIR:SPEC)"
    )


def _summaries(runs: Runs, scenario: str, spec: str) -> tuple[RunSummary, ...]:
    found: Sequence[RunSummary] = [
        RunSummary(run.facts, summarize(run)) for run in runs.of(scenario, spec)
    ]
    if not found:
        raise OptbuildError(f"{runs.directory} has no run of {spec} under {scenario}")
    return tuple(found)
