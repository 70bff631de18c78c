"""What is said of an attribution: no more than its intervals carry."""

import math
from typing import Any

import pytest
from rich.console import Console

from analysis._signedrank import Interval
from analysis.attribution import Attribution, Interaction, Share
from analysis.compare import Metric, Verdict
from analysis.worth import sentences, worth_rows, worth_table


def share(layer: str, factor: float, verdict: Verdict, **changes: Any) -> Share:
    gain = math.log(factor)
    return Share(
        layer=layer,
        gain=gain,
        interval=Interval(gain - 0.01, gain + 0.01, 0.961),
        low_order=gain - 0.1,
        high_order=gain + 0.1,
        p_holm=0.016,
        verdict=verdict,
        n=8,
        **changes,
    )


def together(factor: float, half: float = 0.01, p: float = 0.01) -> Interaction:
    gain = math.log(factor)
    return Interaction(("onnx", "batching"), gain, Interval(gain - half, gain + half, 0.961), p)


def attribution(
    scenario: str, metric: Metric, *shares: Share, pairs: tuple[Interaction, ...] = ()
) -> Attribution:
    total = Interval(0.4, 0.6, 0.961)
    return Attribution(
        scenario, metric, "shapley", shares, pairs, 0.5, total, 0.0, None,
        residual_p=None, additivity_p=0.25, pairs_possible=len(pairs),
    )  # fmt: skip


def test_a_trade_off_names_what_it_buys_and_what_it_costs() -> None:
    told = sentences(
        [
            attribution("steady", "p50", share("batching", 0.88, "regressed")),
            attribution("steady", "p95", share("batching", 1.01, "equivalent")),
            attribution("bursty", "p95", share("batching", 1.2, "improved")),
            attribution("bursty", "p99", share("batching", 1.35, "improved")),
            attribution("bursty", "goodput", share("batching", 1.1, "improved")),
            attribution("spike", "goodput", share("batching", 1.5, "improved")),
        ],
        margin=0.03,
    )
    assert told == (
        "batching buys p95 (1.20x faster), p99 (1.35x faster) and goodput (1.10x more) under "
        "bursty load; goodput (1.50x more) under spike load, and costs p50 (1.14x slower) under "
        "steady load.",
    )


@pytest.mark.parametrize(
    ("verdicts", "told"),
    [
        (("inconclusive", "inconclusive"), "Undecided so far, more blocks may decide: "),
        (("equivalent", "inconclusive"), "Undecided so far, more blocks may decide: "),
        (("equivalent", "equivalent"), "Nothing beyond the margin changes with "),
    ],
)
def test_what_no_interval_carries_is_not_claimed(
    verdicts: tuple[Verdict, Verdict], told: str
) -> None:
    first, second = verdicts
    found = sentences(
        [
            attribution("steady", "p50", share("onnx", 2.0, first), share("threads", 2.0, first)),
            attribution("steady", "p95", share("onnx", 2.0, second), share("threads", 2.0, second)),
        ],
        margin=0.03,
    )
    assert found == (f"{told}onnx and threads.",)


@pytest.mark.parametrize(
    ("pair", "told"),
    [
        (together(1.2), ("onnx and batching reinforce each other in p95 (1.20x) under s load.",)),
        (together(0.8), ("onnx and batching overlap in p95 (1.25x) under s load.",)),
        (together(1.2, half=0.3), ()),  # the interval reaches to the other side
        (together(1.02), ()),  # sure, but within the margin
        (together(1.2, p=0.06), ()),
        (Interaction(("onnx", "batching"), None, None, None), ()),
    ],
)
def test_two_layers_are_told_where_they_are_more_or_less_than_their_sum(
    pair: Interaction, told: tuple[str, ...]
) -> None:
    one = attribution("s", "p95", share("onnx", 1.0, "equivalent"), pairs=(pair,))
    assert sentences([one], margin=0.03)[1:] == told


def test_the_rows_of_the_table() -> None:
    one = attribution("steady", "p95", share("onnx", 2.0, "improved"))
    first, total = worth_rows([one])
    assert (first.layer, first.worth, first.orders) == (
        "onnx",
        "2.00x faster (1.98–2.02)",
        "1.81–2.21",
    )
    assert (first.level, first.blocks, first.p) == ("96.1%", "8", "0.016")
    assert (total.layer, total.worth, total.orders) == (
        "all layers",
        "1.65x faster (1.49–1.82)",
        "",
    )
    assert worth_rows([attribution("steady", "p50", share("onnx", 2.0, "improved"))]) == ()


@pytest.mark.parametrize(
    ("metric", "factor", "worth", "orders"),
    [
        ("p95", 0.5, "2.00x slower (1.98–2.02)", "1.81–2.21"),
        ("p95", 1.001, "1.00x (0.99–1.01)", "0.91–1.11"),
        ("p95", 0.999, "1.00x (0.99–1.01)", "0.90–1.10"),
        ("goodput", 0.95, "1.05x less (1.04–1.06)", "0.95–1.16"),
        ("goodput", 1.5, "1.50x more (1.49–1.52)", "1.36–1.66"),
    ],
)
def test_the_range_is_told_in_the_direction_of_the_worth(
    metric: Metric, factor: float, worth: str, orders: str
) -> None:
    row = worth_rows([attribution("steady", metric, share("onnx", factor, "inconclusive"))])[0]
    assert (row.worth, row.orders) == (worth, orders)


def test_first_in_last_in_shows_what_is_unexplained_and_exact_does_not() -> None:
    exact = attribution("steady", "p95", share("onnx", 2.0, "improved"))
    ends = Attribution(
        **{**vars(exact), "method": "first-in/last-in", "residual": -0.1,
           "residual_interval": Interval(-0.2, 0.0, 0.961), "residual_p": 0.07,
           "pairs_possible": 10}
    )  # fmt: skip
    assert [row.layer for row in worth_rows([exact])] == ["onnx", "all layers"]
    row = worth_rows([ends])[-1]
    assert (row.layer, row.worth, row.p) == ("unexplained", "1.11x slower (1.00–1.22)", "0.070")
    for one, told in ((exact, False), (ends, True)):
        console = Console(width=120, color_system=None)
        with console.capture() as capture:
            console.print(worth_table([one]))
        text = capture.get()
        assert ("unexplained: the total divided by the worths" in " ".join(text.split())) == told
        assert ("pairs of layers: 0 of 10 pairs measured" in " ".join(text.split())) == told
        assert "2.00x faster (1.98–2.02)" in text and one.method in text
        assert "p of no interaction, the layers simply multiply: steady p95 0.250" in text
