"""Where each number of the report comes from, and how to get at the rows oneself."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """One kind of number: the file and columns it is made of, and its formula."""

    number: str
    file: str
    formula: str


_RUN: Sequence[Source] = (
    Source(
        "p50, p90, p95, p99, mean of a run",
        "runs/ID/records.parquet: planned_s, done_s, outcome",
        "latency = done_s - planned_s. Where outcome is not ok: the largest of that, "
        "generator.timeout_s of run.json, and the slowest ok answer. Then numpy.quantile.",
    ),
    Source(
        "goodput of a run",
        "the same, and slo.limit_s, duration_s of run.json",
        "rows that are ok with latency <= limit_s; divided by duration_s for requests/s, "
        "by the number of rows for the share within the SLO.",
    ),
    Source(
        "completed, errors",
        "the same",
        "ok rows / max(duration_s, last done_s of an ok row); 1 - ok rows / rows.",
    ),
)

SOURCES: Sequence[Source] = (
    *_RUN,
    Source(
        "effect of a step",
        "the runs of both variants of each block",
        "gain = log(old / new) of a latency, log((new + 1/2) / (old + 1/2)) of the counts behind "
        "goodput. Effect: exp of the median of the means of all pairs i <= j of gains "
        "(Hodges-Lehmann).",
    ),
    Source(
        "interval and level",
        "the same gains",
        "the k-th smallest and k-th largest of those means, k the largest with "
        "2 P(W+ < k) <= 5% of the exact signed-rank distribution; the level is 1 - 2 P(W+ < k).",
    ),
    Source(
        "p (Holm)",
        "the same gains",
        "the share of all 2^n sign patterns with |sum| >= the observed one; sorted, the i-th "
        "smallest of m times m - i + 1, made monotone, at most 1.",
    ),
    Source(
        "verdict",
        "interval, p, plan.margin of run.json",
        "improved or regressed: the interval beyond log(1 + margin) and p <= 5%; equivalent: "
        "inside it at a level of 95% or more; else inconclusive. If (rows - 1) q > ok rows - 1, "
        "quantile q lies among failures: improved then needs that of no new run, regressed of no "
        "old run, equivalent of neither.",
    ),
    Source(
        "badge of a step",
        "p and interval of its p50, p95 and goodput under each load",
        "the verdict rule, p corrected by step-down maxT over all steps, loads and these metrics "
        "together. Worth it: some improved, none regressed; costs: the reverse; trade-off: both; "
        "no difference: all equivalent.",
    ),
    Source(
        "percentile curves",
        "records.parquet of all blocks",
        "quantiles of each run at 1 - 1/10^(k/20), then the median over blocks.",
    ),
)

_SHARES: Sequence[Source] = (
    Source(
        "worth in any order",
        "the gains of each variant over the baseline, blocks with every variant",
        "per block the mean of a layer's gains over all orders in which the layers can be added; "
        "where not every subset was measured, of its earliest and its latest addition. Effect, "
        "interval and p of these as of a step, Holm over the layers.",
    ),
    Source(
        "layers that work together",
        "the same gains",
        "per block v(S + both) - v(S + one) - v(S + other) + v(S), v the gain over the baseline, "
        "averaged over the orders in which the two stand side by side, or over the S that were "
        "measured; then as of a step, Holm over the pairs.",
    ),
    Source(
        "left over",
        "the same gains",
        "per block the total less the sum of the layers' worths; interval and p as of a step, not "
        "corrected.",
    ),
    Source(
        "p of no interaction",
        "the same gains",
        "the share of sign patterns, one sign a block, with a sum of squared column sums >= the "
        "observed one; a column for each pair that works together, and, where not every subset was "
        "measured, for each layer's latest addition less its earliest.",
    ),
)

_SWEEP: Sequence[Source] = (
    Source(
        "interval of the highest rate",
        "sweep.role, sweep.candidate, rate of sweep/runs/ID/run.json; choices.repeats of "
        "sweep/plan.json",
        "from: the rate at which every run of a lower candidate met the objective; to: at which "
        "every run of an upper one missed it. Candidates 0, 1, 2... take n, n + 2, n + 3... runs; "
        "each bound is wrong with a probability of at most the sum of 2^-runs over six candidates.",
    ),
    Source(
        "highest rate",
        "all runs of the variant",
        "share of runs that met the objective at each rate, made falling (isotonic regression "
        "weighted with the runs); where it crosses 1/2 on the logarithm of the rate, not beyond "
        "the interval.",
    ),
    Source(
        "knee",
        "the same",
        "the rate with the largest completed / mean, median over the runs at a rate; from three "
        "rates on.",
    ),
)


def sources(steps: bool, shares: bool, sweep: bool) -> tuple[Source, ...]:
    """What a page with these parts is made of."""
    return (
        *(SOURCES if steps else _RUN),
        *(_SHARES if shares else ()),
        *(_SWEEP if sweep else ()),
    )


def of_sweep(cell: str) -> str:
    """The lines for a notebook, for a directory that holds a sweep alone."""
    return cell.replace("DIR/runs/", "DIR/sweep/runs/").replace('"DIR/runs"', '"DIR/sweep/runs"')


PANDAS = """\
import pandas as pd, pathlib
rows = pd.concat({p.parent.name: pd.read_parquet(p) for p in pathlib.Path("DIR/runs").glob("b*/records.parquet")}, names=["run"])
(rows.done_s - rows.planned_s).where(rows.outcome == "ok", float("inf")).groupby("run").quantile(0.95)
"""  # noqa: E501  three lines, as promised

DUCKDB = """\
import duckdb
latency = "case outcome when 'ok' then done_s - planned_s else 'inf' end"
duckdb.sql(f"select filename, quantile_cont({latency}, 0.95) p95_s from read_parquet('DIR/runs/b*/records.parquet', filename=true) group by filename order by filename")
"""  # noqa: E501  three lines, as promised
