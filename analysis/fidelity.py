"""The fidelity certificates as rows of text, the worst run first."""

from dataclasses import dataclass

from analysis import words
from analysis.certificate import Certificate
from analysis.findings import Findings
from analysis.tables import gate_figures

SHOWN = 5  # rows before the fold


@dataclass(frozen=True)
class FidelityRow:
    """One run: what was declared and what the generator did."""

    id: str
    result: str
    passed: bool
    rate: str
    cv: str
    lateness: str  # p50, p99, most
    sent: str
    ks: str
    cpu: str


@dataclass(frozen=True)
class Fidelity:
    """`summary` in one sentence, then every run; `rows` is empty for runs without certificates."""

    summary: str
    rows: tuple[FidelityRow, ...]

    @property
    def worst(self) -> tuple[FidelityRow, ...]:
        """What stands before the fold."""
        return self.rows[:SHOWN]


def fidelity(findings: Findings) -> Fidelity:
    """Failed runs first, then by lateness; rate, CV and gaps against what was declared."""
    found = [(one.facts.id, c) for one in findings.summaries if (c := one.facts.certificate)]
    if not found:
        return Fidelity("These runs carry no certificate.", ())
    found.sort(key=lambda one: (one[1].passed, -(one[1].lateness_p99_s or 0.0), one[0]))
    passed = sum(certificate.passed for _, certificate in found)
    off = [abs(c.realised_rate / c.target_rate - 1) for _, c in found
           if c.realised_rate is not None and c.target_rate]  # fmt: skip
    late = [c.lateness_p99_s for _, c in found if c.lateness_p99_s is not None]
    least = [c.ks_p for _, c in found if c.ks_p is not None]
    parts = [f"{passed} of {len(found)} runs passed"]
    if off:
        parts.append(f"realised rate within {words.percent(max(off))} of the target")
    if late:
        parts.append(f"lateness p99 at most {words.duration(max(late))}")
    if least:
        parts.append(f"smallest p of the gaps {words.p_value(min(least))}")
    without = len(findings.summaries) - len(found)
    if without:
        parts.append(f"{words.plural(without, 'run')} without a certificate")
    return Fidelity("; ".join(parts) + ".", tuple(_row(name, one) for name, one in found))


def _row(name: str, one: Certificate) -> FidelityRow:
    failed = [f"{gate.name} {gate_figures(gate)}" for gate in one.gates if not gate.passed]
    why = "; ".join(one.reasons or failed)
    late = [words.duration(v) for v in (one.lateness_p50_s, one.lateness_p99_s, one.lateness_max_s)]
    cv = "–" if one.realised_cv is None else words.factor(one.realised_cv)
    target = "" if one.target_cv is None else f" of {words.factor(one.target_cv)}"
    return FidelityRow(
        id=name,
        result="passed" if one.passed else f"failed: {why}",
        passed=one.passed,
        rate=f"{_rate(one.realised_rate)} of {_rate(one.target_rate)}",
        cv=cv + target,
        lateness=" / ".join(late),
        sent=words.percent(one.sent_fraction),
        ks=words.p_value(one.ks_p),
        cpu="–" if one.generator_cpu is None else words.percent(one.generator_cpu),
    )


def _rate(value: float | None) -> str:
    return "–" if value is None else words.factor(value)
