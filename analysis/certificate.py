"""The fidelity certificate of a run: did the generator send what was declared?"""

from dataclasses import dataclass

from analysis._fields import Fields
from analysis.gates import Gate


@dataclass(frozen=True)
class Certificate:
    """What run.json says under generator.certificate; rates in requests/s, lateness in seconds.

    `ks_p` is the Kolmogorov-Smirnov p of the gaps against the declared distribution; None where
    there is none (a trace). `generator_cpu` is in cores.
    """

    passed: bool
    reasons: tuple[str, ...]
    gates: tuple[Gate, ...]
    target_rate: float | None  # None where there is nothing to divide by: one request, none sent
    realised_rate: float | None
    target_cv: float | None
    realised_cv: float | None
    sent_fraction: float
    lateness_p50_s: float | None
    lateness_p99_s: float | None
    lateness_max_s: float | None
    ks_statistic: float | None
    ks_p: float | None
    ks_n: float | None
    generator_cpu: float | None


def parse_certificate(fields: Fields | None) -> Certificate | None:
    """None for runs that were made before there were certificates."""
    if fields is None:
        return None
    lateness = fields.maybe_child("lateness_s") or Fields({}, fields.file)
    gaps = fields.maybe_child("gaps_ks") or Fields({}, fields.file)
    return Certificate(
        passed=fields.flag("passed"),
        reasons=fields.texts("reasons"),
        gates=tuple(parse_gate(one) for one in fields.children("gates")),
        target_rate=fields.maybe_number("target_rate"),
        realised_rate=fields.maybe_number("realised_rate"),
        target_cv=fields.maybe_number("target_cv"),
        realised_cv=fields.maybe_number("realised_cv"),
        sent_fraction=fields.number("sent_fraction"),
        lateness_p50_s=lateness.maybe_number("p50"),
        lateness_p99_s=lateness.maybe_number("p99"),
        lateness_max_s=lateness.maybe_number("max"),
        ks_statistic=gaps.maybe_number("statistic"),
        ks_p=gaps.maybe_number("p"),
        ks_n=gaps.maybe_number("n"),
        generator_cpu=fields.maybe_number("generator_cpu"),
    )


def parse_gate(fields: Fields) -> Gate:
    """One entry of a list of gates."""
    return Gate(
        name=fields.text("name"),
        value=fields.maybe_number("value"),
        limit=fields.number("limit"),
        unit=fields.text("unit", ""),
        passed=fields.flag("passed"),
    )
