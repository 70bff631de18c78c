"""The sign-flip permutation test of paired differences.

Source: Fisher, *The Design of Experiments* (1935), section 21. Under the null hypothesis the
two variants of a block are exchangeable, so each difference may as well have the other sign.
"""

import numpy as np
import numpy.typing as npt

EXACT_TO = 20  # 2^19 sums, 4 MB: above that, drawn flips
DRAWS = 99_999


def sign_flip_p(
    differences: npt.NDArray[np.float64], rng: np.random.Generator | None = None
) -> float | None:
    """Two-sided p of "the mean of `differences` (n,) is zero"; None where n = 0.

    Exact to n = 20: the share of the 2^n sign patterns whose |sum| is at least the observed one;
    the smallest possible value is 2/2^n. Above, a Monte-Carlo value with the observed pattern
    counted in (never zero), from `rng` (seeded with 0 unless given, so that a report repeats).
    """
    n = len(differences)
    if n == 0:
        return None
    # Equal sums reached in another order differ in their last bits: they are ties.
    threshold = abs(float(differences.sum())) - 1e-12 * float(np.abs(differences).sum())
    if n <= EXACT_TO:
        # The first sign stays: flipping every sign leaves |sum| as it is.
        sums = differences[:1]
        for difference in differences[1:]:
            sums = np.concatenate([sums + difference, sums - difference])
        return float(np.mean(np.abs(sums) >= threshold))
    generator = rng or np.random.default_rng(0)
    extreme = 1
    for start in range(0, DRAWS, 10_000):
        signs = generator.choice((-1.0, 1.0), size=(min(10_000, DRAWS - start), n))
        extreme += int(np.sum(np.abs(signs @ differences) >= threshold))
    return extreme / (DRAWS + 1)
