"""What shares leave unsaid: layers that work together or against each other, and the residual."""

from collections.abc import Sequence
from dataclasses import dataclass

from analysis import words
from analysis.attribution import Attribution

MOST = 3  # pairs shown for each scenario and metric


@dataclass(frozen=True)
class InteractionRow:
    """Two layers under one scenario and metric: what they bring beyond the sum of each alone."""

    scenario: str
    metric: str
    layers: str
    effect: str
    p: str


@dataclass(frozen=True)
class SumRow:
    """All layers together, and what the shares do not add up to."""

    scenario: str
    metric: str
    method: str
    total: str
    residual: str
    p: str


def interaction_rows(found: Sequence[Attribution]) -> tuple[InteractionRow, ...]:
    """The largest first within each scenario and metric."""
    return tuple(
        InteractionRow(
            scenario=one.scenario,
            metric=one.metric,
            layers=" with ".join(pair.layers),
            effect=words.effect(words.Estimate(one.metric, pair.gain, pair.interval, pair.bound)),
            p=words.p_value(pair.p_holm),
        )
        for one in found
        for pair in one.interactions[:MOST]
        if pair.gain is not None
    )


def sum_rows(found: Sequence[Attribution]) -> tuple[SumRow, ...]:
    """One row per scenario and metric."""
    return tuple(
        SumRow(
            scenario=one.scenario,
            metric=one.metric,
            method=one.method,
            total=words.effect(
                words.Estimate(one.metric, one.total, one.total_interval, one.total_bound)
            ),
            residual=words.effect(
                words.Estimate(one.metric, one.residual, one.residual_interval, one.residual_bound)
            ),
            p=words.p_value(one.residual_p),
        )
        for one in found
    )
