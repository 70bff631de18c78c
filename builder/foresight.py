"""What a plan will be able to find, and from which noise that is known."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from analysis.ablation import steps_of
from analysis.power import (
    MOST_REQUESTS,
    SIMULATED_RUNS,
    blocks_to_detect,
    detectable_effect,
    simulated_noise_sd,
)
from analysis.simulate import Queue
from builder.aa_store import Aa
from builder.load import draw

# Without a capacity nobody knows how busy the server will be: neither idle nor at its limit.
ASSUMED_UTILIZATION = 0.7
MOST_UTILIZATION = 0.95  # a queue that is overloaded on average tells of its overload only
SAME_RATE = 0.1  # an A/A at a rate that is further off is of another queue

Draw = Callable[[Mapping[str, tuple[float, float]], int], Mapping[str, npt.NDArray[np.float64]]]


@dataclass(frozen=True)
class Foresight:
    """The noise to expect: the standard deviation of paired log ratios of p95 per scenario.

    `noise_interval` is where it may lie, for the scenarios that an A/A measured. `margin` is what
    that A/A showed where there is no effect (a ratio - 1), 0.0 without one.
    """

    noise_sd: Mapping[str, float]
    source: str
    margin: float
    noise_interval: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def foresee(
    rates_rps: Mapping[str, float],
    duration_s: float,
    capacity_rps: float | None,
    target: str,
    aa: Aa | None,
    draw: Draw = draw,
) -> Foresight:
    """From the last A/A for the scenarios that it loaded like this, else from a simulated queue.

    `rates_rps` holds the scenarios; `draw` gives their schedules.
    """
    misfits = {name: _misfit(aa, name, rate, target) for name, rate in rates_rps.items() if aa}
    measured = {
        name: one
        for name in rates_rps
        if aa and not misfits[name] and (one := aa.p95(name)) is not None
    }
    lacking = {name: rate for name, rate in rates_rps.items() if name not in measured}
    sources = []
    if aa is not None and measured:
        length = f" with {aa.duration_s:g} s runs" if aa.duration_s != duration_s else ""
        sources.append(f"A/A of {aa.date}{length}")
    if lacking:
        at = "" if capacity_rps else f" at an assumed utilization of {ASSUMED_UTILIZATION:.0%}"
        which = f" for {', '.join(lacking)}" if measured else ""
        why = "; ".join(dict.fromkeys(misfits[name] for name in lacking if aa))
        sources.append(f"simulated queue{which}{at}{f' ({why})' if why else ''}")
        if target == "local":
            sources[-1] += "; optbuild doctor --aa measures it"
    return Foresight(
        noise_sd={
            **{name: one.sd for name, one in measured.items()},
            **_simulated(lacking, duration_s, capacity_rps, draw),
        },
        source=", ".join(sources),
        margin=aa.margin(tuple(measured)) if aa else 0.0,
        noise_interval={name: one.sd_interval() for name, one in measured.items()},
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


def in_words(foresight: Foresight, blocks: int, family: int, margin: float) -> str:
    """ "detects 14% (11 to 22%) on p95": from the noise, and from both ends of its interval.

    For several scenarios "detects on p95 14% (steady, 11 to 22%), 31% (bursty)".
    """
    effects = detectable(foresight, blocks, family, margin)
    if None in effects.values():
        return "cannot prove any effect: too few blocks for so many tests"
    found = {name: (f"{effect:.0%}", "") for name, effect in effects.items() if effect is not None}
    for name, ends in foresight.noise_interval.items():
        low, high = (detectable_effect(sd, blocks, family, margin) or 0.0 for sd in ends)
        found[name] = (found[name][0], f"{100 * low:.0f} to {high:.0%}")
    if len(set(found.values())) == 1:
        effect_told, span = next(iter(found.values()))
        return f"detects {effect_told}{f' ({span})' if span else ''} on p95"
    told = [
        f"{effect} ({name}{f', {span}' if span else ''})" for name, (effect, span) in found.items()
    ]
    return f"detects on p95 {', '.join(told)}"


def blocks_for(effect: float, foresight: Foresight, family: int, margin: float) -> int:
    """Blocks that find `effect` under every scenario; OptbuildError where that is too many.

    From the point estimate of the noise: the upper end of its interval would ask for more.
    """
    return max(blocks_to_detect(effect, sd, family, margin) for sd in foresight.noise_sd.values())


def _misfit(aa: Aa, scenario: str, rate_rps: float, target: str) -> str:
    """Why an A/A says nothing of the noise under this load; empty where it does."""
    if aa.target != target:
        return f"the A/A of {aa.date} was on {aa.target}, not {target}"
    if aa.p95(scenario) is None:
        return f"the A/A of {aa.date} had no {scenario}"
    measured = aa.rates_rps.get(scenario, 0.0)
    if abs(measured - rate_rps) > SAME_RATE * rate_rps:
        return f"the A/A of {aa.date} had {scenario} at {measured:g}/s, not {rate_rps:g}/s"
    return ""


def _simulated(
    rates_rps: Mapping[str, float], duration_s: float, capacity_rps: float | None, draw: Draw
) -> dict[str, float]:
    """The noise of queues that get the scenarios' own schedules."""
    if not rates_rps:
        return {}
    lengths_s = {name: min(duration_s, MOST_REQUESTS / rate) for name, rate in rates_rps.items()}
    drawn = draw(
        {name: (rate, lengths_s[name]) for name, rate in rates_rps.items()}, SIMULATED_RUNS
    )
    found = {}
    for name, rate_rps in rates_rps.items():
        utilization = rate_rps / capacity_rps if capacity_rps else ASSUMED_UTILIZATION
        queue = Queue(
            utilization=min(utilization, MOST_UTILIZATION), requests=rate_rps * lengths_s[name]
        )
        rng = np.random.default_rng(0)
        found[name] = simulated_noise_sd(rng, queue, schedules=drawn[name])
    return found
