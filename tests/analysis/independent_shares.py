"""The second half of `independent.py`: what each layer is worth, from the runs and the formulas.

Shares by walking through every order in which the layers can be added, one after the other.
"""

import math
from collections.abc import Callable, Iterator
from itertools import combinations, permutations, product
from typing import Any

import numpy as np

Layers = frozenset[str]
Statistics = dict[str, Callable[..., Any]]  # log_gain, signed_rank, sign_flip, holm, verdict...


def layers_of(spec: str) -> Layers:
    return frozenset(spec.split("+")) - {"baseline"}


def attributions(
    report: Any, runs: dict[tuple[str, str], dict[int, Any]], margin: float, use: Statistics
) -> Iterator[tuple[str, Any, Any]]:
    """Where, mine and the report's; those with a drawn p (above 16 blocks) are left out."""
    for theirs in report["attributions"]:
        scenario, metric = theirs["scenario"], theirs["metric"]
        own = {spec: runs.get((scenario, spec), {}) for spec in report["plan"]["specs"]}
        mine = attribution(metric, own, report["plan"]["chain"], margin, use)
        if mine is not None and mine["shares"][0]["n"] <= 16:
            pairs = {tuple(pair["layers"]): pair for pair in theirs["interactions"]}
            yield f"{scenario} {metric}", mine, theirs | {"interactions": pairs}


def attribution(
    metric: str, runs: dict[str, dict[int, Any]], chain: list[str], margin: float, use: Statistics
) -> dict[str, Any] | None:
    """One attribution from the runs of each spec by block; None if a metric has no block."""
    blocks = sorted(set.intersection(*(set(one) for one in runs.values())))
    if not blocks:
        return None
    values, failing = {}, set()
    for spec, own in runs.items():
        pairs = [(runs[chain[0]][block], own[block]) for block in blocks]
        gains = [use["log_gain"](metric, *one) for one in pairs]
        if None in gains:
            return None
        values[layers_of(spec)] = np.array(gains)
        if any(metric in new["censored"] for _, new in pairs):
            failing.add(layers_of(spec))
    layers: list[str] = []
    for spec in chain:
        layers += sorted(layers_of(spec) - set(layers))
    full = frozenset(layers)
    orders = [
        order
        for order in permutations(layers)
        if all(frozenset(order[:n]) in values for n in range(len(order)))
    ]
    exact = all(one | two in values for one in values for two in values)

    def known(old: list[Layers], new: list[Layers]) -> Any:
        return use["bound_of"](failing & set(old), failing & set(new))

    shares, worths = [], {}
    for layer in layers:
        befores = sorted(
            (one for one in values if layer not in one and one | {layer} in values), key=len
        )
        steps = [values[one | {layer}] - values[one] for one in befores]
        if exact:
            befores_in = [frozenset(order[: order.index(layer)]) for order in orders]
            gains = sum(values[one | {layer}] - values[one] for one in befores_in) / len(orders)
        else:
            gains = (steps[0] + steps[-1]) / 2
        worths[layer] = gains
        centres = [centre(one) for one in steps]
        shares.append({
            "layer": layer,
            **factor(gains, use),
            "low_order": math.exp(min(centres)),
            "high_order": math.exp(max(centres)),
            "bound": known(befores, [one | {layer} for one in befores]),
            "n": len(blocks),
        })  # fmt: skip
    corrected = use["holm"]([use["sign_flip"](list(one)) for one in worths.values()])
    for share, gains, p in zip(shares, worths.values(), corrected, strict=True):
        interval = use["signed_rank"](list(gains))
        share |= {"p_holm": p, "verdict": use["verdict"](interval, p, margin, share["bound"])}
    left = values[full] - sum(worths.values())
    residual = {"gain": 1.0, "gain_low": None, "gain_high": None, "confidence": None, "p": None}
    if not exact:
        p = None if failing else use["sign_flip"](list(left))
        residual = factor(left, use) | {"p": p}
    pairs_of = together(values, layers, orders if exact else None)
    contrasts = list(pairs_of.values())
    if not exact:
        contrasts += [steps_of(values, layer) for layer in layers]
    return {
        "method": "shapley" if exact else "first-in/last-in",
        "total": factor(values[full], use),
        "residual": residual,
        "additivity_p": None if failing else joint_sign_flip(contrasts, len(blocks)),
        "shares": shares,
        "interactions": {
            both: factor(gains, use) | {"p_holm": p}
            for (both, gains), p in zip(
                pairs_of.items(),
                use["holm"]([use["sign_flip"](list(one)) for one in contrasts[: len(pairs_of)]]),
                strict=True,
            )
        },
    }


def together(
    values: dict[Layers, Any], layers: list[str], orders: list[tuple[str, ...]] | None
) -> dict[tuple[str, str], Any]:
    """What pairs bring beyond the sum of each: over the orders in which they are neighbours."""
    found = {}
    for both in combinations(layers, 2):
        one, other = (frozenset([layer]) for layer in both)
        places = [s for s in values if not s & (one | other)
                  and {s | one, s | other, s | one | other} <= set(values)]  # fmt: skip
        if orders is not None:
            places = [frozenset(order[:n]) for order in orders for n in range(len(order) - 1)
                      if set(order[n : n + 2]) == set(both)
                      and frozenset(order[:n]) in places]  # fmt: skip
        if places:
            found[both] = sum(
                values[s | one | other] - values[s | one] - values[s | other] + values[s]
                for s in places
            ) / len(places)
    return found


def steps_of(values: dict[Layers, Any], layer: str) -> Any:
    """A layer's latest addition less its earliest."""
    befores = sorted(
        (one for one in values if layer not in one and one | {layer} in values), key=len
    )
    gains = [values[one | {layer}] - values[one] for one in befores]
    return gains[-1] - gains[0]


def joint_sign_flip(contrasts: list[Any], blocks: int) -> float | None:
    """The share of sign patterns, one sign a block, with squared column sums as large."""
    if not contrasts or not blocks:
        return None
    columns = np.array(contrasts).T
    signs = np.array(list(product((1.0, -1.0), repeat=blocks)))
    lengths = np.square(signs @ columns).sum(axis=1)
    return float((lengths >= lengths[0] * (1 - 1e-9)).mean())


def centre(gains: Any) -> float:
    walsh = [(a + b) / 2 for i, a in enumerate(gains) for b in gains[i:]]
    return float(np.median(walsh))


def factor(gains: Any, use: Statistics) -> dict[str, Any]:
    interval = use["signed_rank"](list(gains))
    low, high, level = interval or (None, None, None)
    return {
        "gain": math.exp(centre(gains)),
        "gain_low": None if low is None else math.exp(low),
        "gain_high": None if high is None else math.exp(high),
        "confidence": level,
    }
