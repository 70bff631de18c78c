"""Everything that the report says, computed once from the run directories."""

from dataclasses import dataclass
from pathlib import Path

from analysis.ablation import Ablation, ablate
from analysis.attribution import Attribution, attribute
from analysis.compare import Comparison
from analysis.facts import RunFacts
from analysis.runs import Runs, load_runs
from analysis.summary import Summary, summarize


@dataclass(frozen=True)
class RunSummary:
    """A run and what it came to."""

    facts: RunFacts
    summary: Summary


@dataclass(frozen=True)
class Findings:
    """The valid runs with their summaries, and the ablation over them.

    `attributions` by scenario, then metric; none for a cumulative plan.
    """

    runs: Runs
    summaries: tuple[RunSummary, ...]
    ablation: Ablation
    attributions: tuple[Attribution, ...] = ()

    def of(self, scenario: str, spec: str) -> tuple[RunSummary, ...]:
        """The summaries of one variant under one scenario, by block."""
        return tuple(
            one
            for one in self.summaries
            if (one.facts.scenario, one.facts.spec) == (scenario, spec)
        )

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """All comparisons, by scenario, metric and step."""
        return tuple(one for family in self.ablation.families for one in family.comparisons)

    @property
    def screening(self) -> bool:
        """Whether any comparison of the report has too few blocks to be the last word."""
        return any(one.screening for one in self.comparisons)

    @property
    def names(self) -> dict[str, str]:
        """A short name per spec: "baseline", then what each adds to the one before: "+onnx"."""
        added = {one.facts.spec: one.facts.added for one in self.summaries}
        return {spec: f"+{added[spec]}" if added[spec] else spec for spec in self.runs.specs}


def find(directory: Path) -> Findings:
    """Load, summarize and compare; OptbuildError where DIRECTORY holds no run."""
    runs = load_runs(directory)
    summaries = tuple(RunSummary(run.facts, summarize(run)) for run in runs.runs)
    by_block: dict[tuple[str, str], dict[int, Summary]] = {}
    for one in summaries:
        cell = by_block.setdefault((one.facts.scenario, one.facts.spec), {})
        cell[one.facts.block] = one.summary
    return Findings(runs, summaries, ablate(runs, by_block), attribute(runs, by_block))
