"""The answer in plain words: which layers are worth it, where, by how much, how sure.

A badge picks from every scenario and metric, and the reader picks from the badges: for them p is
corrected over all judged cells together, not only over those of one scenario and metric.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from analysis import words
from analysis.ablation import Step
from analysis.compare import SCREENING_BELOW, Comparison, Metric, as_one_family
from analysis.findings import Findings

Status = Literal["worth it", "trade-off", "costs", "no difference", "undecided"]
ORDER: tuple[Status, ...] = ("worth it", "trade-off", "costs", "no difference", "undecided")
JUDGED: tuple[Metric, ...] = ("p50", "p95", "goodput")
FEWEST_TO_LOOK = 5  # blocks


@dataclass(frozen=True)
class LayerAnswer:
    """One step: `status` from all scenarios, `looks` where only blocks lean, `sentence` why."""

    step: Step
    status: Status
    looks: bool
    sentence: str
    cells: tuple[tuple[str, Comparison, Comparison | None], ...]  # scenario, p95, goodput

    @property
    def label(self) -> str:
        """What the badge says; "looks" marks what is no verdict."""
        if not self.looks:
            return self.status
        return {"worth it": "looks worth it", "costs": "looks costly"}.get(
            self.status, f"looks like a {self.status}"
        )


@dataclass(frozen=True)
class Answer:
    """The first screen of the report."""

    headline: str
    gist: str  # which layers are worth it: the badges in one line; empty with one step or none
    layers: tuple[LayerAnswer, ...]  # the total, if there is one, is last
    note: str = ""  # what badges would take to be verdicts; empty where they are


def answer(findings: Findings) -> Answer:
    """The words for an ablation, from its verdicts on p50, p95 and goodput."""
    judged = judged_cells(findings)
    layers = tuple(_layer(findings, step, judged[step]) for step in findings.ablation.steps)
    if not layers:
        return Answer("One variant only: there is nothing to compare it with.", "", ())
    return Answer(_headline(findings, layers[-1]), _gist(layers), layers, _note(judged))


def judged_cells(findings: Findings) -> dict[Step, list[Comparison]]:
    """What the badge of each step is made of: all scenarios and judged metrics, as one family."""
    cells = [
        (step, one)
        for step in findings.ablation.steps
        for scenario in findings.runs.scenarios
        for metric in JUDGED
        if (one := findings.ablation.comparison(scenario, metric, step)) is not None
    ]
    found: dict[Step, list[Comparison]] = {step: [] for step in findings.ablation.steps}
    together = as_one_family([one for _, one in cells])
    for (step, _), one in zip(cells, together, strict=True):
        found[step].append(one)
    return found


def _note(judged: Mapping[Step, Sequence[Comparison]]) -> str:
    """ "The badges pick from 45 cells, ..." where there are too few blocks for a verdict of all."""
    cells = [one for own in judged.values() for one in own]
    fewest = min(one.n for one in cells)
    if fewest >= SCREENING_BELOW:
        return ""
    return (
        f"The badges pick from {cells[0].family} cells (steps, loads and {words.listed(JUDGED)}), "
        f"which takes {SCREENING_BELOW} blocks to be more than a look; here "
        f"{'is' if fewest == 1 else 'are'} {fewest}."
    )


def _gist(layers: Sequence[LayerAnswer]) -> str:
    """ "Worth it: onnx and quantized. Costs: batching. Undecided: workers=2." """
    steps = [layer for layer in layers if not layer.step.total]
    if len(steps) < 2:
        return ""
    by_label: dict[str, list[str]] = {}
    for layer in sorted(steps, key=lambda one: (ORDER.index(one.status), one.looks)):
        by_label.setdefault(layer.label, []).append(layer.step.name)
    told = (
        f"{label[0].upper()}{label[1:]}: {words.listed(names)}."
        for label, names in by_label.items()
    )
    return " ".join(told)


def _headline(findings: Findings, last: LayerAnswer) -> str:
    subject = "All layers together" if last.step.total else last.step.new
    parts = []
    for scenario, p95, _ in last.cells:
        claim = {
            "improved": words.effect(p95),
            "regressed": words.effect(p95),
            "equivalent": "unchanged within the margin",
            "inconclusive": f"{words.effect(p95)}, undecided",
        }[p95.verdict]
        if p95.leaning:
            claim = f"{words.effect(p95)} in {_leaning_count(p95)} blocks"
        if p95.bound == "unknown":
            claim = "among failures (see goodput)"
        parts.append(f"{claim} under {scenario} load")
    level = {words.confidence(p95.interval) for _, p95, _ in last.cells if p95.interval}
    sure = f" ({words.listed(sorted(level))} intervals over blocks)" if level else ""
    return f"{subject}: p95 latency {'; '.join(parts)}{sure}."


def _leaning_count(one: Comparison) -> str:
    return f"{one.better if one.leaning == 'better' else one.worse} of {one.n}"


def _layer(findings: Findings, step: Step, judged: Sequence[Comparison]) -> LayerAnswer:
    ablation = findings.ablation
    wins = [one for one in judged if one.verdict == "improved"]
    losses = [one for one in judged if one.verdict == "regressed"]
    looks = bool(wins or losses) and min(one.n for one in judged) < SCREENING_BELOW
    if not wins and not losses and _beyond_luck(judged):
        wins = [one for one in judged if one.leaning == "better"]
        losses = [one for one in judged if one.leaning == "worse"]
        looks = bool(wins or losses)
    status: Status = "undecided"
    if wins:
        status = "trade-off" if losses else "worth it"
    elif losses:
        status = "costs"
    elif all(one.verdict == "equivalent" for one in judged):
        status = "no difference"
    cells = []
    for scenario in findings.runs.scenarios:
        p95 = ablation.comparison(scenario, "p95", step)
        if p95 is not None:
            cells.append((scenario, p95, ablation.comparison(scenario, "goodput", step)))
    sentence = _sentence(wins, losses, status, looks, len(cells))
    if status == "undecided" and all(one.interval is None for one in judged):
        sentence = "One block gives no interval: more blocks may decide."
    elif status == "undecided" and (failing := _among_failures(judged)):
        sentence = f"{words.among_failures(failing)}."
    return LayerAnswer(step, status, looks, sentence, tuple(cells))


def _among_failures(judged: Sequence[Comparison]) -> list[Metric]:
    """The metrics that may be undecided because quantiles lie among failures."""
    return list(
        dict.fromkeys(one.metric for one in judged if one.bound and one.verdict == "inconclusive")
    )


def _beyond_luck(judged: Sequence[Comparison]) -> bool:
    """Whether leaning blocks may be called a look: enough of them, or p95 the same way everywhere.

    With no effect, n blocks point all one way 1 time in 2^(n-1). From FEWEST_TO_LOOK on that is at
    most 1 in 16 for a cell; below, it takes so many blocks of p95 together, over all scenarios.
    """
    if all(one.n >= FEWEST_TO_LOOK for one in judged):
        return True
    tails = [one for one in judged if one.metric == "p95"]
    sides = {one.leaning for one in tails}
    return len(sides) == 1 and None not in sides and sum(one.n for one in tails) >= FEWEST_TO_LOOK


def _sentence(
    wins: list[Comparison], losses: list[Comparison], status: Status, looks: bool, scenarios: int
) -> str:
    if status == "undecided":
        return "Not beyond the margin and luck: more blocks or a quieter machine may decide."
    if status == "no difference":
        return "Every interval lies within the margin."
    parts = []
    for name, group in (("gains", wins), ("costs", losses)):
        by_metric: dict[Metric, list[str]] = {}
        for one in group:
            by_metric.setdefault(one.metric, []).append(one.scenario)
        told = [
            f"{metric} under {'every load' if len(where) == scenarios > 1 else words.listed(where)}"
            for metric, where in by_metric.items()
        ]
        if told:
            parts.append(f"{name} {'; '.join(told)}")
    text = ", but ".join(parts)
    return f"In every block so far: {text}." if looks else f"{text[0].upper()}{text[1:]}."
