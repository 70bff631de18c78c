import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from loadtests._schedule import Schedule, renewal
from variants._errors import OptbuildError

RATES = st.floats(0.1, 200)
CVS = st.sampled_from([0.1, 0.5, 1.0, 2.0, 3.0, 8.0])
DURATIONS = st.floats(0.01, 30)
SEEDS = st.integers(0, 2**63)


def gaps(schedule: Schedule) -> np.ndarray:
    return np.diff(schedule.planned_s)


@pytest.mark.parametrize("cv", [0.2, 1.0, 3.0])
@pytest.mark.parametrize("rate", [5.0, 300.0])
def test_rate_and_cv_are_those_asked_for(rate: float, cv: float) -> None:
    schedule = renewal(rate, cv, 60_000 / rate, 7, 10)
    # The standard error of a renewal count is about cv * sqrt(count).
    assert len(schedule) == pytest.approx(60_000, abs=4 * cv * math.sqrt(60_000))
    assert gaps(schedule).std() / gaps(schedule).mean() == pytest.approx(cv, rel=0.05)


@pytest.mark.parametrize(
    ("cv", "distribution"),
    [(1.0, stats.expon()), (3.0, stats.gamma(1 / 9, scale=9)), (0.5, stats.gamma(4, scale=1 / 4))],
)
def test_gaps_follow_the_declared_distribution(cv: float, distribution: Any) -> None:
    unit_gaps = gaps(renewal(50.0, cv, 200.0, 3, 1)) * 50
    # Among times of thousands of gaps, a double cannot tell gaps below a millionth of one.
    seen = unit_gaps[unit_gaps > 1e-6]
    below = distribution.cdf(1e-6)
    assert len(seen) / len(unit_gaps) == pytest.approx(1 - below, abs=0.02)
    conditional = stats.kstest(seen, lambda gap: (distribution.cdf(gap) - below) / (1 - below))
    assert conditional.pvalue > 0.01


@pytest.mark.parametrize("cv", [0.3, 1.0, 3.0])
def test_a_short_schedule_is_not_biased(cv: float) -> None:
    """An ordinary renewal process of CV 3 would hold (9 - 1) / 2 = 4 arrivals too many."""
    counts = [len(renewal(20.0, cv, 5.0, seed, 1)) for seed in range(3000)]
    error = np.std(counts) / math.sqrt(len(counts))
    assert np.mean(counts) == pytest.approx(100, abs=4 * error)
    assert np.std(counts) == pytest.approx(cv * 10, rel=0.25), "the count is random"


def test_arrivals_are_as_likely_at_any_time() -> None:
    times = np.concatenate([renewal(2.0, 3.0, 1.0, seed, 1).planned_s for seed in range(4000)])
    first, last = (times < 0.1).sum(), (times >= 0.9).sum()
    assert first / last == pytest.approx(1, abs=0.25)


@given(RATES, CVS, DURATIONS, SEEDS, st.integers(1, 1000))
@settings(deadline=None)
def test_a_schedule_is_in_order_and_in_range(
    rate: float, cv: float, duration_s: float, seed: int, texts: int
) -> None:
    schedule = renewal(rate, cv, duration_s, seed, texts)
    assert schedule.planned_s.dtype == np.float64
    assert schedule.payload.dtype == np.int32
    assert len(schedule.payload) == len(schedule.planned_s) == len(schedule)
    assert (gaps(schedule) >= 0).all()
    assert ((schedule.planned_s >= 0) & (schedule.planned_s < duration_s)).all()
    assert ((schedule.payload >= 0) & (schedule.payload < texts)).all()


@given(RATES, CVS, DURATIONS, st.floats(0.05, 1), SEEDS)
@settings(deadline=None)
def test_a_shorter_schedule_is_a_prefix(
    rate: float, cv: float, duration_s: float, part: float, seed: int
) -> None:
    long, short = (renewal(rate, cv, duration_s * p, seed, 50) for p in (1, part))
    count = len(short)
    np.testing.assert_array_equal(long.planned_s[:count], short.planned_s)
    np.testing.assert_array_equal(long.payload[:count], short.payload)
    assert (long.planned_s[count:] >= duration_s * part).all()


