"""What each layer is worth whatever the order: in sentences, and as a table for the terminal."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from analysis import words
from analysis.attribution import Attribution, Share
from analysis.compare import Metric, verdict
from analysis.interactions import pairs_note
from analysis.verdicts import SHOWN, STYLES
from analysis.words import Estimate


def sentences(attributions: Sequence[Attribution], margin: float) -> tuple[str, ...]:
    """For each layer that buys or costs something, then for each pair that does as a pair.

    "batching buys p99 (1.35x faster) under bursty load, and costs p50 (1.13x slower) under steady
    load." "onnx and workers=2 overlap in p95 (1.20x) under steady load." Only what an interval
    carries is claimed: `improved` and `regressed` verdicts that hold when p is corrected over
    all loads, metrics and layers, because these sentences pick; and pairs whose interval is wholly
    beyond the margin (a fraction), with a p of at most 5% after Holm over the pairs of a cell.
    """
    by_layer: dict[str, list[tuple[Attribution, Share]]] = {}
    for one in attributions:
        for share in one.shares:
            by_layer.setdefault(share.layer, []).append((one, share))
    told, same, undecided = [], [], []
    for layer, cells in by_layer.items():
        if claims := _claims(cells):
            told.append(f"{layer} {claims}.")
        elif all(share.verdict == "equivalent" for _, share in cells):
            same.append(layer)
        else:
            undecided.append(layer)
    if same:
        told.append(f"Nothing beyond the margin changes with {words.listed(same)}.")
    if undecided:
        told.append(f"Undecided so far, more blocks may decide: {words.listed(undecided)}.")
    pairs = dict.fromkeys(pair.layers for one in attributions for pair in one.interactions)
    return (*told, *(text for pair in pairs if (text := _pair(pair, attributions, margin))))


def _claims(cells: Sequence[tuple[Attribution, Share]]) -> str:
    """What a layer buys and costs; empty where no verdict says either."""
    parts = []
    for verb, wanted in (("buys", "improved"), ("costs", "regressed")):
        claims = [
            (one.scenario, f"{one.metric} ({words.headline(estimate(share, one.metric))})")
            for one, share in cells
            if (share.picked or share.verdict) == wanted
        ]
        if claims:
            parts.append(f"{verb} {_by_scenario(claims)}")
    return ", and ".join(parts)


def _pair(layers: tuple[str, str], attributions: Sequence[Attribution], margin: float) -> str:
    found = [
        (one, pair) for one in attributions for pair in one.interactions if pair.layers == layers
    ]
    parts = []
    for verb, wanted in (("reinforce each other", "improved"), ("overlap", "regressed")):
        claims = [
            (one.scenario, f"{one.metric} ({words.factor(math.exp(abs(pair.gain)))}x)")
            for one, pair in found
            if pair.gain is not None
            and verdict(pair.interval, pair.p_holm, margin, pair.bound) == wanted
        ]
        if claims:
            parts.append(f"{verb} in {_by_scenario(claims)}")
    return f"{words.listed(layers)} {', and '.join(parts)}." if parts else ""


def _by_scenario(claims: Sequence[tuple[str, str]]) -> str:
    """ "p50 (2.00x faster) and p95 (1.90x faster) under steady load; p50 ... under bursty load"."""
    grouped: dict[str, list[str]] = {}
    for scenario, claim in claims:
        grouped.setdefault(scenario, []).append(claim)
    return "; ".join(
        f"{words.listed(told)} under {scenario} load" for scenario, told in grouped.items()
    )


def _orders(share: Share) -> str:
    """The range over the orders in the direction of the share: "0.90–1.62" of 1.20x slower."""
    gain, low, high = share.gain, share.low_order, share.high_order
    if gain is None or low is None or high is None or share.bound:
        return "–"
    if gain < 0 and words.factor(math.exp(-gain)) != "1.00":
        low, high = -high, -low
    return f"{words.factor(math.exp(low))}–{words.factor(math.exp(high))}"


@dataclass(frozen=True)
class WorthRow:
    """A layer's share in words; or the total, or what is unexplained (`share` is None)."""

    scenario: str
    metric: str
    layer: str
    worth: str  # "1.35x faster (1.20–1.49)"
    orders: str  # over the orders that were measured, on the same scale: "1.10–1.62"
    level: str
    blocks: str
    p: str
    verdict: str
    share: Share | None


