"""When each request is sent and which text it carries: fixed before the first one leaves.

Arrivals form a stationary renewal process: independent gaps of mean 1/rate, exponential for CV 1,
gamma of shape 1/CV^2 otherwise. The first arrival comes after a forward recurrence time, a gap
picked in proportion to its length times a uniform (Cox, Renewal Theory, 1962, section 5.4), so that
the expected number of arrivals is exactly rate * duration for every CV.

Gaps of mean 1 and texts come from two independent streams of the seed and are drawn in whole
chunks. Therefore a shorter schedule is a prefix of a longer one, and another rate stretches the
same arrivals.
"""

import hashlib
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loadtests._law import Floats, Law, constant
from variants._errors import OptbuildError

MAX_ARRIVALS = 20_000_000  # 640 MB of columns; a larger test is a typing mistake
_CHUNK = 4096


@dataclass(frozen=True)
class Schedule:
    """n planned requests: `planned_s` ascending from the origin, `payload` index of the text."""

    planned_s: Floats
    payload: npt.NDArray[np.int32]
    law: Law | None = None  # that the times were drawn from; None: they were given

    def __len__(self) -> int:
        return len(self.planned_s)

    @property
    def sha256(self) -> str:
        """Digest of times and payloads; equal digests mean the same load."""
        digest = hashlib.sha256(np.ascontiguousarray(self.planned_s, "<f8").data)
        digest.update(np.ascontiguousarray(self.payload, "<i4").data)
        return digest.hexdigest()


def renewal(rate: float, cv: float, duration_s: float, seed: int, texts: int) -> Schedule:
    """Arrivals in [0, duration_s) at `rate` per second whose gaps have coefficient of variation cv.

    `texts` is how many texts there are to choose from, each equally likely.
    Raises OptbuildError for values that no load test can mean.
    """
    check(rate, cv, duration_s, seed, texts)
    gap_rng, payload_rng = streams(seed)
    planned_s = _arrivals(gap_rng, rate, cv, duration_s)
    return Schedule(planned_s, payloads(payload_rng, len(planned_s), texts), constant(rate, cv))


def streams(seed: int) -> tuple[np.random.Generator, np.random.Generator]:
    """Independent generators for the times and for the texts."""
    times, texts = np.random.SeedSequence(seed).spawn(2)
    return np.random.default_rng(times), np.random.default_rng(texts)


def check(rate: float, cv: float, duration_s: float, seed: int, texts: int) -> None:
    """Raise a one-line OptbuildError for the first value that is out of range."""
    if not (math.isfinite(rate) and rate > 0):
        raise OptbuildError(f"the rate must be more than 0 requests a second, got {rate:g}")
    if not 0.01 <= cv <= 100:
        raise OptbuildError(f"the CV of the gaps must lie between 0.01 and 100, got {cv:g}")
    if not (math.isfinite(duration_s) and duration_s > 0):
        raise OptbuildError(f"the duration must be more than 0 seconds, got {duration_s:g}")
    if rate * duration_s > MAX_ARRIVALS:
        raise OptbuildError(
            f"{rate:g} requests/s for {duration_s:g} s are more than {MAX_ARRIVALS:,} requests: "
            "lower the rate or the duration"
        )
    if seed < 0:
        raise OptbuildError(f"the seed must be 0 or a positive whole number, got {seed}")
    if texts < 1:
        raise OptbuildError("there is no text to send: give at least one")


def _arrivals(rng: np.random.Generator, rate: float, cv: float, duration_s: float) -> Floats:
    shape = 1 / cv**2
    # Length-biased gamma(k) is gamma(k + 1); one draw before the gaps keeps the prefix property.
    clock = rng.gamma(shape + 1) / shape * rng.random()
    end = duration_s * rate  # the clock ticks in mean gaps
    chunks = [np.array([clock])]
    while clock < end:
        gaps = rng.exponential(size=_CHUNK) if cv == 1 else rng.gamma(shape, 1 / shape, _CHUNK)
        chunks.append(clock + np.cumsum(gaps))
        clock = float(chunks[-1][-1])
    planned_s = np.concatenate(chunks)
    planned_s /= rate
    return planned_s[: np.searchsorted(planned_s, duration_s)]


def payloads(rng: np.random.Generator, count: int, texts: int) -> npt.NDArray[np.int32]:
    """`count` indices of texts, each equally likely; fewer of them are a prefix of more."""
    chunks = [rng.integers(texts, size=_CHUNK).astype(np.int32) for _ in range(-(-count // _CHUNK))]
    return np.concatenate([np.empty(0, dtype=np.int32), *chunks])[:count]
