import math
from dataclasses import replace

import pytest

from analysis import words
from analysis._signedrank import Interval
from analysis.compare import Bound, Comparison, Pairs


def comparison(
    gain: float | None, low: float = 0, high: float = 0, metric: str = "p95", n: int = 8
) -> Comparison:
    interval = None if low == high == 0 else Interval(math.log(low), math.log(high), 0.9609375)
    log_gain = None if gain is None else math.log(gain)
    gains = () if log_gain is None else (log_gain,) * n
    return Comparison(
        scenario="steady",
        metric=metric,  # type: ignore[arg-type]
        old="a",
        new="b",
        pairs=Pairs(tuple(range(len(gains))), gains, ()),
        gain=log_gain,
        interval=interval,
        p=0.01,
        p_holm=0.04,
        family=5,
        margin=0.03,
        verdict="inconclusive",
    )


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (comparison(2.306, 1.904, 2.797), "2.31x faster (1.90–2.80)"),
        (comparison(0.8, 0.7, 0.9), "1.25x slower (1.11–1.43)"),
        (comparison(1.05, 0.97, 1.12), "1.05x faster (0.97–1.12)"),
        (comparison(0.95, 0.9, 1.02), "1.05x slower (0.98–1.11)"),
        (comparison(1.002, 0.98, 1.02), "1.00x (0.98–1.02)"),
        (comparison(0.998, 0.98, 1.02), "1.00x (0.98–1.02)"),
        (comparison(19.94, 9.996, 151.2), "19.9x faster (10.0–151)"),
        (comparison(1.42, 1.2, 1.7, "goodput"), "1.42x more (1.20–1.70)"),
        (comparison(0.5, 0.4, 0.625, "goodput"), "2.00x less (1.60–2.50)"),
        (comparison(2.0), "2.00x faster"),
        (comparison(None), "no data"),
    ],
)
def test_effect(one: Comparison, text: str) -> None:
    assert words.effect(one) == text


@pytest.mark.parametrize(
    ("one", "bound", "text"),
    [
        (comparison(2.306, 1.904, 2.797), "at least", "at least 2.31x faster (1.90–2.80)"),
        (comparison(0.8, 0.7, 0.9), "at least", "at most 1.25x slower (1.11–1.43)"),
        (comparison(0.8, 0.7, 0.9), "at most", "at least 1.25x slower (1.11–1.43)"),
        (comparison(2.306, 1.904, 2.797), "at most", "at most 2.31x faster (1.90–2.80)"),
        (comparison(0.998, 0.98, 1.02), "at most", "at most 1.00x (0.98–1.02)"),
        (comparison(1.0, 1.0, 1.0001), "unknown", "p95 lies among failures; see goodput"),
        (comparison(None), "unknown", "no data"),
    ],
)
def test_an_effect_of_quantiles_among_failures_is_a_bound(
    one: Comparison, bound: Bound, text: str
) -> None:
    assert words.effect(replace(one, bound=bound)) == text


def test_blocks_among_failures_are_not_called_the_same() -> None:
    assert words.better_in(replace(comparison(1.0, n=3), bound="unknown")) == "0/3"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.00421, "4.21 ms"),
        (0.038, "38.0 ms"),
        (0.25, "250 ms"),
        (0.99949, "999 ms"),
        (0.9996, "1.00 s"),
        (12.5, "12.5 s"),
        (None, "–"),
    ],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(1, "100.0%"), (0.9997, ">99.9%"), (0.5, "50.0%"), (0.0002, "<0.1%"), (0, "0.0%")],
)
def test_a_share_is_never_rounded_to_all_or_nothing(share: float, text: str) -> None:
    assert words.percent(share) == text


@pytest.mark.parametrize(
    ("p", "text"), [(0.0390625, "0.039"), (0.0002, "<0.001"), (1.0, "1"), (None, "–")]
)
def test_p_value(p: float | None, text: str) -> None:
    assert words.p_value(p) == text


def test_verdict_marks_what_leans() -> None:
    assert words.verdict(comparison(2.0, 1.5, 2.5, n=3)) == "inconclusive ↑"
    assert words.verdict(comparison(0.5, 0.4, 0.6, n=3)) == "inconclusive ↓"
    assert words.verdict(comparison(1.01, 0.9, 1.1, n=3)) == "inconclusive"
    assert words.better_in(comparison(2.0, n=3)) == "3/3"
    assert words.better_in(comparison(1.0, n=3)) == "same"


def test_listing() -> None:
    assert words.listed(["a"]) == "a"
    assert words.listed(["a", "b", "c"]) == "a, b and c"
    assert words.plural(1, "block") == "1 block" and words.plural(0, "block") == "0 blocks"
    assert words.block_list((2,)) == "block 2" and words.block_list((2, 5)) == "blocks 2, 5"
