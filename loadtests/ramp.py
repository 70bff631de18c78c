"""Load that grows: Poisson, rate(t) = mean * (0.2 + 1.6 t/duration), from 0.2 to 1.8 times it."""

from loadtests._openloop import open_loop
from loadtests._profile import Profile
from loadtests._scenario import Scenario

PROFILE = Profile(
    rate=lambda x: 0.2 + 1.6 * x,
    integral=lambda x: 0.2 * x + 0.8 * x**2,
    peak=1.8,
)

Ramp = open_loop(Scenario("ramp", rate=20.0, options=(), schedule=PROFILE.plan))
