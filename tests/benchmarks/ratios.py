"""Two servers' figures of the same repeats: how many times as much, and how sure that is."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

sys.path[:0] = [str(Path(__file__).parents[2])]

from analysis._signedrank import Interval, hodges_lehmann, signed_rank_interval  # noqa: E402

Figures = Sequence[float] | npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ratio:
    """The Hodges-Lehmann estimate, and the exact signed-rank interval of its logarithm."""

    estimate: float
    log_interval: Interval | None  # None: too few repeats for one
    repeats: int

    def text(self, digits: int) -> str:
        """For a line of a benchmark."""
        text = f"{self.estimate:.{digits}f}"
        if (found := self.log_interval) is None:
            return text
        low, high = math.exp(found.low), math.exp(found.high)
        return (
            f"{text} ({low:.{digits}f} to {high:.{digits}f}, "
            f"{found.confidence:.1%}, {self.repeats} repeats)"
        )


def ratio(over: Figures, under: Figures) -> Ratio:
    """Of paired figures, all above zero."""
    logs = np.log(np.asarray(over) / np.asarray(under))
    return Ratio(math.exp(hodges_lehmann(logs)), signed_rank_interval(logs), len(logs))
