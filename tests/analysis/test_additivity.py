from itertools import product

import numpy as np
import pytest

from analysis._additivity import joint_sign_flip_p
from analysis._permutation import sign_flip_p


def test_it_is_the_share_of_sign_patterns_with_as_long_a_sum() -> None:
    contrasts = np.random.default_rng(0).normal(0.4, 1, (7, 3))
    observed = np.sum(contrasts.sum(axis=0) ** 2)
    longer = [
        np.sum((np.array(signs) @ contrasts) ** 2) >= observed * (1 - 1e-9)
        for signs in product((-1, 1), repeat=7)
    ]
    assert joint_sign_flip_p(contrasts) == np.mean(longer)


def test_one_contrast_is_the_ordinary_sign_flip_test() -> None:
    contrast = np.random.default_rng(1).normal(0.5, 1, 8)
    assert joint_sign_flip_p(contrast[:, None]) == sign_flip_p(contrast)


def test_contrasts_that_cancel_in_their_sum_are_found_all_the_same() -> None:
    noise = np.random.default_rng(2).normal(0, 0.01, (8, 2))
    contrasts = noise + np.array([0.2, -0.2])
    assert joint_sign_flip_p(contrasts) == 2 / 2**8
    assert (sign_flip_p(contrasts.sum(axis=1)) or 0) > 0.05


def test_nothing_there_gives_one_and_no_data_gives_none() -> None:
    assert joint_sign_flip_p(np.zeros((8, 3))) == 1
    assert joint_sign_flip_p(np.empty((0, 3))) is None
    assert joint_sign_flip_p(np.empty((8, 0))) is None


def test_with_many_blocks_patterns_are_drawn() -> None:
    rng = np.random.default_rng(3)
    small = joint_sign_flip_p(rng.normal(1, 0.1, (20, 2)), rng)
    assert small == pytest.approx(1e-4, rel=0.01)
    drawn = joint_sign_flip_p(rng.normal(0.1, 1, (17, 2)))
    assert drawn is not None and 0 < drawn <= 1


def test_it_rejects_a_true_null_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    p_values = [joint_sign_flip_p(rng.normal(0, [0.1, 1, 3], (8, 3))) for _ in range(1000)]
    rejected = sum(p is not None and p <= 0.05 for p in p_values)
    assert rejected <= 70  # 99.8% of Binomial(1000, 5%)
