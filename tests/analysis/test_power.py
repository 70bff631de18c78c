import itertools
import math

import numpy as np
import pytest

from analysis import power
from analysis._permutation import sign_flip_p
from analysis._signedrank import signed_rank_interval
from analysis.compare import verdict
from analysis.power import (
    blocks_to_detect,
    detectable_effect,
    power_of,
    simulated_noise_sd,
)
from analysis.simulate import Queue
from variants._errors import OptbuildError


@pytest.mark.parametrize(("blocks", "family"), [(8, 1), (8, 5), (10, 5), (14, 3)])
def test_what_is_announced_is_found_four_times_in_five(blocks: int, family: int) -> None:
    """The verdict rule itself, on fresh normal samples, against the planner's shortcut."""
    effect = detectable_effect(0.1, blocks, family, 0.03)
    assert effect is not None
    rng = np.random.default_rng(99)
    samples = math.log1p(effect) + 0.1 * rng.standard_normal((600, blocks))
    found = [
        verdict(signed_rank_interval(one), min(1.0, family * (sign_flip_p(one) or 0)), 0.03)
        for one in samples
    ]
    assert found.count("improved") / 600 == pytest.approx(0.8, abs=3 * math.sqrt(0.16 / 600))


@pytest.mark.parametrize(
    ("blocks", "family", "possible"),
    [(1, 1, False), (5, 1, False), (6, 1, True), (7, 3, True), (7, 5, False), (8, 5, True)],
)
def test_too_few_blocks_find_nothing_however_large(
    blocks: int, family: int, possible: bool
) -> None:
    assert (detectable_effect(0.1, blocks, family, 0.03) is not None) == possible
    assert (power_of(100.0, 0.1, blocks, family, 0.03) > 0.99) == possible


def test_bounds_hold_exactly_the_centres_that_the_sign_flip_test_does_not_reject() -> None:
    samples = np.random.default_rng(5).standard_normal((20, 8))
    for level, sample in itertools.product((0.05, 0.01), samples):
        (bound,) = power._sign_flip_low(sample[None], level)
        above, below = sign_flip_p(sample - (bound + 1e-9)), sign_flip_p(sample - (bound - 1e-9))
        assert above is not None and below is not None
        assert below <= level < above


def test_students_t_takes_over_without_a_step() -> None:
    exact = [detectable_effect(0.1, n, 3, 0.03) or 0 for n in (11, 12)]
    students = [detectable_effect(0.1, n, 3, 0.03) or 0 for n in (13, 14)]
    assert exact[0] > exact[1] > students[0] > students[1] > 0.9 * exact[1]


def test_without_noise_only_the_margin_is_in_the_way() -> None:
    assert detectable_effect(0.0, 8, 1, 0.03) == pytest.approx(0.03)


def test_more_blocks_less_noise_and_smaller_families_find_smaller_effects() -> None:
    base = detectable_effect(0.1, 10, 5, 0.03)
    assert base is not None
    for noise, blocks, family in ((0.1, 16, 5), (0.05, 10, 5), (0.1, 10, 1)):
        assert (detectable_effect(noise, blocks, family, 0.03) or 9) < base


@pytest.mark.parametrize(("effect", "noise", "family"), [(0.2, 0.1, 5), (0.1, 0.05, 1)])
def test_the_blocks_are_the_fewest_that_find_it(effect: float, noise: float, family: int) -> None:
    blocks = blocks_to_detect(effect, noise, family, 0.03)
    assert blocks >= 8
    assert (detectable_effect(noise, blocks, family, 0.03) or 9) <= effect
    if blocks > 8:
        assert (detectable_effect(noise, blocks - 1, family, 0.03) or 9) > effect


def test_what_cannot_be_found_is_refused() -> None:
    with pytest.raises(OptbuildError, match="within the margin"):
        blocks_to_detect(0.03, 0.01, 1, 0.03)
    with pytest.raises(OptbuildError, match="more than 200 blocks"):
        blocks_to_detect(0.04, 0.5, 5, 0.03)


def test_simulated_noise_grows_with_load_and_shrinks_with_requests() -> None:
    def noise(queue: Queue) -> float:
        return simulated_noise_sd(np.random.default_rng(1), queue)

    calm = noise(Queue(0.5, requests=400))
    assert noise(Queue(0.85, requests=400)) > 1.5 * calm
    assert noise(Queue(0.5, requests=2000)) < calm
    assert 0.05 < calm < 0.4
