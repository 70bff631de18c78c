import numpy as np
import pytest

from analysis._permutation import sign_flip_p
from analysis._stepdown import step_down_p, step_down_p_by_block
from analysis.trials import binomial_limit


def test_one_cell_is_fisher_s_test() -> None:
    rng = np.random.default_rng(1)
    for blocks in (1, 2, 5, 8, 12):
        gains = rng.normal(0.5, 1.0, (1, blocks))
        assert step_down_p(gains)[0] == pytest.approx(sign_flip_p(gains[0]), abs=1e-12)


def test_many_clear_cells_need_no_more_blocks_than_one() -> None:
    gains = np.random.default_rng(2).normal(1.0, 0.1, (45, 8))
    assert step_down_p(gains) == pytest.approx(np.full(45, 2 / 2**8))


def test_a_worked_example() -> None:
    # t = 6/sqrt(14) = 1.60 and 2/sqrt(6) = 0.82; the four patterns of the three blocks give
    # cell 0 |6|, |4|, |2|, |0| over sqrt(14) and cell 1 |2|, |0|, |4|, |2| over sqrt(6):
    # the larger is 1.60, 1.07, 1.63, 0.82, so cell 0 has 2/4; cell 1 alone has 3/4.
    gains = np.array([[3.0, 1.0, 2.0], [2.0, 1.0, -1.0]])
    assert step_down_p(gains) == pytest.approx([0.5, 0.75])


def test_signs_scales_and_empty_cells() -> None:
    gains = np.random.default_rng(3).normal(0.3, 1.0, (4, 9))
    p = step_down_p(gains)
    assert step_down_p(-gains) == pytest.approx(p)
    assert step_down_p(gains * [[1], [10], [0.1], [7]]) == pytest.approx(p)
    padded = np.vstack([gains, np.full(9, np.nan), np.zeros(9)])
    assert step_down_p(padded) == pytest.approx([*p, 1.0, 1.0])
    assert step_down_p(np.empty((0, 0))).shape == (0,)


@pytest.mark.parametrize("blocks", [8, 10, 16])
@pytest.mark.parametrize("skewed", [False, True])
def test_cells_of_equal_variants_are_rejected_as_rarely_as_one_test(
    blocks: int, skewed: bool
) -> None:
    """Five equal variants under nine loads and metrics: the steps share them, as in a report."""
    rng = np.random.default_rng(blocks)
    experiments = 150 if blocks > 14 else 600
    wrong = 0
    for _ in range(experiments):
        noise = rng.normal(0, 1.0, (9, 5, blocks)) + rng.normal(0, 1.0, (1, 5, blocks))
        runs = np.exp(noise) if skewed else noise
        steps = np.diff(runs, axis=1).reshape(-1, blocks)
        totals = runs[:, -1] - runs[:, 0]
        wrong += bool((step_down_p(np.vstack([steps, totals])) <= 0.05).any())
    assert wrong <= binomial_limit(experiments) * experiments


def test_cells_that_lack_blocks_are_flipped_with_the_same_blocks() -> None:
    whole = {block: 0.1 + 0.01 * block for block in range(1, 9)}
    part = {block: -0.2 + 0.03 * block for block in (8, 5, 3, 2, 1)}
    gains = [[cell.get(block, np.nan) for block in range(1, 9)] for cell in (whole, part)]
    assert step_down_p_by_block([whole, part]) == step_down_p(np.array(gains)).tolist()
    assert step_down_p_by_block([]) == []
