"""Computes a report's numbers again, from the run directories, without anything of the toolkit.

    python tests/analysis/independent.py DIR [REPORT.json]

numpy, pyarrow and the standard library only, written from the formulas in the report and not from
the code behind it; the shares of layers are in `independent_shares.py`. Prints what differs
(nothing: exit code 0) and how many numbers it compared.
Numbers must agree to 12 significant digits, texts to the last printed character.
"""

import json
import math
import sys
from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from independent_shares import attributions

ALPHA = 0.05


def run_numbers(folder: Path) -> dict[str, Any]:
    """The summary of one run."""
    facts = json.loads((folder / "run.json").read_text())
    table = pq.ParquetFile(folder / "records.parquet").read()
    planned, sent, done = (
        table[name].to_numpy().astype(float) for name in ("planned_s", "sent_s", "done_s")
    )
    outcome = np.array(table["outcome"].to_pylist())
    ok = (outcome == "ok") & ~np.isnan(done)
    timeout_s, limit_s = facts["generator"]["timeout_s"], facts["slo"]["limit_s"]
    latency = done - planned
    floor = max([timeout_s, *latency[ok]])
    latency = np.array([x if good else max(floor, x if x == x else floor)
                        for x, good in zip(latency, ok, strict=True)])  # fmt: skip
    within = int(np.count_nonzero(ok & (latency <= limit_s)))
    n, duration_s = len(latency), facts["duration_s"]
    late = (sent - planned)[~np.isnan(sent)]
    return {
        "n": n,
        "p50_s": np.percentile(latency, 50),
        "p90_s": np.percentile(latency, 90),
        "p95_s": np.percentile(latency, 95),
        "p99_s": np.percentile(latency, 99) if n >= 1000 else None,
        "mean_s": math.fsum(latency) / n,
        "throughput_rps": ok.sum() / max([duration_s, *done[ok]]),
        "goodput_rps": within / duration_s,
        "goodput_fraction": within / n,
        "good": within,
        "error_rate": (n - ok.sum()) / n,
        "lateness_p50_s": np.percentile(late, 50) if len(late) else None,
        "lateness_p99_s": np.percentile(late, 99) if len(late) else None,
        "lateness_max_s": late.max() if len(late) else None,
        "censored": [
            name
            for name, percent in (("p50", 50), ("p90", 90), ("p95", 95), ("p99", 99))
            if (n - 1) * percent > 100 * (int(ok.sum()) - 1)
        ],
        "outcomes": {name: int((outcome == name).sum()) for name in sorted(set(outcome))},
        "block": facts["block"],
        "seed": facts["seed"],
        "schedule_sha256": facts["schedule_sha256"],
        "_margin": facts["plan"]["margin"],
    }


def log_gain(metric: str, old: dict[str, Any], new: dict[str, Any]) -> float | None:
    if metric == "goodput":
        return math.log((new["good"] + 0.5) / (old["good"] + 0.5))
    before, after = old[f"{metric}_s"], new[f"{metric}_s"]
    return None if before is None or after is None else math.log(before) - math.log(after)


