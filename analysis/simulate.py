"""A served model as a queue: what a run of a given length would measure, many runs at a time.

Used to validate the statistics (`analysis.validation`) and to foresee the noise of a plan
(`analysis.power`). Arrivals are a stationary renewal process (gamma gaps, Cox, *Renewal Theory*,
1962, section 5.4) or schedules that are given, service times are lognormal, the discipline is first
come first served. All variants of a block replay the same arrivals with service times of their
own. Beside that luck, servers differ from start to start: each run has a speed of its own.

Times are in units of the mean service time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LANES = 2_000_000  # requests simulated at once: 16 MB an array


@dataclass(frozen=True)
class Queue:
    """One scenario on one server.

    `utilization` is offered work per server, below 1 for a queue that is stable; `requests` the
    expected number in a run. `start_sd` is the standard deviation of the log of a run's speed.
    With probability `spike` a run is slowed by the factor `SPIKE`: a neighbour takes the CPU.
    """

    utilization: float
    arrivals_cv: float = 1.0
    requests: float = 800.0
    service_cv: float = 0.3
    servers: int = 1
    start_sd: float = 0.05
    spike: float = 0.0


SPIKE = 1.5


def log_quantiles(
    rng: np.random.Generator,
    queue: Queue,
    experiments: int,
    blocks: int,
    speeds: Sequence[float],
    q: float = 0.95,
    schedules: Floats | None = None,
) -> Floats:
    """The log of each run's latency quantile, shape (experiments, blocks, len(speeds)).

    `speeds` has one entry per variant: 1.2 serves each request in 1/1.2 of the time. `schedules`,
    shape (experiments * blocks, n), are replayed if given: ascending times in lengths of a run,
    1 or more where no request is left. The queue's `arrivals_cv` then says nothing.
    """
    runs = experiments * blocks
    chunk = max(1, int(LANES / (queue.requests + 1)))
    found = []
    for start in range(0, runs, chunk):
        some = min(chunk, runs - start)
        arrivals = (
            arrival_times(rng, queue, some)
            if schedules is None
            else _none_empty(np.minimum(schedules[start : start + some], 1) * window(queue), queue)
        )
        found.append(_chunk(rng, queue, arrivals, speeds, q))
    return np.concatenate(found).reshape(experiments, blocks, len(speeds))


def _chunk(
    rng: np.random.Generator, queue: Queue, arrivals: Floats, speeds: Sequence[float], q: float
) -> Floats:
    runs = len(arrivals)
    sent = arrivals < window(queue)
    logs = np.empty((runs, len(speeds)))
    for at, speed in enumerate(speeds):
        slowness = np.exp(queue.start_sd * rng.standard_normal((runs, 1))) / speed
        slowness = slowness * np.where(rng.random((runs, 1)) < queue.spike, SPIKE, 1.0)
        services = slowness * service_times(rng, queue.service_cv, arrivals.shape)
        latency = np.where(sent, latencies(arrivals, services, queue.servers), np.inf)
        logs[:, at] = np.log(row_quantiles(latency, q))
    return logs


def window(queue: Queue) -> float:
    """Length of a run."""
    return queue.requests / (queue.utilization * queue.servers)


def arrival_times(rng: np.random.Generator, queue: Queue, runs: int) -> Floats:
    """Arrivals of `runs` schedules, ascending, shape (runs, n); each goes on beyond the window."""
    shape = 1 / queue.arrivals_cv**2
    mean_gap = 1 / (queue.utilization * queue.servers)
    # Length-biased gamma(k) is gamma(k + 1): the gap that the origin falls into.
    clock = (rng.gamma(shape + 1, size=(runs, 1)) / shape) * rng.random((runs, 1)) * mean_gap
    parts = [clock]
    spread = queue.arrivals_cv * np.sqrt(queue.requests)
    many = int(queue.requests + 4 * spread) + 10
    while float(clock.min()) < window(queue):
        gaps = rng.gamma(shape, mean_gap / shape, (runs, many))
        parts.append(clock + np.cumsum(gaps, axis=1))
        clock = parts[-1][:, -1:]
        many = int(2 * spread) + 10
    arrivals = np.concatenate(parts, axis=1)
    last = int((arrivals < window(queue)).sum(axis=1).max())
    return _none_empty(arrivals[:, : max(last, 1)], queue)


def _none_empty(arrivals: Floats, queue: Queue) -> Floats:
    """A window without an arrival is no run: its first one, a little late, stands for it."""
    arrivals[:, 0] = np.minimum(arrivals[:, 0], np.nextafter(window(queue), 0))
    return arrivals


def service_times(rng: np.random.Generator, cv: float, shape: tuple[int, ...]) -> Floats:
    """Lognormal with mean 1 and coefficient of variation `cv`; all 1 for `cv` = 0."""
    variance = float(np.log1p(cv**2))
    times: Floats = np.exp(variance**0.5 * rng.standard_normal(shape) - variance / 2)
    return times


def latencies(arrivals: Floats, services: Floats, servers: int = 1) -> Floats:
    """Wait plus service of each request, first come first served, idle at first.

    All arrays have shape (runs, n); arrivals ascend along the last axis.
    """
    if servers == 1:
        return _lindley(arrivals, services) + services
    return _kiefer_wolfowitz(arrivals, services, servers) + services


def _lindley(arrivals: Floats, services: Floats) -> Floats:
    """Waits of one server (Lindley 1952): a walk's height above its lowest point so far."""
    steps = np.zeros_like(services)
    steps[:, 1:] = services[:, :-1] - np.diff(arrivals, axis=1)
    walk = np.cumsum(steps, axis=1)
    waits: Floats = walk - np.minimum.accumulate(walk, axis=1)
    return waits


def _kiefer_wolfowitz(arrivals: Floats, services: Floats, servers: int) -> Floats:
    """Waits of several servers (Kiefer & Wolfowitz 1955): who is free first takes the next."""
    free_at = np.full((len(arrivals), servers), -np.inf)
    waits = np.empty_like(services)
    runs = np.arange(len(arrivals))
    for at in range(arrivals.shape[1]):
        first = free_at.argmin(axis=1)
        begins = np.maximum(arrivals[:, at], free_at[runs, first])
        waits[:, at] = begins - arrivals[:, at]
        free_at[runs, first] = begins + services[:, at]
    return waits


def row_quantiles(values: Floats, q: float) -> Floats:
    """Quantile `q` of the finite values of each row, (runs, n) -> (runs,); at least one a row.

    Linear between order statistics (Hyndman & Fan 1996, type 7), as runs are summarized.
    """
    counts = np.isfinite(values).sum(axis=1)
    ordered = np.sort(values, axis=1)
    place = (counts - 1) * q
    below = np.floor(place).astype(np.intp)
    above = np.minimum(below + 1, counts - 1)
    rows = np.arange(len(values))
    low, high = ordered[rows, below], ordered[rows, above]
    quantiles: Floats = low + (place - below) * (high - low)
    return quantiles
