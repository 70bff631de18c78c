import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis._signedrank import Interval
from analysis.compare import (
    Comparison,
    Contrast,
    Pairs,
    blocks_needed,
    compare_family,
    log_gain,
    pair,
    verdict,
)
from analysis.summary import Summary

BASE = Summary(
    n=500,
    p50_s=0.02,
    p90_s=0.04,
    p95_s=0.05,
    p99_s=None,
    mean_s=0.025,
    throughput_rps=25,
    goodput_rps=25,
    goodput_fraction=1,
    good=500,
    error_rate=0,
    outcomes=(("ok", 500),),
    lateness_p50_s=0.0,
    lateness_p99_s=0.0,
    lateness_max_s=0.0,
)
B = math.log1p(0.03)


def p95(*values: float) -> dict[int, Summary]:
    return {i: replace(BASE, p95_s=v) for i, v in enumerate(values, start=1)}


def compare(old: dict[int, Summary], new: dict[int, Summary], metric: str = "p95") -> Comparison:
    pairs = pair(old, new, metric, sorted(old.keys() | new.keys()))  # type: ignore[arg-type]
    (one,) = compare_family("steady", metric, {Contrast("a", "b"): pairs}, 0.03)  # type: ignore[arg-type]
    return one


def test_half_the_latency_is_a_gain_of_two() -> None:
    assert log_gain(BASE, replace(BASE, p95_s=0.025), "p95") == pytest.approx(math.log(2))
    assert log_gain(BASE, replace(BASE, p50_s=0.04), "p50") == pytest.approx(-math.log(2))
    assert log_gain(BASE, BASE, "p99") is None
    both = replace(BASE, p99_s=0.1)
    assert log_gain(both, replace(both, p99_s=0.05), "p99") == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    ("old", "new", "gain"),
    [(0, 0, 1.0), (0, 100, 201.0), (100, 0, 1 / 201), (500, 500, 1.0), (400, 500, 500.5 / 400.5)],
)
def test_goodput_of_zero_has_a_finite_ratio(old: int, new: int, gain: float) -> None:
    found = log_gain(replace(BASE, good=old), replace(BASE, good=new), "goodput")
    assert found == pytest.approx(math.log(gain))


def test_a_block_that_lacks_one_variant_is_left_out_and_said() -> None:
    old, new = p95(0.1, 0.1, 0.1), p95(0.05, 0.05, 0.05)
    del new[2]
    assert pair(old, new, "p95", [1, 2, 3, 4]) == Pairs(
        (1, 3), (math.log(2), math.log(2)), left_out=(2, 4)
    )


@pytest.mark.parametrize(
    ("low", "high", "level", "p", "expected"),
    [
        (B + 1e-9, 0.5, 0.96, 0.05, "improved"),
        (B, 0.5, 0.96, 0.01, "inconclusive"),  # touches the margin
        (0.01, 0.5, 0.96, 0.01, "inconclusive"),  # not zero, but maybe within the margin
        (0.1, 0.5, 0.96, 0.0501, "inconclusive"),  # Holm does not confirm
        (-0.5, -B - 1e-9, 0.96, 0.05, "regressed"),
        (-0.5, -0.1, 0.96, 0.06, "inconclusive"),
        (-B, B, 0.96, 1.0, "equivalent"),
        (0.001, 0.02, 0.96, 0.01, "equivalent"),  # real and too small to matter
        (-0.01, 0.01, 0.9375, 1.0, "inconclusive"),  # five blocks attain too little
        (-0.2, 0.2, 0.96, 1.0, "inconclusive"),
        (-B - 1e-9, 0.0, 0.96, 0.5, "inconclusive"),
    ],
)
def test_verdict_rules(low: float, high: float, level: float, p: float, expected: str) -> None:
    assert verdict(Interval(low, high, level), p, 0.03) == expected


def test_without_an_interval_or_a_test_nothing_is_concluded() -> None:
    assert verdict(None, 0.01, 0.03) == "inconclusive"
    assert verdict(Interval(1, 2, 0.96), None, 0.03) == "inconclusive"


@pytest.mark.parametrize(("n", "level"), [(1, None), (2, 0.5), (3, 0.75), (5, 0.9375)])
def test_few_blocks_lean_but_never_conclude(n: int, level: float | None) -> None:
    one = compare(p95(*[0.1] * n), p95(*np.linspace(0.04, 0.06, n)))
    assert one.verdict == "inconclusive" and one.screening
    assert (one.interval.confidence if one.interval else None) == level
    assert one.leaning == ("better" if n > 1 else None)
    assert (one.better, one.n) == (n, n)


def failing(values: dict[int, Summary], *blocks: int) -> dict[int, Summary]:
    """The same where p95 of these blocks lies among failures."""
    return {
        block: replace(one, censored=("p95",) if block in blocks else ())
        for block, one in values.items()
    }


FAST, SLOW = p95(*[0.05] * 8), p95(*np.linspace(0.1, 0.12, 8))


