from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from analysis import trials
from analysis.noise import Noise
from analysis.power import detectable_effect, power_of, simulated_noise_sd
from analysis.simulate import Floats, Queue, log_quantiles
from builder.aa_store import Aa
from builder.foresight import Foresight, blocks_for, detectable, family_of, foresee, in_words
from builder.load import draw
from variants._errors import OptbuildError

NOISE = (Noise("steady", "p95", 8, 0.08, 0.02), Noise("bursty", "p95", 8, 0.2, 0.07))
AA = Aa("2026-11-22", "baseline", 8, 20.0, {"steady": 30.0, "bursty": 30.0}, NOISE)
RATES = {"steady": 30.0, "bursty": 30.0, "high_intensity": 54.0}


def poisson(loads: Mapping[str, tuple[float, float]], schedules: int) -> dict[str, Floats]:
    """Stands in for the scenarios' own arrivals: no process, no Locust."""
    rng = np.random.default_rng(1)
    return {
        name: np.cumsum(
            rng.exponential(1 / (rate * time_s), (schedules, int(2 * rate * time_s))), axis=1
        )
        for name, (rate, time_s) in loads.items()
    }


def foreseen(
    *names: str,
    aa: Aa | None = AA,
    duration_s: float = 20.0,
    capacity_rps: float | None = 60.0,
    target: str = "local",
    rates_rps: Mapping[str, float] = RATES,
) -> Foresight:
    rates = {name: rates_rps[name] for name in names}
    return foresee(rates, duration_s, capacity_rps, target, aa, poisson)


def test_an_aa_is_believed() -> None:
    found = foreseen("steady", "bursty")
    assert found.noise_sd == {"steady": 0.08, "bursty": 0.2}
    assert (found.source, found.margin) == ("A/A of 2026-11-22", 0.07)
    assert found.noise_interval["steady"] == NOISE[0].sd_interval()


def test_an_aa_of_other_runs_says_so() -> None:
    found = foreseen("steady", duration_s=5.0)
    assert found.source == "A/A of 2026-11-22 with 20 s runs"
    assert found.margin == 0.02


@pytest.mark.parametrize("rate", [28.0, 33.0])
def test_an_aa_of_about_that_rate_is_believed(rate: float) -> None:
    assert foreseen("steady", rates_rps={"steady": rate}).source == "A/A of 2026-11-22"


@pytest.mark.parametrize(
    ("rate", "target", "why"),
    [
        (60.0, "local", "the A/A of 2026-11-22 had steady at 30/s, not 60/s"),
        (26.0, "local", "the A/A of 2026-11-22 had steady at 30/s, not 26/s"),
        (30.0, "docker", "the A/A of 2026-11-22 was on local, not docker"),
    ],
)
def test_an_aa_of_another_load_or_target_is_not_and_the_plan_says_why(
    rate: float, target: str, why: str
) -> None:
    found = foreseen("steady", rates_rps={"steady": rate}, target=target)
    assert found.source.startswith(f"simulated queue ({why})")
    assert ("doctor --aa" in found.source) == (target == "local"), "an A/A runs on this machine"
    assert (found.margin, found.noise_interval) == (0.0, {})
    assert found.noise_sd != {"steady": 0.08}
    there = replace(AA, target="docker")
    if target == "docker":
        assert foreseen("steady", target=target, aa=there).source == "A/A of 2026-11-22"


def test_what_the_aa_lacks_is_simulated_and_said() -> None:
    found = foreseen("steady", "high_intensity")
    assert found.noise_sd["steady"] == 0.08
    assert (
        "simulated queue for high_intensity (the A/A of 2026-11-22 had no high_intensity)"
        in found.source
    )
    assert set(found.noise_interval) == {"steady"}


def test_without_an_aa_the_queue_is_simulated() -> None:
    found = foreseen(*RATES, aa=None)
    assert found.margin == 0.0
    assert found.source.startswith("simulated queue;") and "assumed" not in found.source
    assert found.noise_sd["high_intensity"] > found.noise_sd["steady"]
    assert found == foreseen(*RATES, aa=None)
    assert (
        foreseen("steady", aa=None, duration_s=200.0).noise_sd["steady"]
        < (found.noise_sd["steady"])
    )
    overloaded = foreseen("steady", aa=None, duration_s=5.0, rates_rps={"steady": 90.0})
    assert 0 < overloaded.noise_sd["steady"] < 5