@given(CVS, SEEDS, st.sampled_from([2.0, 4.0, 0.5]))
@settings(deadline=None)
def test_another_rate_stretches_the_same_arrivals(cv: float, seed: int, factor: float) -> None:
    one, other = renewal(20.0, cv, 8.0, seed, 9), renewal(20.0 * factor, cv, 8.0 / factor, seed, 9)
    np.testing.assert_allclose(one.planned_s, other.planned_s * factor, rtol=1e-12)
    np.testing.assert_array_equal(one.payload, other.payload)


@given(CVS, SEEDS)
@settings(deadline=None)
def test_equal_seeds_and_only_they_give_equal_hashes(cv: float, seed: int) -> None:
    first = renewal(50.0, cv, 4.0, seed, 100)
    again = renewal(50.0, cv, 4.0, seed, 100)
    other = renewal(50.0, cv, 4.0, seed + 1, 100)
    assert first.sha256 == again.sha256
    assume(len(first) or len(other))  # two bursts may both lie beyond the end
    assert first.sha256 != other.sha256


def test_the_hash_sees_times_and_texts() -> None:
    schedule = renewal(50.0, 1.0, 4.0, 1, 100)
    later = Schedule(schedule.planned_s + 1e-9, schedule.payload)
    others = Schedule(schedule.planned_s, schedule.payload[::-1].copy())
    assert len({schedule.sha256, later.sha256, others.sha256}) == 3


def test_a_published_schedule_stays_what_it_was() -> None:
    """A change here makes old and new runs incomparable: raise load.json's format with it."""
    assert renewal(20.0, 3.0, 60.0, 1, 842).sha256[:16] == "2bc02bbcfcfda813"


def test_every_text_is_used_about_equally() -> None:
    counts = np.bincount(renewal(100.0, 1.0, 200.0, 5, 20).payload, minlength=20)
    assert stats.chisquare(counts).pvalue > 0.001


def test_a_large_schedule_comes_quickly_and_whole() -> None:
    assert len(renewal(100_000.0, 1.0, 20.0, 1, 10)) == pytest.approx(2_000_000, rel=0.01)


GOOD = {"rate": 20.0, "cv": 1.0, "duration_s": 5.0, "seed": 1, "texts": 3}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rate": 0.0}, "rate must be more than 0"),
        ({"rate": -3.0}, "rate must be more than 0"),
        ({"rate": math.nan}, "rate must be more than 0"),
        ({"rate": math.inf}, "rate must be more than 0"),
        ({"cv": 0.0}, "between 0.01 and 100"),
        ({"cv": -1.0}, "between 0.01 and 100"),
        ({"cv": math.nan}, "between 0.01 and 100"),
        ({"cv": 1e9}, "between 0.01 and 100"),
        ({"duration_s": 0.0}, "duration must be more than 0"),
        ({"duration_s": -1.0}, "duration must be more than 0"),
        ({"duration_s": math.nan}, "duration must be more than 0"),
        ({"duration_s": math.inf}, "duration must be more than 0"),
        ({"rate": 1e6, "duration_s": 1e6}, "lower the rate or the duration"),
        ({"rate": 1e300, "duration_s": 1e300}, "lower the rate or the duration"),
        ({"seed": -1}, "seed must be"),
        ({"texts": 0}, "no text to send"),
    ],
)
def test_what_cannot_be_meant_is_one_line(change: dict[str, float], words: str) -> None:
    with pytest.raises(OptbuildError, match=words) as raised:
        renewal(**{**GOOD, **change})  # type: ignore[arg-type]
    assert "\n" not in str(raised.value)


def test_a_schedule_may_be_empty() -> None:
    assert len(renewal(0.001, 1.0, 0.001, 1, 5)) == 0
