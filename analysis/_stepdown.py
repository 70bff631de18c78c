"""Step-down maxT: one correction over cells that share their blocks.

Source: Westfall and Young, *Resampling-Based Multiple Testing* (1993), algorithm 2.8 with 4.1, with
the sign flips of Fisher's test as its permutations. All cells of a block are flipped together, so
that whatever ties them (one server, one noisy minute, a shared variant) is the same in every
pattern. Holm over as many cells could decide nothing with the blocks that one can afford; this is
judged by the largest statistic that luck alone brings, and costs no block more than one test.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

EXACT_TO = 14  # blocks: 8,192 patterns; above that, as many drawn ones
TIE = 1e-9  # equal statistics that were reached in another order

Floats = npt.NDArray[np.float64]


def step_down_p_by_block(cells: Sequence[Mapping[int, float]]) -> list[float]:
    """`step_down_p` of cells that are given as the gain of each of their blocks."""
    blocks = sorted(set().union(*cells))
    gains = [[cell.get(block, np.nan) for block in blocks] for cell in cells]
    corrected = step_down_p(np.array(gains).reshape(len(cells), len(blocks)))
    return [float(p) for p in corrected]


def step_down_p(gains: Floats) -> Floats:
    """Two-sided p of "the mean of this cell is zero", corrected over all cells.

    `gains` has shape (cells, blocks); a block that a cell lacks is NaN. Returns shape (cells,).
    The statistic of a cell is |sum| / sqrt(sum of squares), which grows with Student's t; its
    denominator is the same under every pattern. A cell without a gain at all gets 1.
    """
    known = np.nan_to_num(gains)
    scale = np.sqrt((known**2).sum(axis=1, keepdims=True))
    scaled = np.divide(known, scale, out=np.zeros_like(known), where=scale > 0)
    observed = np.abs(scaled.sum(axis=1))
    flipped = np.abs(_patterns(gains.shape[1]) @ scaled.T)  # (patterns, cells)
    corrected = np.ones(len(gains))
    highest = 0.0
    order = np.argsort(-observed, kind="stable")
    # The largest of the cells that are not rejected yet, for each pattern and each rank.
    remaining = np.maximum.accumulate(flipped[:, order[::-1]], axis=1)[:, ::-1]
    for rank, cell in enumerate(order):
        if observed[cell] > 0:
            share = float(np.mean(remaining[:, rank] >= observed[cell] - TIE))
            highest = max(highest, share)
            corrected[cell] = highest
    return corrected


def _patterns(blocks: int) -> Floats:
    """Signs (patterns, blocks), the observed pattern first; a pattern and its negative are one."""
    if blocks <= EXACT_TO:
        count = 2 ** max(blocks - 1, 0)
        bits = (np.arange(count)[:, None] >> np.arange(blocks)) & 1
        return np.where(bits, -1.0, 1.0)
    drawn: Floats = np.random.default_rng(0).choice((-1.0, 1.0), size=(2 ** (EXACT_TO - 1), blocks))
    drawn[0] = 1.0
    return drawn
