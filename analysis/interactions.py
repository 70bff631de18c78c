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
    residual_p: str
    additivity_p: str


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


def pairs_note(found: Sequence[Attribution]) -> str:
    """How many pairs of layers interactions are known of; empty where it is all of them."""
    fewest = min(found, key=lambda one: len(one.interactions), default=None)
    if fewest is None or len(fewest.interactions) >= fewest.pairs_possible:
        return ""
    measured, possible = len(fewest.interactions), words.plural(fewest.pairs_possible, "pair")
    return (
        f"{measured} of {possible} measured: others may work together or against each other unseen"
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
            residual_p=words.p_value(one.residual_p),
            additivity_p=words.p_value(one.additivity_p),
        )
        for one in found
    )
