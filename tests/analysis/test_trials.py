import numpy as np
import pytest
from scipy import stats

from analysis.trials import (
    CUMULATIVE,
    PAIR,
    binomial_limit,
    centre,
    equivalent,
    gains,
    median_half_width,
    rates,
    until_width,
)


def test_gains_are_log_ratios_of_the_contrasts() -> None:
    logs = np.log(np.array([[[4.0, 2.0, 1.0, 1.0, 0.5]]]))
    assert np.exp(gains(logs, CUMULATIVE)[0, :, 0]) == pytest.approx([2, 2, 1, 2, 8])
    assert gains(logs, PAIR).shape == (1, 1, 1)


def test_a_large_effect_is_always_found_and_none_hardly_ever() -> None:
    rng = np.random.default_rng(1)
    noise = 0.05 * rng.standard_normal((150, 2, 8))
    clear = rates(noise + np.array([0.5, 0.0])[:, None], np.array([0.5, 0.0]), 0.03)
    assert (clear.improved, clear.family, clear.test) == (1.0, 1.0, 1.0)
    assert clear.comparison == pytest.approx(0.5, abs=0.05)
    none = rates(noise, np.zeros(2), 0.03)
    assert none.family <= none.test <= binomial_limit(150)
    assert none.coverage > 0.92
    assert rates(noise, np.full(2, 0.5), 0.03).coverage == 0.0


def test_equivalent_is_rare_at_the_margin_and_usual_within_it() -> None:
    noise = np.random.default_rng(4).standard_normal((400, 2, 8))
    edge = np.log1p(0.03)
    for sd in (0.001, 0.004):
        for side in (edge, -edge):
            assert equivalent(side + sd * noise, 0.03) <= binomial_limit(800, 0.025)
    assert (
        equivalent(edge + 0.001 * noise, 0.03) > 0.005
    )  # ... and the test is one: 2% are expected
    assert equivalent(0.001 * noise, 0.03) == 1.0
    assert equivalent(0.001 * noise[:, :, :5], 0.03) == 0.0  # too few blocks


def test_the_binomial_band_is_scipys_interval() -> None:
    assert binomial_limit(1000) == stats.binom.interval(0.99, 1000, 0.05)[1] / 1000
    assert 0.06 < binomial_limit(1000) < 0.075


def test_the_centre_is_that_of_the_population() -> None:
    sample = 0.3 + np.random.default_rng(2).standard_t(3, (400, 1, 10))
    assert centre(sample)[0] == pytest.approx(0.3, abs=0.07)


def test_stopping_by_width_takes_longer_the_narrower_and_keeps_its_bounds() -> None:
    sample = 0.1 * np.random.default_rng(3).standard_normal((60, 1, 24))
    typical = median_half_width(sample, 14)
    wide, middle, tiny = (until_width(sample, w, 0.03) for w in (9.0, typical, 0.001))
    assert (wide.blocks, wide.narrow) == (10.0, 1.0)  # eight, and two more
    assert 12 < middle.blocks < 20
    assert (tiny.blocks, tiny.narrow) == (24.0, 0.0)
    assert middle.coverage > 0.8