def worth_rows(
    attributions: Sequence[Attribution], metrics: Sequence[Metric] = SHOWN
) -> tuple[WorthRow, ...]:
    """By scenario and metric: the layers in the order of the chain, then the total."""
    rows = []
    for one in attributions:
        if one.metric not in metrics:
            continue
        for share in one.shares:
            rows.append(
                WorthRow(
                    scenario=one.scenario,
                    metric=one.metric,
                    layer=share.layer,
                    worth=words.effect(estimate(share, one.metric)),
                    orders=_orders(share),
                    level=words.confidence(share.interval),
                    blocks=str(share.n),
                    p=words.p_value(share.p_holm),
                    verdict=share.verdict,
                    share=share,
                )
            )
        total = Estimate(one.metric, one.total, one.total_interval, one.total_bound)
        rows.append(_sum_row(one, "all layers", total))
        if one.method == "first-in/last-in":
            left = Estimate(one.metric, one.residual, one.residual_interval, one.residual_bound)
            rows.append(_sum_row(one, "unexplained", left, words.p_value(one.residual_p)))
    return tuple(rows)


def estimate(share: Share, metric: Metric) -> Estimate:
    """A share with its metric, for `words`."""
    return Estimate(metric, share.gain, share.interval, share.bound)


def _sum_row(one: Attribution, name: str, sum_: Estimate, p: str = "") -> WorthRow:
    return WorthRow(
        scenario=one.scenario,
        metric=one.metric,
        layer=name,
        worth=words.effect(sum_),
        orders="",
        level=words.confidence(sum_.interval),
        blocks=str(one.shares[0].n),
        p=p,
        verdict="",
        share=None,
    )


def worth_table(attributions: Sequence[Attribution]) -> Table:
    """The shares of at least one attribution as a table for `rich.print`."""
    table = Table(
        title=f"what each layer is worth whatever the order ({attributions[0].method})",
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        caption="\n".join(_notes(attributions)),
        caption_justify="left",
    )
    table.add_column("layer", overflow="fold", max_width=22)
    for name in ("metric", "worth (interval)", "over orders"):
        table.add_column(name, no_wrap=True)
    for name in ("level", "blocks", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    scenario = metric = ""
    for row in worth_rows(attributions):
        if row.scenario != scenario:
            if scenario:
                table.add_row()
            table.add_row(Text(row.scenario, style="bold"))
            scenario, metric = row.scenario, ""
        table.add_row(
            Text(row.layer, style="" if row.share else "bold"),
            "" if row.metric == metric else row.metric,
            row.worth,
            row.orders,
            row.level,
            row.blocks,
            row.p,
            Text(row.verdict, style=STYLES.get(row.verdict, "")),
        )
        metric = row.metric
    return table


def _notes(attributions: Sequence[Attribution]) -> list[str]:
    additive = ", ".join(
        f"{one.scenario} {one.metric} {words.p_value(one.additivity_p)}"
        for one in attributions
        if one.metric in SHOWN
    )
    notes = [
        "over orders: the smallest and the largest worth, depending on what is there before the "
        "layer; p: sign-flip test, Holm over the layers",
        f"p of no interaction, the layers simply multiply: {additive}",
    ]
    if attributions[0].method == "first-in/last-in":
        notes.append(
            "each layer was measured first and last, not in between; unexplained: the total "
            "divided by the worths, 1.00x (which its p tests) if no more than two layers at a time "
            "depend on each other"
        )
    if unseen := pairs_note(attributions):
        notes.append(f"pairs of layers: {unseen}")
    return notes
