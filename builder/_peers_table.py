"""From the runs of a comparison to a table: medians, ratios to our variant, their intervals.

The unit is the run. A ratio is of two runs of a block; its estimate, interval and p are those of
`analysis/compare.py`, with Holm over all contenders of a load and metric.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

import numpy as np

from analysis._signedrank import hodges_lehmann
from analysis.compare import Comparison, Contrast, Metric, Pairs, compare_family
from analysis.records import read_records
from analysis.summary import summarize_records
from builder._peers_plan import LIMIT, LOADS, Plan

MARGIN = 0.03
SLO_S = 0.25  # of the goodput that the summary also computes, which is not shown
Figure = Literal["texts/s", "p50", "p99"]
# What compare_family calls a figure decides the words of reports, and nothing of the numbers.
_METRIC: Mapping[Figure, Metric] = {"texts/s": "goodput", "p50": "p50", "p99": "p99"}

Values = dict[int, float]  # by block


@dataclass(frozen=True)
class Row:
    """One contender under one load in one figure; `values` are texts/s or seconds, by block."""

    load: str
    figure: Figure
    contender: str
    values: Mapping[int, float]
    errors: int  # requests without a right answer, in all blocks
    against: Comparison | None  # the reference against it; None for the reference itself
    of_limit: float | None  # throughput as a share of the in-process limit of the same block

    @property
    def higher_is_better(self) -> bool:
        """Whether it is a throughput."""
        return self.figure == "texts/s"


@dataclass(frozen=True)
class Table:
    """All rows, and what did not work: (load, contender, reason) with the runs that it cost."""

    rows: tuple[Row, ...]
    failures: Mapping[tuple[str, str, str], int]
    client_cpu_s: float | None  # median of the closed-loop client, a request
    generator_cpu: float | None  # highest share of a core of the open-loop generator
    limit_rps: float | None  # median of the in-process limit in the blocks


def read_table(plan: Plan, directory: Path) -> Table:
    """The table of the runs that are finished."""
    values: dict[tuple[str, Figure, str], Values] = {}
    errors: dict[tuple[str, str], int] = {}
    failures: dict[tuple[str, str, str], int] = {}
    client, generator = [], []
    for path in sorted((directory / "runs").glob("b*/run.json")):
        run = json.loads(path.read_text(encoding="utf-8"))
        load, contender, block = run["scenario"], run["contender"], run["block"]
        if "failed" in run:
            key = (load, contender, run["failed"])
            failures[key] = failures.get(key, 0) + 1
            continue
        figures, wrong = _figures(run, path.parent)
        errors[load, contender] = errors.get((load, contender), 0) + wrong
        for figure, value in figures.items():
            values.setdefault((load, figure, contender), {})[block] = value
        if "client_cpu_s" in run.get("result", {}):
            client.append(run["result"]["client_cpu_s"])
        if "generator" in run:
            generator.append(run["generator"]["generator_cpu"])
    limit = values.get(("direct", "texts/s", LIMIT))
    rows = [
        row
        for load in plan.choices.loads
        for figure in _figures_of(load)
        for row in _rows(plan, load, figure, values, errors)
    ]
    return Table(
        tuple(rows),
        failures,
        median(client) if client else None,
        max(generator) if generator else None,
        median(limit.values()) if limit else None,
    )


def _figures_of(load: str) -> tuple[Figure, ...]:
    return ("p50", "p99") if LOADS[load].connections is None else ("texts/s",)


def _figures(run: Mapping[str, Any], folder: Path) -> tuple[dict[Figure, float], int]:
    """The figures of one run and its number of requests without a right answer."""
    if "result" in run:
        result = run["result"]
        # Without an answer there is no ratio: half a request, as in `analysis/compare.py`.
        return {"texts/s": max(result["rps"], 0.5)}, result.get("errors", 0)
    records = read_records(folder / "records.parquet")
    found = summarize_records(records, run["duration_s"], run["timeout_s"], SLO_S)
    figures: dict[Figure, float] = {"p50": found.p50_s}
    if found.p99_s is not None:
        figures["p99"] = found.p99_s
    return figures, round(found.error_rate * found.n)


def _rows(
    plan: Plan,
    load: str,
    figure: Figure,
    values: Mapping[tuple[str, Figure, str], Values],
    errors: Mapping[tuple[str, str], int],
) -> list[Row]:
    limit = values.get(("direct", "texts/s", LIMIT), {}) if figure == "texts/s" else {}
    found = {LIMIT: limit} if limit else {}
    for contender in plan.contenders:
        if one := values.get((load, figure, contender)):
            found[contender] = one
    blocks = range(1, plan.choices.blocks + 1)
    reference = found.get(plan.reference, {})
    others = [contender for contender in found if contender != plan.reference]
    pairs = {
        Contrast(other, plan.reference): pair(found[other], reference, figure, blocks)
        for other in others
    }
    compared = compare_family(load, _METRIC[figure], pairs, MARGIN)
    against = dict(zip(others, compared, strict=True))
    return [
        Row(
            load,
            figure,
            contender,
            found[contender],
            errors.get((load, contender), 0),
            against.get(contender),
            share(found[contender], limit),
        )
        for contender in found
    ]


def pair(old: Values, new: Values, figure: Figure, blocks: Sequence[int]) -> Pairs:
    """Log-ratios in the blocks that both have; positive is better for `new`."""
    both = [block for block in blocks if block in old and block in new]
    sign = 1 if figure == "texts/s" else -1
    gains = tuple(sign * math.log(new[block] / old[block]) for block in both)
    return Pairs(tuple(both), gains, tuple(block for block in blocks if block not in both))


def share(values: Values, limit: Values) -> float | None:
    """Hodges-Lehmann estimate of value / limit over the blocks that both have."""
    logs = [math.log(values[block] / limit[block]) for block in values if block in limit]
    return math.exp(hodges_lehmann(np.array(logs))) if logs else None
