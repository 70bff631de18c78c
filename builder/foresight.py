"""What a plan will be able to find, and from which noise that is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.ablation import steps_of
from analysis.power import blocks_to_detect, detectable_effect, simulated_noise_sd
from analysis.simulate import Queue
from builder.aa_store import Aa

# CV of the gaps of a scenario; one that is not named here has exponential gaps.
CVS = {"bursty": 3.0}
# Without a capacity nobody knows how busy the server will be: neither idle nor at its limit.
ASSUMED_UTILIZATION = 0.7
MOST_UTILIZATION = 0.95  # a queue that is overloaded has no steady state to simulate


@dataclass(frozen=True)
class Foresight:
    """The noise to expect: the standard deviation of paired log ratios of p95 per scenario.

    `margin` is what an A/A showed where there is no effect (a ratio - 1), 0.0 without an A/A.
    """

    noise_sd: Mapping[str, float]
    source: str
    margin: float


def foresee(
    scenarios: Sequence[str],
    rates_rps: Mapping[str, float],
    duration_s: float,
    capacity_rps: float | None,
    aa: Aa | None,
) -> Foresight:
    """From the last A/A where it has the scenario, else from a simulated queue."""
    measured = {name: one.sd for name in scenarios if aa and (one := aa.p95(name))}
    simulated = {
        name: _simulated(name, rates_rps[name], duration_s, capacity_rps)
        for name in scenarios
        if name not in measured
    }
    sources = []
    if aa is not None and measured:
        length = f" with {aa.duration_s:g} s runs" if aa.duration_s != duration_s else ""
        sources.append(f"A/A of {aa.date}{length}")
    if simulated:
        at = "" if capacity_rps else f" at an assumed utilization of {ASSUMED_UTILIZATION:.0%}"
        which = f" for {', '.join(simulated)}" if measured else ""
        sources.append(f"simulated queue{which}{at}; optbuild doctor --aa measures it")
    return Foresight(
        noise_sd={**measured, **simulated},
        source=", ".join(sources),
        margin=aa.margin(scenarios) if aa else 0.0,
    )


def family_of(specs: Sequence[str]) -> int:
    """How many tests Holm corrects for in a cumulative ablation of these variants."""
    return len(steps_of(tuple(specs), {}))


def detectable(
    foresight: Foresight, blocks: int, family: int, margin: float
) -> dict[str, float | None]:
    """The smallest effect on p95 (ratio - 1) that is found under each scenario."""
    return {
        name: detectable_effect(sd, blocks, family, margin)
        for name, sd in foresight.noise_sd.items()
    }


def blocks_for(effect: float, foresight: Foresight, family: int, margin: float) -> int:
    """Blocks that find `effect` under every scenario; OptbuildError where that is too many."""
    return max(blocks_to_detect(effect, sd, family, margin) for sd in foresight.noise_sd.values())


def in_words(effects: Mapping[str, float | None]) -> str:
    """ "detects 14% on p95", or for several scenarios "detects 14% (steady), 31% (bursty)..."."""
    if None in effects.values():
        return "cannot prove any effect: too few blocks for so many tests"
    told = {name: f"{effect:.0%}" for name, effect in effects.items() if effect is not None}
    if len(set(told.values())) == 1:
        return f"detects {next(iter(told.values()))} on p95"
    return f"detects on p95 {', '.join(f'{effect} ({name})' for name, effect in told.items())}"


def _simulated(
    scenario: str, rate_rps: float, duration_s: float, capacity_rps: float | None
) -> float:
    utilization = rate_rps / capacity_rps if capacity_rps else ASSUMED_UTILIZATION
    queue = Queue(
        utilization=min(utilization, MOST_UTILIZATION),
        arrivals_cv=CVS.get(scenario, 1.0),
        requests=rate_rps * duration_s,
    )
    return simulated_noise_sd(np.random.default_rng(0), queue)
