"""Arrivals whose rate varies: the profiles of ramp, spike and diurnal, and the bursts of bursty."""

import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from loadtests._bursts import bursts
from loadtests._law import distance, largest_distance
from loadtests._profile import Profile
from loadtests._scenario import Scenario, Settings
from loadtests._schedule import Schedule
from variants._errors import OptbuildError

SCENARIOS = Path(__file__).parents[2] / "loadtests"
SHAPES = ["ramp", "spike", "diurnal"]


@pytest.fixture
def profile(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Profile:
    """That of a locustfile, which is not to make this process a Locust."""
    bridge = types.ModuleType("loadtests._openloop")
    bridge.open_loop = lambda scenario: scenario  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "loadtests._openloop", bridge)
    path = SCENARIOS / f"{request.param}.py"
    spec = importlib.util.spec_from_file_location(f"a_{request.param}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    scenario = getattr(module, request.param.title())
    assert isinstance(scenario, Scenario)
    assert (scenario.name, scenario.options) == (request.param, ())
    found: Profile = module.PROFILE
    return found


def settings(rate: float = 30.0, duration_s: float = 40.0, seed: int = 1) -> Settings:
    return Settings(rate, 1.0, duration_s, seed, 10.0, None, None)


def fits(schedule: Schedule) -> bool:
    """By the time-rescaling theorem."""
    law = schedule.law
    assert law is not None
    gaps = np.diff(law.expected(schedule.planned_s))
    return distance(gaps, 1, law, 0.0) < largest_distance(len(gaps))


@pytest.mark.parametrize("profile", SHAPES, indirect=True)
def test_a_profile_is_what_its_integral_and_peak_say(profile: Profile) -> None:
    x = (np.arange(100_000) + 0.5) / 100_000
    rate = profile.rate(x)
    assert rate.mean() == pytest.approx(1, abs=1e-6)
    assert rate.min() > 0
    assert rate.max() <= profile.peak <= rate.max() * 1.001
    np.testing.assert_allclose(np.cumsum(rate) / 100_000, profile.integral(x + 5e-6), atol=1e-4)


@pytest.mark.parametrize("profile", SHAPES, indirect=True)
def test_arrivals_follow_the_profile(profile: Profile) -> None:
    counts = np.array([len(profile.plan(settings(seed=seed), 5)) for seed in range(200)])
    assert counts.mean() == pytest.approx(1200, abs=4 * np.sqrt(1200 / 200))
    assert counts.var() == pytest.approx(1200, rel=0.5), "a Poisson count"
    assert all(fits(profile.plan(settings(seed=seed), 5)) for seed in range(20))


@pytest.mark.parametrize("profile", SHAPES, indirect=True)
def test_another_rate_stretches_a_profile(profile: Profile) -> None:
    one, other = profile.plan(settings(30, 40), 5), profile.plan(settings(60, 20), 5)
    np.testing.assert_allclose(one.planned_s, other.planned_s * 2, rtol=1e-9)
    np.testing.assert_array_equal(one.payload, other.payload)
    assert (one.planned_s >= 0).all()
    assert (np.diff(one.planned_s) >= 0).all()
    assert one.planned_s[-1] < 40
    assert one.sha256 != profile.plan(settings(30, 40, seed=2), 5).sha256


def test_thinning_against_the_wrong_profile_is_noticed() -> None:
    flat = Profile(rate=lambda x: np.ones_like(x), integral=lambda x: x, peak=1.0)
    slope = Profile(rate=lambda x: 2 * x, integral=lambda x: x**2, peak=2.0)
    schedule = slope.plan(settings(), 5)
    assert fits(schedule)
    assert not fits(Schedule(schedule.planned_s, schedule.payload, flat.plan(settings(), 5).law))


@pytest.mark.parametrize("cv", [2.0, 3.0, 5.0])
def test_bursts_have_the_rate_and_the_dispersion_of_gaps_of_that_cv(cv: float) -> None:
    counts = np.array([len(bursts(50.0, cv, 100.0, seed, 5)) for seed in range(400)])
    assert counts.mean() == pytest.approx(5000, abs=4 * cv * np.sqrt(5000 / 400))
    assert counts.var() / counts.mean() == pytest.approx(cv**2, rel=0.35)


def test_bursts_are_poisson_arrivals_at_the_rate_of_the_moment() -> None:
    assert all(fits(bursts(50.0, 3.0, 60.0, seed, 5)) for seed in range(20))


def test_a_shorter_burst_schedule_is_a_prefix_and_another_rate_stretches_it() -> None:
    long, short = bursts(20.0, 3.0, 600.0, 4, 9), bursts(20.0, 3.0, 200.0, 4, 9)
    np.testing.assert_array_equal(long.planned_s[: len(short)], short.planned_s)
    np.testing.assert_array_equal(long.payload[: len(short)], short.payload)
    fast = bursts(40.0, 3.0, 300.0, 4, 9)
    np.testing.assert_allclose(long.planned_s, fast.planned_s * 2, rtol=1e-9)
    assert (np.diff(long.planned_s) >= 0).all()


def test_bursts_need_a_cv_above_one() -> None:
    with pytest.raises(OptbuildError, match="give --cv more than 1, got 1"):
        bursts(20.0, 1.0, 60.0, 1, 5)
