"""What each layer is worth whatever the order, from a design that measures more than one order.

The value of a set of layers in a block is its log gain against the baseline. What a layer is
worth is an average of its marginal gains (`analysis._game`), made per block; the estimate over
blocks is Hodges-Lehmann, with the exact signed-rank interval, as everywhere. Per block the shares
add up to the total; the estimates do so nearly, since a median of sums is no sum of medians.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np

from analysis._additivity import joint_sign_flip_p
from analysis._game import Game, Set
from analysis._holm import holm
from analysis._permutation import sign_flip_p
from analysis._signedrank import Floats, Interval, hodges_lehmann, signed_rank_interval
from analysis._stepdown import step_down_p_by_block
from analysis.ablation import Summaries
from analysis.compare import ALPHA, METRICS, Bound, Metric, Verdict, bound_of, pair, verdict
from analysis.runs import Runs
from analysis.summary import Summary
from variants._spec import layers_of

Method = Literal["shapley", "first-in/last-in"]


@dataclass(frozen=True)
class Share:
    """What one layer is worth under one scenario and metric; logs, positive is better.

    `low_order` and `high_order` are the smallest and the largest of its measured marginal gains,
    each the Hodges-Lehmann estimate over the blocks of one addition: what the layer seems to be
    worth to whoever adds it first, last or in between. Holm corrects over the layers.
    """

    layer: str
    gain: float | None
    interval: Interval | None
    low_order: float | None
    high_order: float | None
    p_holm: float | None
    verdict: Verdict
    n: int  # blocks that have a run of every variant
    bound: Bound | None = None  # what is known of the gain where quantiles lie among failures
    # The verdict of a claim that picks from all loads, metrics and layers; None: as `verdict`.
    picked: Verdict | None = None
    gains: tuple[float, ...] = ()  # (n,), one a block


@dataclass(frozen=True)
class Interaction:
    """What two layers bring together beyond the sum of each alone; Holm over the pairs."""

    layers: tuple[str, str]
    gain: float | None
    interval: Interval | None
    p_holm: float | None
    bound: Bound | None = None


@dataclass(frozen=True)
class Attribution:
    """The shares of the layers in the total, for one scenario and metric.

    `shares` in the order of the chain, `interactions` the largest first: every pair of which all
    four corners were measured. `residual` is the total less the shares: 0 by construction for
    `shapley`, and what pairs of layers cannot explain for `first-in/last-in`; `residual_p` tests
    that it is nothing (None for `shapley`: there is nothing to test). `additivity_p` tests that
    effects are additive, that each layer brings the same whatever else is there. Neither the
    residual nor these p are known where a quantile lies among failures. `pairs_possible` counts the
    pairs that could interact, of which `interactions` are those that were measured.
    """

    scenario: str
    metric: Metric
    method: Method
    shares: tuple[Share, ...]
    interactions: tuple[Interaction, ...]
    total: float | None
    total_interval: Interval | None
    residual: float | None
    residual_interval: Interval | None
    residual_p: float | None
    additivity_p: float | None
    pairs_possible: int
    total_bound: Bound | None = None
    residual_bound: Bound | None = None


def attribute(runs: Runs, summaries: Summaries) -> tuple[Attribution, ...]:
    """By scenario, then metric; none for a cumulative plan, or a p99 that no block has.

    Only blocks with a run of every planned variant count, so that the shares of a block add up.
    """
    plan = runs.plan
    layers = _layers_in_order(plan.chain)
    if plan.design == "cumulative" or not layers:
        return ()
    found, blocks = [], []
    for scenario in runs.scenarios:
        by_spec = {spec: summaries.get((scenario, spec), {}) for spec in plan.specs}
        for metric in METRICS:
            game, its_blocks = _game(by_spec, plan.specs[0], metric)
            if metric != "p99" or game.blocks:
                found.append(attribute_game(scenario, metric, game, layers, plan.margin))
                blocks.append(its_blocks)
    return _as_one_family(found, blocks, plan.margin)


def _as_one_family(
    found: Sequence[Attribution], blocks: Sequence[Sequence[int]], margin: float
) -> tuple[Attribution, ...]:
    """With the verdicts of claims that pick from all shares: step-down maxT over all of them."""
    cells = [
        dict(zip(its_blocks, share.gains, strict=True))
        for one, its_blocks in zip(found, blocks, strict=True)
        for share in one.shares
    ]
    corrected = iter(step_down_p_by_block(cells))
    return tuple(
        replace(
            one,
            shares=tuple(
                replace(share, picked=verdict(share.interval, next(corrected), margin, share.bound))
                for share in one.shares
            ),
        )
        for one in found
    )


def _game(
    by_spec: Mapping[str, Mapping[int, Summary]], baseline: str, metric: Metric
) -> tuple[Game, tuple[int, ...]]:
    """The log gains against the baseline in the blocks that every variant has, and those."""
    common = sorted(set.intersection(*(set(one) for one in by_spec.values())))
    pairs = {spec: pair(by_spec[baseline], one, metric, common) for spec, one in by_spec.items()}
    censored = frozenset(layers_of(spec) for spec, one in pairs.items() if one.censored_new)
    # One schedule a block: a p99 is there for all of its variants, or for none.
    game = Game({layers_of(spec): np.array(one.gains) for spec, one in pairs.items()}, censored)
    return game, pairs[baseline].blocks


def attribute_game(
    scenario: str, metric: Metric, game: Game, layers: Sequence[str], margin: float
) -> Attribution:
    """The attribution of one game over `layers`; `margin` as a fraction."""
    shares = {
        layer: game.shapley(layer) if game.complete else game.first_last(layer) for layer in layers
    }
    left = game.total - np.sum(list(shares.values()), axis=0)
    exact_residual = 0.0 if game.blocks else None
    ends = [min(game.values, key=len)], [max(game.values, key=len)]
    return Attribution(
        scenario=scenario,
        metric=metric,
        method="shapley" if game.complete else "first-in/last-in",
        shares=_shares(game, shares, margin),
        interactions=_interactions(game, layers),
        total=_centre(game.total),
        total_interval=_interval(game.total),
        residual=exact_residual if game.complete else _centre(left),
        residual_interval=None if game.complete else _interval(left),
        residual_p=None if game.complete or game.censored else sign_flip_p(left),
        additivity_p=None if game.censored else joint_sign_flip_p(_zero_if_additive(game, layers)),
        pairs_possible=sum(game.separable(*both) for both in combinations(layers, 2)),
        total_bound=_bound(game, *ends),
        residual_bound="unknown" if game.censored and not game.complete else None,
    )


def _layers_in_order(chain: Sequence[str]) -> list[str]:
    """The layers in the order in which the chain adds them."""
    layers: list[str] = []
    for spec in chain:
        layers += sorted(layers_of(spec) - set(layers))
    return layers


def _shares(game: Game, shares: dict[str, Floats], margin: float) -> tuple[Share, ...]:
    corrected = holm([sign_flip_p(gains) for gains in shares.values()])
    found = []
    for (layer, gains), p_holm in zip(shares.items(), corrected, strict=True):
        interval = _interval(gains)
        marginals = game.marginals(layer)
        befores = [before for before, _ in marginals]
        bound = _bound(game, befores, [before | {layer} for before in befores])
        orders = [
            estimate for _, marginal in marginals if (estimate := _centre(marginal)) is not None
        ]
        found.append(
            Share(
                layer=layer,
                gain=_centre(gains),
                interval=interval,
                low_order=min(orders, default=None),
                high_order=max(orders, default=None),
                p_holm=p_holm,
                verdict=verdict(interval, p_holm, margin, bound),
                n=len(gains),
                bound=bound,
                gains=tuple(map(float, gains)),
            )
        )
    return tuple(found)


def _interactions(game: Game, layers: Sequence[str]) -> tuple[Interaction, ...]:
    measured = _measured_pairs(game, layers)
    corrected = holm([sign_flip_p(gains) for gains in measured.values()])
    found = [
        Interaction(both, _centre(gains), _interval(gains), p_holm, _bound_of_pair(game, both))
        for (both, gains), p_holm in zip(measured.items(), corrected, strict=True)
    ]
    return tuple(sorted(found, key=lambda one: -abs(one.gain or 0.0)))


def _measured_pairs(game: Game, layers: Sequence[str]) -> dict[tuple[str, str], Floats]:
    return {
        (first, second): gains
        for first, second in combinations(layers, 2)
        if (gains := game.interaction(first, second)) is not None
    }


def _bound(game: Game, old: Iterable[Set], new: Iterable[Set]) -> Bound | None:
    return bound_of(not game.censored.isdisjoint(old), not game.censored.isdisjoint(new))


def _bound_of_pair(game: Game, both: tuple[str, str]) -> Bound | None:
    """Sets with one of the two are taken off, as the old side is; those with both or none added."""
    alone = [one for one in game.values if len(one & set(both)) == 1]
    return _bound(game, alone, [one for one in game.values if one not in alone])


def _zero_if_additive(game: Game, layers: Sequence[str]) -> Floats:
    """Contrasts (n, k) whose means are all zero if each layer brings the same in every order.

    What each pair brings beyond the sum of the two; where not every pair was measured, each
    layer's latest addition less its earliest.
    """
    contrasts = list(_measured_pairs(game, layers).values())
    if not game.complete:
        ends = [game.marginals(layer) for layer in layers]
        contrasts = [found[-1][1] - found[0][1] for found in ends if len(found) > 1]
    return np.array(contrasts).T if contrasts else np.empty((game.blocks, 0))


def _centre(gains: Floats) -> float | None:
    return hodges_lehmann(gains) if len(gains) else None


def _interval(gains: Floats) -> Interval | None:
    return signed_rank_interval(gains, 1 - ALPHA)
