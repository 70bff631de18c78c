"""report.json: the numbers of a report for programs.

Its form is templates/report.schema.json (JSON Schema 2020-12, format 1): seconds, requests/s and
shares, unrounded; null where a value does not exist.
"""

import math
from dataclasses import asdict
from typing import Any

from analysis import words
from analysis._signedrank import Interval
from analysis.ablation import Step
from analysis.answer import Answer
from analysis.attribution import Attribution
from analysis.compare import Comparison
from analysis.context import Context
from analysis.findings import Findings, RunSummary
from analysis.material import Material
from analysis.summary import Summary
from analysis.tables import first_runs

FORMAT = 1


def report_json(
    material: Material, findings: Findings, told: Answer, around: Context
) -> dict[str, Any]:
    """The report of an ablation, with its sweep if there is one."""
    runs, facts = findings.runs, findings.summaries[0].facts
    plan = asdict(runs.plan)
    margin = plan.pop("margin")
    return {
        "format": FORMAT,
        "directory": runs.directory.name,
        "screening": findings.screening,
        "headline": told.headline,
        "warnings": list(around.warnings),
        "margin": margin,
        "plan": plan,
        "model": {
            "name": facts.model,
            "digest": facts.model_digest,
            "accuracy_meaningful": facts.accuracy_meaningful,
        },
        "machine": asdict(facts.machine) | {"libraries": dict(facts.machine.libraries)},
        "slo": {"quantile": facts.slo_quantile, "limit_s": facts.slo_limit_s},
        "layers": [
            {
                "step": layer.step.name,
                "old": layer.step.old,
                "new": layer.step.new,
                "status": layer.status,
                "looks": layer.looks,
                "sentence": layer.sentence,
            }
            for layer in told.layers
        ],
        "comparisons": [
            _comparison(one, step)
            for family in findings.ablation.families
            for step, one in zip(findings.ablation.steps, family.comparisons, strict=True)
        ],
        "runs": [_run(one) for one in findings.summaries],
        "checks": [
            {"spec": one.spec, "check": None if one.check is None else asdict(one.check)}
            for one in first_runs(findings)
        ],
        "invalid": [
            {
                "id": one.id,
                "attempt": one.attempt,
                "started_at": one.started_at,
                "gates": [asdict(gate) for gate in one.gates],
            }
            for one in runs.invalid
        ],
        "attributions": [_attribution(one) for one in findings.attributions],
        "sweep": _sweep(material),
    }


def sweep_only_json(material: Material, headline: str) -> dict[str, Any]:
    """The report of a folder without an ablation: the same keys, empty but for the sweep."""
    lists = ("layers", "comparisons", "runs", "checks", "invalid", "attributions")
    nothing = dict.fromkeys(("margin", "plan", "model", "machine", "slo"), None)
    return {
        "format": FORMAT,
        "directory": material.directory.name,
        "screening": False,
        "headline": headline,
        "warnings": [one.replace(f"{material.directory}/", "") for one in material.warnings],
        **nothing,
        **{name: [] for name in lists},
        "sweep": _sweep(material),
    }


def _comparison(one: Comparison, step: Step) -> dict[str, Any]:
    low = None if one.interval is None else one.interval.low
    high = None if one.interval is None else one.interval.high
    ratio = (_exp(one.gain), _exp(low), _exp(high))
    if one.metric != "goodput":  # a latency that halves is a gain of two
        ratio = (_exp(_negative(one.gain)), _exp(_negative(high)), _exp(_negative(low)))
    return {
        "scenario": one.scenario,
        "metric": one.metric,
        "step": step.name,
        "old": one.old,
        "new": one.new,
        "total": step.total,
        "ratio": ratio[0],
        "ratio_low": ratio[1],
        "ratio_high": ratio[2],
        "confidence": None if one.interval is None else one.interval.confidence,
        "gain": _exp(one.gain),
        "gain_low": _exp(low),
        "gain_high": _exp(high),
        "p": one.p,
        "p_holm": one.p_holm,
        "family": one.family,
        "n": one.n,
        "better": one.better,
        "worse": one.worse,
        "blocks": list(one.pairs.blocks),
        "left_out": list(one.pairs.left_out),
        "log_gains": list(one.pairs.gains),
        "bound": one.bound,
        "censored_old": list(one.pairs.censored_old),
        "censored_new": list(one.pairs.censored_new),
        "verdict": one.verdict,
        "leaning": one.leaning,
        "screening": one.screening,
        "printed": {
            "effect": words.effect(one),
            "level": words.confidence(one.interval),
            "better_in": words.better_in(one),
            "p": words.p_value(one.p_holm),
        },
    }