@pytest.mark.parametrize(
    ("old", "new", "bound", "verdict"),
    [
        (SLOW, failing(SLOW, 3), "at most", "inconclusive"),
        (failing(SLOW, 3), SLOW, "at least", "inconclusive"),
        (failing(SLOW, 3), failing(SLOW, 3), "unknown", "inconclusive"),
        (failing(SLOW, *range(1, 9)), failing(SLOW, *range(1, 9)), "unknown", "inconclusive"),
        (failing(SLOW, 1, 2), FAST, "at least", "improved"),
        (SLOW, failing(FAST, 4), "at most", "inconclusive"),  # may be slower than it seems
        (failing(SLOW, 1), failing(FAST, 2), "unknown", "inconclusive"),
        (FAST, failing(SLOW, 1, 2), "at most", "regressed"),
        (failing(FAST, 4), SLOW, "at least", "inconclusive"),
        (SLOW, SLOW, None, "equivalent"),
    ],
)
def test_a_quantile_among_failures_only_bounds_the_gain(
    old: dict[int, Summary], new: dict[int, Summary], bound: str | None, verdict: str
) -> None:
    one = compare(old, new)
    assert (one.bound, one.verdict) == (bound, verdict)
    assert compare(old, new, "p50").verdict == "equivalent"  # other metrics are as they were


def test_which_blocks_are_among_failures_is_kept() -> None:
    pairs = pair(failing(SLOW, 2, 3), failing(FAST, 3), "p95", range(1, 9))
    assert (pairs.censored_old, pairs.censored_new) == ((2, 3), (3,))


def test_blocks_among_failures_lean_to_one_side_only() -> None:
    old, new = p95(0.1, 0.1), p95(0.05, 0.05)
    assert compare(failing(old, 1), new).leaning == "better"
    assert compare(old, failing(new, 1)).leaning is None
    assert compare(new, failing(old, 1)).leaning == "worse"
    assert compare(failing(new, 1), old).leaning is None


def test_leaning_needs_every_block_beyond_the_margin() -> None:
    assert compare(p95(0.1, 0.1), p95(0.05, 0.098)).leaning is None
    assert compare(p95(0.1, 0.1), p95(0.2, 0.15)).leaning == "worse"


def test_no_pair_at_all() -> None:
    one = compare({1: BASE}, {2: BASE})
    assert (one.n, one.gain, one.interval, one.p, one.verdict) == (
        0, None, None, None, "inconclusive",
    )  # fmt: skip
    assert one.pairs.left_out == (1, 2)


@pytest.mark.parametrize(("family", "blocks"), [(0, 8), (1, 8), (5, 8), (6, 8), (7, 9), (13, 10)])
def test_blocks_needed_lets_the_smallest_p_pass_holm(family: int, blocks: int) -> None:
    assert blocks_needed(family) == blocks
    assert max(family, 1) * 2 / 2**blocks <= 0.05
    assert blocks == 8 or family * 2 / 2 ** (blocks - 1) > 0.05


def test_holm_is_over_the_whole_family() -> None:
    same, better = Pairs(tuple(range(8)), (0.0,) * 8, ()), tuple(0.5 + 0.01 * i for i in range(8))
    contrasts = {Contrast("a", str(i)): same for i in range(3)}
    contrasts[Contrast("a", "b")] = Pairs(tuple(range(8)), better, ())
    contrasts[Contrast("a", "none")] = Pairs((), (), (1,))
    *_, one, none = compare_family("s", "p95", contrasts, 0.03)
    assert one.p == 2 / 256 and one.p_holm == 4 * 2 / 256  # the empty one is no test
    assert one.family == 4 and none.p_holm is None


gains = st.lists(st.floats(0.5, 2).map(lambda x: round(x, 4)), min_size=2, max_size=10)
scales = st.floats(0.1, 10)


@given(gains, gains)
def test_swapping_the_variants_flips_the_sign(one: list[float], two: list[float]) -> None:
    n = min(len(one), len(two))
    a, b = p95(*one[:n]), p95(*two[:n])
    there, back = compare(a, b), compare(b, a)
    assert there.gain is not None and back.gain is not None
    assert there.interval is not None and back.interval is not None
    assert there.gain == pytest.approx(-back.gain, abs=1e-12)
    assert there.interval.low == pytest.approx(-back.interval.high, abs=1e-12)
    assert there.p == back.p
    mirrored = {"improved": "regressed", "regressed": "improved"}
    assert mirrored.get(there.verdict, there.verdict) == back.verdict


@given(gains, scales)
def test_scaling_both_changes_nothing(values: list[float], scale: float) -> None:
    old = [1.1] * len(values)
    plain = compare(p95(*old), p95(*values))
    scaled = compare(p95(*np.multiply(old, scale)), p95(*np.multiply(values, scale)))
    assert plain.gain == pytest.approx(scaled.gain, abs=1e-9)
    assert plain.p == pytest.approx(scaled.p)


@given(gains, st.lists(scales, min_size=10, max_size=10))
def test_an_effect_that_a_whole_block_shares_changes_nothing(
    values: list[float], weather: list[float]
) -> None:
    shared = np.array(weather[: len(values)])
    old = np.linspace(0.9, 1.2, len(values))
    plain = compare(p95(*old), p95(*values))
    moved = compare(p95(*old * shared), p95(*np.array(values) * shared))
    assert plain.gain == pytest.approx(moved.gain, abs=1e-9)
    assert plain.interval is not None and moved.interval is not None
    assert plain.interval.low == pytest.approx(moved.interval.low, abs=1e-9)