def test_without_a_capacity_the_utilization_is_assumed_and_said() -> None:
    found = foreseen("steady", aa=None, capacity_rps=None)
    assert "assumed utilization of 70%" in found.source


def test_a_varying_rate_is_noisier_than_its_mean_and_its_announced_power_is_found() -> None:
    """Found: by the verdicts of experiments in which the second variant is 1.08 times as fast."""
    queue, experiments, blocks = Queue(0.5, requests=800.0), 200, 8
    loads = {"ramp": (40.0, 20.0), "diurnal": (40.0, 20.0)}
    drawn = draw(loads, experiments * blocks)
    noise_sd = foresee(
        dict.fromkeys(loads, 40.0), 20.0, 80.0, "local", None, lambda _, count: _first(drawn, count)
    ).noise_sd
    for name, schedules in drawn.items():
        rng = np.random.default_rng(2)
        logs = log_quantiles(rng, queue, experiments, blocks, (1.0, 1.08), schedules=schedules)
        gains = trials.gains(logs, trials.PAIR)
        effect = float(np.expm1(trials.centre(gains)[0]))
        found = trials.rates(gains, np.zeros(1), 0.03).improved
        assert found == pytest.approx(power_of(effect, noise_sd[name], blocks, 1, 0.03), abs=0.15)
        at_the_mean_rate = simulated_noise_sd(rng, queue)
        assert noise_sd[name] > 1.5 * at_the_mean_rate
        assert power_of(effect, at_the_mean_rate, blocks, 1, 0.03) > found + 0.2


def _first(drawn: Mapping[str, Floats], count: int) -> dict[str, Floats]:
    return {name: schedules[:count] for name, schedules in drawn.items()}


def test_a_scenario_that_cannot_be_drawn_is_one_line() -> None:
    with pytest.raises(OptbuildError, match="the arrivals of nonesuch cannot be drawn: Module"):
        draw({"nonesuch": (1.0, 1.0)}, 3)


def test_the_family_of_a_cumulative_ablation() -> None:
    assert [family_of(("a", "b", "c", "d", "e")[:n]) for n in (1, 2, 3, 5)] == [0, 1, 3, 5]


def test_effects_and_blocks_are_the_planners() -> None:
    foresight = Foresight({"steady": 0.08, "bursty": 0.2}, "test", 0.0)
    effects = detectable(foresight, 10, 5, 0.03)
    assert effects["bursty"] == detectable_effect(0.2, 10, 5, 0.03)
    blocks = blocks_for(0.25, foresight, 5, 0.03)
    found = detectable(foresight, blocks, 5, 0.03)
    assert all(effect is not None and effect <= 0.25 for effect in found.values())


@pytest.mark.parametrize(
    ("noise_sd", "interval", "words"),
    [
        ({"steady": 0.08}, {}, "detects 14% on p95"),
        ({"steady": 0.08}, {"steady": (0.05, 0.15)}, "detects 14% (10 to 24%) on p95"),
        ({"steady": 0.08, "bursty": 0.0801}, {}, "detects 14% on p95"),
        (
            {"steady": 0.08, "bursty": 0.2},
            {"steady": (0.05, 0.15)},
            "detects on p95 14% (steady, 10 to 24%), 32% (bursty)",
        ),
    ],
)
def test_words(
    noise_sd: dict[str, float], interval: dict[str, tuple[float, float]], words: str
) -> None:
    foresight = Foresight(noise_sd, "test", 0.0, interval)
    assert in_words(foresight, 8, 1, 0.03) == words
    assert in_words(foresight, 3, 1, 0.03).startswith("cannot prove any effect: too few blocks")


def test_the_range_of_an_aa_of_8_blocks_holds_its_own_effect_and_is_wide() -> None:
    found = foreseen("steady")
    low, high = (detectable_effect(sd, 8, 1, 0.03) or 0 for sd in found.noise_interval["steady"])
    effect = detectable(found, 8, 1, 0.03)["steady"] or 0
    assert low < effect < high and high > 2 * low
