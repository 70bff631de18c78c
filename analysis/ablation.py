"""The ablation: each step against the one before it, and the last against the first."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from analysis.compare import METRICS, Comparison, Contrast, Metric, compare_family, pair
from analysis.runs import Runs
from analysis.summary import Summary

Summaries = Mapping[tuple[str, str], Mapping[int, Summary]]  # (scenario, spec) -> block -> Summary


@dataclass(frozen=True)
class Step:
    """One row of the ablation: `name` is the layer that `new` adds to `old`, or "all layers"."""

    name: str
    old: str
    new: str
    total: bool = False


@dataclass(frozen=True)
class Family:
    """All comparisons of one scenario and metric: the steps in order, then the total.

    This is the family that Holm corrects over.
    """

    scenario: str
    metric: Metric
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class Ablation:
    """`steps` in the order of plan.chain, the total last; `families` by scenario, then metric."""

    steps: tuple[Step, ...]
    families: tuple[Family, ...]

    def family(self, scenario: str, metric: Metric) -> Family | None:
        """The comparisons of a scenario and metric; None for a p99 that no block has."""
        for family in self.families:
            if (family.scenario, family.metric) == (scenario, metric):
                return family
        return None

    def comparison(self, scenario: str, metric: Metric, step: Step) -> Comparison | None:
        """One cell of the table."""
        family = self.family(scenario, metric)
        return family.comparisons[self.steps.index(step)] if family else None


def steps_of(specs: tuple[str, ...], added: Mapping[str, str | None]) -> tuple[Step, ...]:
    """The steps between successive specs, and the total where there are two steps or more.

    With one step the total would be the same test twice and only cost power.
    """
    steps = [Step(name=added.get(new) or new, old=old, new=new) for old, new in pairwise(specs)]
    if len(steps) > 1:
        steps.append(Step("all layers", specs[0], specs[-1], total=True))
    return tuple(steps)


def ablate(runs: Runs, summaries: Summaries) -> Ablation:
    """Compare along plan.chain; a variant without any run is skipped, its step joins the next."""
    added = {run.facts.spec: run.facts.added for run in runs.runs}
    planned = runs.plan.chain
    chain = tuple(spec for spec in planned if spec in runs.specs)
    steps = steps_of(chain, added)
    if len(chain) < len(planned):
        steps = tuple(_honest_name(step, planned) for step in steps)
    blocks = {
        scenario: sorted({run.facts.block for run in runs.runs if run.facts.scenario == scenario})
        for scenario in runs.scenarios
    }
    families = []
    for scenario in runs.scenarios if steps else ():
        for metric in METRICS:
            contrasts = {
                Contrast(step.old, step.new): pair(
                    summaries.get((scenario, step.old), {}),
                    summaries.get((scenario, step.new), {}),
                    metric,
                    blocks[scenario],
                )
                for step in steps
            }
            if metric == "p99" and not any(pairs.gains for pairs in contrasts.values()):
                continue
            compared = compare_family(scenario, metric, contrasts, runs.plan.margin)
            families.append(Family(scenario, metric, compared))
    return Ablation(steps, tuple(families))


def _honest_name(step: Step, planned: tuple[str, ...]) -> Step:
    """Over a variant that has no runs, a step adds more than its own layer: say from where."""
    adjacent = planned.index(step.new) - planned.index(step.old) == 1
    return step if adjacent or step.total else replace(step, name=f"{step.old} to {step.new}")
