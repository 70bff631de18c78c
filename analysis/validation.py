"""Does the method keep its promises? `python -m analysis.validation` simulates and says.

Writes `analysis/validation.md`: false positives of A/A experiments, coverage of the intervals,
power beside what the planner announces, `equivalent` where it is false, and coverage under
`--until-width`.
"""

import argparse
import sys
import zlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np

from analysis import trials
from analysis._signedrank import Floats
from analysis._validation_page import EFFECT, MARGIN, QUIET, Found, Sequential, page
from analysis.files import write_text
from analysis.power import power_of, simulated_noise_sd
from analysis.simulate import Queue, log_quantiles
from analysis.trials import CUMULATIVE, PAIR

BLOCKS = (8, 10)
CAP = 28  # blocks of an experiment that stops by its width
NARROW_AT = 16  # the width asked for is the median one at so many blocks
CAPACITY_REQUESTS = 1600  # what a server at full load would answer in a run: 80/s for 20 s


def grid() -> tuple[Queue, ...]:
    """The settings whose bars are promised, then two that are noisier than a quiet machine."""
    calm = [
        Queue(utilization, cv, requests=CAPACITY_REQUESTS * utilization)
        for utilization in (0.5, 0.7, 0.85)
        for cv in (1.0, 3.0)
    ]
    noisy = [replace(calm[at], start_sd=0.15, spike=0.15) for at in (0, 3)]
    return (*calm, *noisy)


def validate(
    queue: Queue, experiments: int, seed: int
) -> tuple[tuple[Found, ...], tuple[Sequential, ...]]:
    """Everything about one queue; equal arguments give equal results."""
    rng = np.random.default_rng([seed, zlib.crc32(repr(queue).encode())])
    equal = log_quantiles(rng, queue, experiments, CAP, [1.0] * 5)
    speed = speed_for(rng, queue, EFFECT)
    planted = log_quantiles(rng, queue, experiments, max(BLOCKS), [1.0, *[speed] * 4])
    noise_sd = simulated_noise_sd(rng, queue)
    truth = trials.centre(trials.gains(planted, CUMULATIVE))
    found = []
    for blocks in BLOCKS:
        pair = trials.gains(planted[:, :blocks], PAIR)
        same = trials.gains(equal[:, :blocks], CUMULATIVE)
        edge = np.log1p(MARGIN)
        found.append(
            Found(
                queue=queue,
                blocks=blocks,
                equal=trials.rates(same, np.zeros(5), MARGIN),
                planted=trials.rates(trials.gains(planted[:, :blocks], CUMULATIVE), truth, MARGIN),
                announced=power_of(EFFECT, noise_sd, blocks, len(CUMULATIVE), MARGIN),
                pair=trials.rates(pair, truth[:1], MARGIN),
                pair_announced=power_of(EFFECT, noise_sd, blocks, 1, MARGIN),
                at_margin=trials.equivalent(edge + same, MARGIN),
                at_margin_quiet=trials.equivalent(edge + QUIET * same, MARGIN),
                same_quiet=trials.equivalent(QUIET * same, MARGIN),
            )
        )
    return tuple(found), tuple(_sequential(queue, equal, one) for one in (PAIR, CUMULATIVE))


def _sequential(queue: Queue, logs: Floats, contrasts: Sequence[tuple[int, int]]) -> Sequential:
    sample = trials.gains(logs, contrasts)
    width = round(trials.median_half_width(sample, NARROW_AT), 3)
    return Sequential(queue, len(contrasts), width, trials.until_width(sample, width, MARGIN))


def speed_for(rng: np.random.Generator, queue: Queue, effect: float) -> float:
    """How much faster requests must be served for the p95 of a run to gain `effect` (ratio - 1).

    Waiting shrinks with service, so a faster server gains more than its speed. Bisection on the
    same random numbers throughout.
    """
    seed = int(rng.integers(2**32))
    low, high = 1.0, 1.0 + effect
    for _ in range(12):
        middle = (low + high) / 2
        same = np.random.default_rng(seed)
        logs = log_quantiles(same, queue, 2000, 1, (1.0, middle))
        gain = float(trials.centre(trials.gains(logs, PAIR))[0])
        low, high = (middle, high) if gain < np.log1p(effect) else (low, middle)
    return (low + high) / 2


def main(arguments: list[str] | None = None, today: date | None = None) -> int:
    """Parse, simulate, write; 1 if a bar is not met."""
    parser = argparse.ArgumentParser(prog="python -m analysis.validation", description=__doc__)
    parser.add_argument("--experiments", type=int, default=1000, help="simulated per setting")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("validation.md"))
    options = parser.parse_args(arguments)
    if options.experiments < 1 or options.seed < 0:
        parser.error("--experiments must be at least 1 and --seed at least 0")
    found: list[Found] = []
    sequential: list[Sequential] = []
    for queue in grid():
        print(f"simulating {queue}", file=sys.stderr)
        lines, stops = validate(queue, options.experiments, options.seed)
        found += lines
        sequential += stops
    text, met = page(found, sequential, options.seed, today or datetime.now(UTC).date())
    write_text(options.out, text)
    print(text)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
