"""Do the effects of layers simply add up? A sign-flip test of many contrasts at once."""

import numpy as np

from analysis._signedrank import Floats

EXACT_TO = 16  # blocks: 2^15 sign patterns; above that, drawn ones
DRAWS = 9_999


def joint_sign_flip_p(contrasts: Floats, rng: np.random.Generator | None = None) -> float | None:
    """Two-sided p of "every column of `contrasts` (n, k) has mean zero"; None where n or k is 0.

    The statistic is the squared length of the sum over blocks; a block's contrasts change sign
    together, so whatever ties them to each other stays (Pesarin 2001, Multivariate Permutation
    Tests, ch. 6). Exact to n = 16, the smallest possible value is 2/2^n; above, a Monte-Carlo
    value with the observed pattern counted in, from `rng` (seeded with 0 unless given).
    """
    n, k = contrasts.shape
    if n == 0 or k == 0:
        return None
    # Equal lengths reached in another order differ in their last bits: they are ties.
    observed = _length(contrasts.sum(axis=0)[None, :])[0] * (1 - 1e-9)
    if n <= EXACT_TO:
        # The first sign stays: flipping every sign leaves the length as it is.
        sums = contrasts[:1]
        for block in contrasts[1:]:
            sums = np.concatenate([sums + block, sums - block])
        return float(np.mean(_length(sums) >= observed))
    generator = rng or np.random.default_rng(0)
    signs = generator.choice((-1.0, 1.0), size=(DRAWS, n))
    return float((1 + np.sum(_length(signs @ contrasts) >= observed)) / (DRAWS + 1))


def _length(sums: Floats) -> Floats:
    """Squared lengths (m,) of rows (m, k)."""
    lengths: Floats = np.einsum("ij,ij->i", sums, sums)
    return lengths
