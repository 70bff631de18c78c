"""Attributions and sweeps as their own modules make them, with planted values."""

from collections.abc import Sequence
from math import log
from typing import Any

import numpy as np

from analysis._signedrank import Interval
from analysis.attribution import Attribution, Interaction, Share
from analysis.compare import Metric, Verdict
from analysis.summary import Summary
from analysis.sweep import Capacity, Point, Sweep


def around(gain: float, half: float) -> Interval:
    return Interval(gain - half, gain + half, 0.9609375)


# layer -> metric -> (factor, verdict, least and largest factor over the orders)
WORTH: dict[str, dict[Metric, tuple[float, Verdict, float, float]]] = {
    "onnx": {
        "p50": (2.1, "improved", 1.9, 2.3),
        "p95": (3.4, "improved", 2.9, 4.1),
        "goodput": (1.4, "improved", 1.2, 1.7),
    },
    "quantized": {
        "p50": (1.8, "improved", 1.7, 1.9),
        "p95": (2.2, "improved", 1.6, 2.9),
        "goodput": (1.1, "inconclusive", 1.0, 1.3),
    },
    "batching": {
        "p50": (0.86, "regressed", 0.8, 0.95),
        "p95": (1.3, "inconclusive", 0.8, 1.7),
        "goodput": (1.25, "improved", 1.0, 1.5),
    },
}


def attributions(scenarios: Sequence[str], half: float = 0.12) -> tuple[Attribution, ...]:
    """One per scenario and metric; the residual of an exact attribution is zero."""
    found = []
    for scenario in scenarios:
        metrics: tuple[Metric, ...] = ("p50", "p95", "goodput")
        for metric in metrics:
            shares = []
            for layer, worth in WORTH.items():
                value, verdict, low, high = worth[metric]
                width = half * (3 if verdict == "inconclusive" else 1)
                gain = around(log(value), width)
                orders = (log(low), log(high))
                shares.append(Share(layer, log(value), gain, *orders, 0.031, verdict, 8))
            total = sum(one.gain or 0.0 for one in shares)
            pair = Interaction(("quantized", "batching"), -0.11, around(-0.11, 0.05), 0.04)
            sums = (total, around(total, 0.2), 0.0, around(0.0, 0.0), None, 1.0, 1)
            found.append(Attribution(scenario, metric, "shapley", tuple(shares), (pair,), *sums))
    return tuple(found)


def sweep(capacity_rps: dict[str, float], limit_s: float = 0.25) -> Sweep:
    """A noisy queue: latency grows as 1/(1 - rate/capacity); 3 repeats at each rate."""
    rng = np.random.default_rng(5)
    points, capacities = [], []
    for spec, capacity in capacity_rps.items():
        for share in (0.25, 0.5, 0.7, 0.85, 0.95, 1.1):
            for repeat in range(3):
                rate = round(capacity * share, 1)
                p95 = 0.02 / max(1 - share, 0.02) * float(np.exp(rng.normal(0, 0.15)))
                within = min(1.0, max(0.0, 1.02 - max(0.0, p95 - 0.2)))
                found = summary(rate, p95, within)
                name = f"r{rate}-{spec}-{repeat}"
                points.append(Point(name, spec, rate, repeat, found, p95 <= limit_s))
        best = capacity * 0.9
        told = f"meets p95 < 250 ms up to {best:.0f}/s ({best * 0.94:.0f} to {best * 1.05:.0f})"
        capacities.append(
            Capacity(spec, best, best * 0.94, best * 1.05, 0.95, capacity * 0.8, told)
        )
    command = "optbuild sweep baseline onnx --slo 'p95<250ms' --out runs/demo"
    return Sweep("steady", "p95 < 250 ms", tuple(points), tuple(capacities), (), 7, command)


def summary(rate: float, p95_s: float, within: float) -> Summary:
    n = int(rate * 20)
    numbers: dict[str, Any] = {
        "n": n, "p50_s": p95_s / 3, "p90_s": p95_s * 0.8, "p95_s": p95_s, "p99_s": None,
        "mean_s": p95_s / 2.5, "throughput_rps": rate * min(1.0, within + 0.1),
        "goodput_rps": rate * within, "goodput_fraction": within, "good": int(n * within),
        "error_rate": 0.0, "outcomes": (("ok", n),), "lateness_p50_s": 0.0004,
        "lateness_p99_s": 0.0012, "lateness_max_s": 0.002,
    }  # fmt: skip
    return Summary(**numbers)