def _attribution(one: Attribution) -> dict[str, Any]:
    return {
        "scenario": one.scenario,
        "metric": one.metric,
        "method": one.method,
        "total": _factor(one.total, one.total_interval),
        "residual": _factor(one.residual, one.residual_interval) | {"p": one.residual_p},
        "additivity_p": one.additivity_p,
        "pairs_possible": one.pairs_possible,
        "shares": [
            {
                "layer": share.layer,
                **_factor(share.gain, share.interval),
                "low_order": _exp(share.low_order),
                "high_order": _exp(share.high_order),
                "p_holm": share.p_holm,
                "bound": share.bound,
                "verdict": share.verdict,
                "n": share.n,
            }
            for share in one.shares
        ],
        "interactions": [
            {
                "layers": list(pair.layers),
                **_factor(pair.gain, pair.interval),
                "p_holm": pair.p_holm,
                "bound": pair.bound,
            }
            for pair in one.interactions
        ],
    }


def _factor(gain: float | None, interval: Interval | None) -> dict[str, float | None]:
    """A gain as a factor where above 1 is better, with its interval."""
    return {
        "gain": _exp(gain),
        "gain_low": None if interval is None else _exp(interval.low),
        "gain_high": None if interval is None else _exp(interval.high),
        "confidence": None if interval is None else interval.confidence,
    }


def _sweep(material: Material) -> dict[str, Any] | None:
    sweep = material.sweep
    if sweep is None:
        return None
    return {
        "scenario": sweep.scenario,
        "objective": sweep.objective,
        "seed": sweep.seed,
        "command": sweep.command,
        "capacities": [
            {
                "spec": one.spec,
                "rate_rps": one.rate_rps,
                "low_rps": one.low_rps,
                "high_rps": one.high_rps,
                "confidence": one.confidence,
                "knee_rps": one.knee_rps,
                "words": one.words,
            }
            for one in sweep.capacities
        ],
        "points": [
            {
                "id": point.id,
                "spec": point.spec,
                "rate_rps": point.rate_rps,
                "repeat": point.repeat,
                "meets": point.meets,
                **_summary(point.summary),
            }
            for point in sweep.points
        ],
    }


def _exp(value: float | None) -> float | None:
    return None if value is None else math.exp(value)


def _negative(value: float | None) -> float | None:
    return None if value is None else -value


def _run(one: RunSummary) -> dict[str, Any]:
    facts = one.facts
    return {
        "id": facts.id,
        "spec": facts.spec,
        "scenario": facts.scenario,
        "block": facts.block,
        "order": facts.order,
        "seed": facts.seed,
        "schedule_sha256": facts.schedule_sha256,
        "bento": facts.bento,
        **_summary(one.summary),
        "steal_fraction": facts.steal_fraction,
        "cpu_pressure_avg10": facts.cpu_pressure_avg10,
        "load1": facts.load1,
        "generator_cpu": facts.generator_cpu,
        "started_at": facts.started_at,
        "gates": [asdict(gate) for gate in facts.gates],
        "certificate": None if facts.certificate is None else asdict(facts.certificate),
        "server": None if facts.server is None else asdict(facts.server),
    }


def _summary(summary: Summary) -> dict[str, Any]:
    return asdict(summary) | {"outcomes": dict(summary.outcomes)}
