"""The report's plain tables as rows of text: checks, validity, schedules."""

from dataclasses import dataclass

from analysis import words
from analysis.drift import points
from analysis.facts import Accuracy, BatchInvariance, RunFacts
from analysis.findings import Findings, RunSummary
from analysis.gates import Gate


@dataclass(frozen=True)
class CheckRow:
    """How the answers of one variant compare with the baseline's."""

    spec: str
    bento: str
    golden: str
    flips: str
    difference: str
    accuracy: str
    baseline_accuracy: str
    batch_invariance: str = "–"


def check_rows(findings: Findings) -> tuple[CheckRow, ...]:
    """One row per variant; the baseline is what the others were checked against."""
    rows = []
    for facts in first_runs(findings):
        check = facts.check
        if check is None:
            rows.append(CheckRow(facts.spec, facts.bento, "the reference", "–", "–", "–", "–"))
            continue
        meaningful = facts.accuracy_meaningful
        rows.append(
            CheckRow(
                spec=facts.spec,
                bento=facts.bento,
                golden=f"{check.golden_count} texts, {check.golden_source}",
                flips=f"{check.label_flips} ({words.percent(check.label_flip_rate, 2)})",
                difference=f"{check.max_probability_difference:.2g}",
                accuracy=_accuracy(check.accuracy, meaningful),
                baseline_accuracy=_accuracy(check.baseline_accuracy, meaningful),
                batch_invariance=_invariances(check.batch_invariance, check.served),
            )
        )
    return tuple(rows)


def _invariances(invariance: BatchInvariance | None, served: BatchInvariance | None) -> str:
    told = [] if invariance is None else [_invariance(invariance)]
    told += [] if served is None else [f"served: {_invariance(served)}"]
    return "; ".join(told) or "–"


def _invariance(invariance: BatchInvariance) -> str:
    drift = points(invariance.largest_drift)
    return f"{invariance.label_flips} of {invariance.texts}, drift {drift} points"


def _accuracy(accuracy: Accuracy | None, meaningful: bool) -> str:
    if not meaningful:
        return "not meaningful: random weights"
    if accuracy is None:
        return "no labels"
    low, value, high = (words.percent(v) for v in (accuracy.low, accuracy.value, accuracy.high))
    return f"{value} ({words.same_unit(low, value, high)})"


def first_runs(findings: Findings) -> tuple[RunFacts, ...]:
    """The facts of the first run of each variant, in the order of the ablation."""
    by_spec: dict[str, RunFacts] = {}
    for one in findings.summaries:
        by_spec.setdefault(one.facts.spec, one.facts)
    return tuple(by_spec[spec] for spec in findings.runs.specs)


@dataclass(frozen=True)
class GateRow:
    """One validity gate over all valid runs, with the run that came closest to its limit."""

    name: str
    passed: str
    closest: str
    run: str


def gate_rows(findings: Findings) -> tuple[GateRow, ...]:
    """Gates in the order of the first run that names them."""
    by_name: dict[str, list[tuple[Gate, RunFacts]]] = {}
    for one in findings.summaries:
        for gate in one.facts.gates:
            by_name.setdefault(gate.name, []).append((gate, one.facts))
    rows = []
    for name, gates in by_name.items():
        gate, facts = max(gates, key=lambda one: _closeness(one[0]))
        passed = sum(one.passed for one, _ in gates)
        rows.append(GateRow(name, f"{passed} of {len(gates)}", gate_figures(gate), facts.id))
    return tuple(rows)


def gate_figures(gate: Gate) -> str:
    """ "1.30 ms of 2.00 ms", "600 of 600 requests"."""
    if gate.unit == "s":
        return f"{words.duration(gate.value)} of {words.duration(gate.limit)}"
    value = "–" if gate.value is None else _plain(gate.value)
    return f"{value} of {_plain(gate.limit)} {gate.unit}".rstrip()


def _plain(value: float) -> str:
    """Counts in full, shares and distances to three digits."""
    return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.3g}"


def _closeness(gate: Gate) -> float:
    """For an upper limit, the larger the closer; for a count that must be complete, all alike."""
    if gate.value is None:
        return float("inf")
    return gate.value / gate.limit if gate.limit and gate.unit != "requests" else 0.0


@dataclass(frozen=True)
class InvalidRow:
    """A run whose block was repeated, and why."""

    id: str
    attempt: int
    failed: str
    started_at: str


def invalid_rows(findings: Findings) -> tuple[InvalidRow, ...]:
    """The log of invalid runs; a run of an invalid block may itself have passed every gate."""
    rows = []
    for facts in findings.runs.invalid:
        failed = [f"{g.name} {gate_figures(g)}" for g in facts.gates if not g.passed]
        reason = "; ".join(failed) or "repeated with its block"
        rows.append(InvalidRow(facts.id, facts.attempt, reason, facts.started_at))
    return tuple(rows)


@dataclass(frozen=True)
class ScheduleRow:
    """What every variant of one block replayed, in which order."""

    scenario: str
    block: int
    seed: int
    rate: str
    cv: str
    duration: str
    requests: int
    sha256: str
    order: str


def schedule_rows(findings: Findings) -> tuple[ScheduleRow, ...]:
    """One row per scenario and block."""
    blocks: dict[tuple[str, int], list[RunSummary]] = {}
    for one in findings.summaries:
        blocks.setdefault((one.facts.scenario, one.facts.block), []).append(one)
    names = findings.names
    rows = []
    for (scenario, block), runs in blocks.items():
        facts = runs[0].facts
        ordered = sorted(runs, key=lambda one: one.facts.order)
        rows.append(
            ScheduleRow(
                scenario=scenario,
                block=block,
                seed=facts.seed,
                rate=f"{words.factor(facts.rate)}/s",
                cv=f"{facts.cv:g}",
                duration=f"{facts.duration_s:g} s",
                requests=facts.planned,
                sha256=facts.schedule_sha256[:12],
                order=", ".join(names[one.facts.spec] for one in ordered),
            )
        )
    return tuple(rows)