def signed_rank(gains: list[float]) -> tuple[float, float, float] | None:
    """(low, high, level): order statistics of the Walsh averages, exact null distribution."""
    n = len(gains)
    if n < 2:
        return None
    walsh = sorted((gains[i] + gains[j]) / 2 for i in range(n) for j in range(i, n))
    counts = {0: 1}  # rank sum -> number of sign patterns, by adding one rank after the other
    for rank in range(1, n + 1):
        for total, count in sorted(counts.items(), reverse=True):
            counts[total + rank] = counts.get(total + rank, 0) + count
    cut, below, tail = 0, Fraction(counts[0], 2**n), Fraction(0)
    for total in range(n * (n + 1) // 2 + 1):
        tail += Fraction(counts.get(total, 0), 2**n)
        if tail > Fraction(25, 1000):
            break
        cut, below = total, tail
    return walsh[cut], walsh[-1 - cut], float(1 - 2 * below)


def sign_flip(gains: list[float]) -> float | None:
    """Exact two-sided p over all sign patterns; None for no data and above 20 (drawn there)."""
    if not gains or len(gains) > 20:
        return None
    patterns = np.array(list(product((1.0, -1.0), repeat=min(len(gains), 12))))
    sums = patterns @ np.array(gains[:12])
    for gain in gains[12:]:
        sums = np.concatenate([sums + gain, sums - gain])
    limit = abs(sum(gains)) - 1e-12 * sum(map(abs, gains))
    return float((np.abs(sums) >= limit).mean())


def holm(values: list[float | None]) -> list[float | None]:
    known = sorted((p, i) for i, p in enumerate(values) if p is not None)
    adjusted: list[float | None] = [None] * len(values)
    for rank, (_, i) in enumerate(known):
        scaled = [min(1.0, (len(known) - k) * known[k][0]) for k in range(rank + 1)]
        adjusted[i] = max(scaled)
    return adjusted


def bound_of(old: Any, new: Any) -> str | None:
    """What is known of a gain, by whether quantiles of a side lie among failures."""
    return ("unknown" if new else "at least") if old else "at most" if new else None


def verdict(
    interval: tuple[float, float, float] | None, p: float | None, margin: float, known: str | None
) -> str:
    bound = math.log(1 + margin)
    if interval is None or p is None:
        return "inconclusive"
    low, high, level = interval
    if low > bound and p <= ALPHA:
        return "improved" if known in (None, "at least") else "inconclusive"
    if high < -bound and p <= ALPHA:
        return "regressed" if known in (None, "at most") else "inconclusive"
    if -bound <= low and high <= bound and level >= 1 - ALPHA and not known:
        return "equivalent"
    return "inconclusive"


def compare(
    metric: str, pairs: dict[int, tuple[Any, Any]], blocks: list[int], margin: float
) -> dict[str, Any]:
    """One comparison, all but what the family decides."""
    gains = {}
    for block in blocks:
        if block in pairs and (gain := log_gain(metric, *pairs[block])) is not None:
            gains[block] = gain
    values = list(gains.values())
    interval = signed_rank(values)
    walsh = [(a + b) / 2 for i, a in enumerate(values) for b in values[i:]]
    gain = float(np.median(walsh)) if walsh else None
    failing = [[b for b in gains if metric in pairs[b][side]["censored"]] for side in (0, 1)]
    return {
        "censored_old": failing[0],
        "censored_new": failing[1],
        "bound": bound_of(*failing),
        "blocks": list(gains),
        "left_out": [block for block in blocks if block not in gains],
        "log_gains": values,
        "n": len(values),
        "better": sum(v > 0 for v in values),
        "worse": sum(v < 0 for v in values),
        "confidence": interval[2] if interval else None,
        "p": sign_flip(values),
        "_gain": gain,
        "_interval": interval,
        "_margin": margin,
        "_metric": metric,
    }


def finish(one: dict[str, Any], p_holm: float | None, family: int) -> dict[str, Any]:
    """What depends on the corrected p, and how it is printed."""
    gain, interval, margin = one["_gain"], one["_interval"], one["_margin"]
    sign = 1 if one["_metric"] == "goodput" else -1
    low, high = interval[:2] if interval else (None, None)
    factor = None if gain is None else math.exp(gain)
    out = {name: value for name, value in one.items() if not name.startswith("_")}
    told = verdict(interval, p_holm, margin, known := one["bound"])
    out |= {"p_holm": p_holm, "family": family, "verdict": told}
    out |= {"gain": factor, "ratio": None if gain is None else math.exp(sign * gain)}
    if interval:
        ends = sorted((math.exp(sign * low), math.exp(sign * high)))
        out |= {"gain_low": math.exp(low), "gain_high": math.exp(high)}
        out |= {"ratio_low": ends[0], "ratio_high": ends[1]}
    bound, logs = math.log(1 + margin), one["log_gains"]
    leaning = None
    if out["verdict"] == "inconclusive" and len(logs) > 1:
        leaning = "better" if min(logs) > bound else "worse" if max(logs) < -bound else None
        if known not in (None, {"better": "at least", "worse": "at most"}.get(str(leaning))):
            leaning = None
    needed = max(8, math.ceil(math.log2(2 * max(family, 1) / ALPHA)))
    out |= {"leaning": leaning, "screening": len(logs) < needed}
    return out | {"printed": printed(out, one["_metric"], gain, interval)}


def three(value: float) -> str:
    """Three significant digits, two decimals at most."""
    for decimals, least in ((2, 0), (1, 9.995), (0, 99.95)):
        if value >= least:
            text = f"{value:.{decimals}f}"
    return text


def printed(out: dict[str, Any], metric: str, gain: float | None, interval: Any) -> dict[str, str]:
    effect, known = "no data", out["bound"]
    if known == "unknown" and gain is not None:
        effect = f"{metric} lies among failures; see goodput"
    elif gain is not None:
        size = three(math.exp(abs(gain)))
        up = gain >= 0
        words = ("more", "less") if metric == "goodput" else ("faster", "slower")
        effect = "1.00x" if size == "1.00" else f"{size}x {words[0] if up else words[1]}"
        if known:
            least = (known == "at least") == (up or size == "1.00")
            effect = f"{'at least' if least else 'at most'} {effect}"
        if interval:
            low, high = interval[:2]
            if not up and three(math.exp(-gain)) != "1.00":
                low, high = -high, -low
            effect += f" ({three(math.exp(low))}–{three(math.exp(high))})"
    p = out["p_holm"]
    moved = out["better"] or out["worse"] or not out["n"] or known
    return {
        "effect": effect,
        "level": f"{100 * interval[2]:.1f}%" if interval else "–",
        "better_in": f"{out['better']}/{out['n']}" if moved else "same",
        "p": "–" if p is None else "<0.001" if p < 0.001 else "1" if p >= 0.9995 else f"{p:.3f}",
    }


def differ(where: str, mine: Any, theirs: Any) -> Iterator[str]:
    if isinstance(mine, dict):
        for name, value in mine.items():
            yield from differ(f"{where}.{name}", value, theirs.get(name))
    elif isinstance(mine, list):
        if len(mine) != len(theirs):
            yield f"{where}: {len(mine)} values, the report has {len(theirs)}"
        for i, (a, b) in enumerate(zip(mine, theirs, strict=False)):
            yield from differ(f"{where}[{i}]", a, b)
    elif isinstance(mine, bool | str) or mine is None or theirs is None:
        if mine != theirs:
            yield f"{where}: {mine!r}, the report says {theirs!r}"
    elif not math.isclose(mine, theirs, rel_tol=1e-12, abs_tol=1e-13):
        yield f"{where}: {mine!r}, the report says {theirs!r}"


def check(directory: Path, report: dict[str, Any]) -> tuple[list[str], int]:
    """What differs between the runs in DIRECTORY and the report, and how much was compared."""
    found, numbers = [], 0
    runs: dict[tuple[str, str], dict[int, Any]] = {}
    listed = {one["id"] for one in report["runs"]}
    warned = " ".join(report["warnings"])
    invalid = {one["id"] for one in report["invalid"]}
    for folder in sorted((directory / "runs").glob("b*")):
        if folder.name not in listed | invalid and folder.name not in warned:
            found.append(f"{folder.name}: neither in the report nor in its warnings")
    for theirs in report["runs"]:
        mine = run_numbers(directory / "runs" / theirs["id"])
        runs.setdefault((theirs["scenario"], theirs["spec"]), {})[mine["block"]] = mine
        margin = mine.pop("_margin")
        numbers += len(mine)
        found += differ(theirs["id"], mine, theirs)
    keys = {(one["scenario"], one["metric"]): None for one in report["comparisons"]}
    for scenario, metric in keys:
        blocks = sorted({b for (s, _), cell in runs.items() if s == scenario for b in cell})
        theirs_of = [one for one in report["comparisons"]
                     if (one["scenario"], one["metric"]) == (scenario, metric)]  # fmt: skip
        mine_of = []
        for theirs in theirs_of:
            old, new = (runs.get((scenario, theirs[side]), {}) for side in ("old", "new"))
            pairs = {b: (old[b], new[b]) for b in old if b in new}
            mine_of.append(compare(metric, pairs, blocks, margin))
        corrected = holm([one["p"] for one in mine_of])
        family = sum(one["p"] is not None for one in mine_of)
        for one, p, theirs in zip(mine_of, corrected, theirs_of, strict=True):
            if one["n"] > 20:
                continue  # p is drawn there, and Holm mixes it with the others
            mine = finish(one, p, family)
            numbers += len(mine)
            found += differ(f"{scenario} {metric} {theirs['new']}", mine, theirs)
    use = {f.__name__: f for f in (bound_of, holm, log_gain, sign_flip, signed_rank, verdict)}
    for where, one, theirs in attributions(report, runs, margin, use):
        numbers += 5 + 11 * len(one["shares"]) + 5 * len(one["interactions"])
        found += differ(where, one, theirs)
    return found, numbers


def main() -> int:
    """Compare and print."""
    directory = Path(sys.argv[1])
    file = Path(sys.argv[2]) if len(sys.argv) > 2 else directory / "report.json"
    found, numbers = check(directory, json.loads(file.read_text()))
    print("\n".join(found))
    print(f"{numbers} figures compared, {len(found)} differ")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
