"""What an ablation will be able to find, before it runs.

The rule that is planned for is `analysis.compare.verdict`: the whole exact interval beyond the
margin, and the Holm-corrected sign-flip p at most 5%. The paired log ratios of the blocks are taken
as normal around the effect; `analysis/validation.md` says how well that foretells simulated queues.
"""

import math
from functools import cache

import numpy as np
from scipy import stats

from analysis._signedrank import Floats, signed_rank_cut, walsh_averages
from analysis.compare import ALPHA, blocks_needed
from analysis.simulate import Queue, log_quantiles
from variants._errors import OptbuildError

POWER = 0.8
DRAWS = 2000  # samples: a power of 80% is then known to +-0.9 points
EXACT_TO = 12  # blocks; above, both bounds are taken from Student's t
MOST_BLOCKS = 200
SIMULATED_RUNS = 1000
MOST_REQUESTS = 5000.0  # of a simulated run
CENTRAL = 0.6827  # of a normal distribution lies within one standard deviation


def detectable_effect(
    noise_sd: float, blocks: int, family: int, margin: float, power: float = POWER
) -> float | None:
    """The smallest effect (ratio - 1: 0.14) that `blocks` blocks find with probability `power`.

    `noise_sd` is the standard deviation of the paired log ratios, `family` the number of tests that
    Holm corrects for, `margin` a fraction. None where no data could give a verdict: 2/2^blocks is
    above 5% / family. Holm is counted as Bonferroni, its first step: a little too cautious where
    several layers have an effect.
    """
    bounds = _bounds(blocks, family)
    if bounds is None:
        return None
    return float(np.expm1(np.quantile(_least_effects(noise_sd, bounds, margin), power)))


def power_of(effect: float, noise_sd: float, blocks: int, family: int, margin: float) -> float:
    """The probability of the verdict `improved` where the effect (ratio - 1) is real."""
    bounds = _bounds(blocks, family)
    if bounds is None:
        return 0.0
    return float(np.mean(_least_effects(noise_sd, bounds, margin) < math.log1p(effect)))


def blocks_to_detect(
    effect: float, noise_sd: float, family: int, margin: float, power: float = POWER
) -> int:
    """The fewest blocks that find `effect` (ratio - 1), never below what a verdict needs.

    Raises OptbuildError where that is impossible or takes more than MOST_BLOCKS.
    """
    if effect <= margin:
        raise OptbuildError(
            f"no number of blocks finds an effect of {100 * effect:.3g}%: it lies within the "
            f"margin of {100 * margin:.3g}% (--margin, or what the last A/A showed on p95); ask "
            "for a larger one"
        )

    def finds(blocks: int) -> bool:
        found = detectable_effect(noise_sd, blocks, family, margin, power)
        return found is not None and found <= effect

    if not finds(MOST_BLOCKS):
        raise OptbuildError(
            f"an effect of {100 * effect:.3g}% takes more than {MOST_BLOCKS} blocks at a noise of "
            f"{noise_sd:.1%}: ask for a larger one, give a longer --duration, or quiet the machine "
            "(optbuild doctor)"
        )
    return next(n for n in range(blocks_needed(family), MOST_BLOCKS + 1) if finds(n))


def simulated_noise_sd(
    rng: np.random.Generator, queue: Queue, q: float = 0.95, schedules: Floats | None = None
) -> float:
    """Spread of the paired log ratio of quantile `q` between two equal variants.

    Half the width of the central 68%, a standard deviation if the ratios are normal: their rare
    large values weigh little in ranks and signs. A run of more than MOST_REQUESTS is simulated with
    that many: somewhat too noisy. `schedules`, shape (SIMULATED_RUNS, n), as in `log_quantiles`;
    those are of so many requests already.
    """
    shorter = Queue(**{**vars(queue), "requests": min(queue.requests, MOST_REQUESTS)})
    logs = log_quantiles(rng, shorter, SIMULATED_RUNS, 1, (1.0, 1.0), q, schedules)
    return float(np.quantile(np.abs(logs[:, 0, 0] - logs[:, 0, 1]), CENTRAL))


def _least_effects(noise_sd: float, bounds: tuple[Floats, Floats], margin: float) -> Floats:
    """The least true log effect with which each sample is `improved`, shape (DRAWS,).

    A sample is effect + noise_sd * z, and both lower bounds move with it.
    """
    interval_low, flip_low = bounds
    return np.maximum(math.log1p(margin) - noise_sd * interval_low, -noise_sd * flip_low)


@cache
def _bounds(blocks: int, family: int) -> tuple[Floats, Floats] | None:
    """Lower bounds of DRAWS standard normal samples: of the interval, and of the sign-flip test."""
    level = ALPHA / max(family, 1)
    if 2 / 2**blocks > level or blocks < 2:
        return None
    samples = np.random.default_rng(blocks).standard_normal((DRAWS, blocks))
    if blocks > EXACT_TO:
        error = samples.std(axis=1, ddof=1) / math.sqrt(blocks)
        middle = samples.mean(axis=1)
        # Under normal noise the signed-rank interval is wider by its efficiency, 3/pi
        # (Hodges & Lehmann 1956); the sign-flip test of a mean is close to Student's (Fisher 1935).
        wide = error / math.sqrt(3 / math.pi)
        low = middle - stats.t.ppf(1 - ALPHA / 2, blocks - 1) * wide
        return low, middle - stats.t.ppf(1 - level / 2, blocks - 1) * error
    averages = walsh_averages(samples)
    return averages[:, signed_rank_cut(blocks, 1 - ALPHA)], _sign_flip_low(samples, level)


def _sign_flip_low(samples: Floats, level: float) -> Floats:
    """The lowest centre that the exact two-sided sign-flip test does not reject, (DRAWS,).

    Flipping a subset of x - c raises the sum exactly if the subset's mean is below c (Hartigan
    1969), so the bound is the k-th smallest of the subsets' means with k = level 2^n / 2.
    """
    n = samples.shape[1]
    subsets = (np.arange(1, 2**n)[:, None] >> np.arange(n)) & 1
    weights = (subsets / subsets.sum(axis=1, keepdims=True)).T
    k = int(level * 2**n / 2 * (1 + 1e-12))
    lows = [
        np.partition(part @ weights, k - 1, axis=1)[:, k - 1]
        for part in np.array_split(samples, max(1, DRAWS * 2**n // 2_000_000))
    ]
    return np.concatenate(lows)
