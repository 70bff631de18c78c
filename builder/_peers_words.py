"""The table of a comparison of servers in words: Markdown, and JSON for programs."""

import math
from collections.abc import Iterator
from dataclasses import asdict
from statistics import median
from typing import Any

from analysis import words
from analysis.compare import Comparison
from builder._peers_plan import LIMIT, LOADS, Plan
from builder._peers_script import words as settings_words
from builder._peers_table import MARGIN, Row, Table


def markdown(plan: Plan, table: Table) -> str:
    """The whole table, load by load, and what one must know to read it."""
    lines = [
        f"# Servers on the same model, texts and machine ({plan.choices.model or 'bundled'})",
        "",
        f"{plan.choices.blocks} randomized blocks planned. `{plan.reference}`, named before the "
        "first run, against each of the others: the ratio of two runs of a block, above 1 where "
        "it is better, with the exact signed-rank interval (its level in brackets where that is "
        "not 95% or more). The in-process limit is the same session and tokenizer called without "
        f"a server: {plan.limit_way}, the best of {len(plan.limit_probes)} ways before the first "
        f"block. The machine: {plan.machine}.",
    ]
    for load in plan.choices.loads:
        lines += ["", f"## {load}: {_load(plan, table, load)}", ""]
        lines += _section([row for row in table.rows if row.load == load])
        lines += _without(plan, table, load)
    lines += ["", "## Who took part", ""]
    lines += [_settings(plan, peer) for peer in plan.settings]
    lines += [
        f"- {contender}: {words.plural(runs, 'run')} of {load} without a result: {reason}"
        for (load, contender, reason), runs in table.failures.items()
    ]
    if table.client_cpu_s is not None:
        lines += ["", f"The closed-loop client took {1e6 * table.client_cpu_s:.0f} us a request."]
    if table.generator_cpu is not None:
        share = words.percent(table.generator_cpu)
        lines += ["", f"The open-loop generator took at most {share} of a core."]
    return "\n".join(lines) + "\n"


def _settings(plan: Plan, peer: str) -> str:
    earlier = " (found in an earlier comparison)" if peer in plan.taken_over else ""
    packages = ", ".join(plan.requirements[peer])
    best = plan.settings[peer]
    idle = f", when nearly idle {settings_words(best.idle)}" if best.idle != best.busy else ""
    return f"- {peer}: {settings_words(best.busy)}{idle}{earlier}; {packages}"


def _without(plan: Plan, table: Table, load: str) -> Iterator[str]:
    """A row for each that has no result under a load, which says why."""
    reasons = {name: "none of its runs was valid" for name in plan.contenders if name != LIMIT}
    reasons |= {name: why for where, name, why in table.failures if where == load}
    reasons |= plan.absent
    measured = {row.contender for row in table.rows if row.load == load}
    for name, reason in reasons.items():
        if name in measured:
            continue
        said = " ".join(reason.replace("|", "/").split())
        yield f"| {name} | | not measured: {said} | | | | | |"


def _load(plan: Plan, table: Table, load: str) -> str:
    connections = LOADS[load].connections
    if connections is not None:
        return f"closed loop, {connections} connections, one text a request"
    return (
        f"open loop, {LOADS[load].scenario} at {plan.rate_rps(load):g} requests/s for "
        f"{plan.seconds_of(load):g} s{_share_of_limit(plan, table, load)}"
    )


def _share_of_limit(plan: Plan, table: Table, load: str) -> str:
    """The machine need not be as fast in the blocks as when the rate was chosen."""
    if table.limit_rps is None:
        return ""
    return f", {words.percent(plan.rate_rps(load) / table.limit_rps)} of the limit in these blocks"


def _section(rows: list[Row]) -> Iterator[str]:
    yield "| server | figure | median (range) | of the limit | ours is better by | p | n | errors |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in rows:
        of_limit = "" if row.of_limit is None else f"{row.of_limit:.3f}"
        p = "" if row.against is None else words.p_value(row.against.p_holm)
        yield (
            f"| {row.contender} | {row.figure} | {_value(row)} | {of_limit} | "
            f"{_ratio(row.against)} | {p} | {len(row.values)} | {row.errors or ''} |"
        )


def _value(row: Row) -> str:
    show = words.factor if row.higher_is_better else words.duration
    values = list(row.values.values())
    middle = show(median(values))
    return middle if len(values) == 1 else f"{middle} ({show(min(values))} to {show(max(values))})"


def _ratio(against: Comparison | None) -> str:
    """ "1.083 (1.021 to 1.150)"; a dash where there is no pair."""
    if against is None:
        return ""
    if against.gain is None:
        return "–"
    text = f"{math.exp(against.gain):.3f}"
    interval = against.interval
    if interval is None:
        return text
    text += f" ({math.exp(interval.low):.3f} to {math.exp(interval.high):.3f})"
    if interval.confidence < 0.95:
        text += f" [{words.percent(interval.confidence)}]"
    return text


def to_json(plan: Plan, table: Table) -> dict[str, Any]:
    """Everything that is in the Markdown, unrounded."""
    return {
        "format": 1,
        "kind": "peers",
        "plan": asdict(plan),
        "reference": plan.reference,
        "limit": LIMIT,
        "limit_rps": table.limit_rps,
        "margin": MARGIN,
        "rows": [_row(row) for row in table.rows],
        "failures": [
            {"load": load, "contender": contender, "reason": reason, "runs": runs}
            for (load, contender, reason), runs in table.failures.items()
        ],
        "client_cpu_s": table.client_cpu_s,
        "generator_cpu": table.generator_cpu,
    }


def _row(row: Row) -> dict[str, Any]:
    content: dict[str, Any] = {
        "load": row.load,
        "figure": row.figure,
        "contender": row.contender,
        "values": {str(block): value for block, value in row.values.items()},
        "errors": row.errors,
        "of_limit": row.of_limit,
    }
    found = row.against
    if found is not None and found.gain is not None:
        content |= {
            "ratio": math.exp(found.gain),
            "low": math.exp(found.interval.low) if found.interval else None,
            "high": math.exp(found.interval.high) if found.interval else None,
            "confidence": found.interval.confidence if found.interval else None,
            "p_holm": found.p_holm,
            "n": found.n,
            "family": found.family,
            "verdict": found.verdict,
        }
    return content
