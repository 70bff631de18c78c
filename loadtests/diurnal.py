"""A day in a run: Poisson, rate(t) = mean * (1 - 0.8 cos(2 pi t/duration)).

It begins and ends at night, at 0.2 times the mean; at noon, in the middle, it is 1.8 times it.
"""

import numpy as np

from loadtests._openloop import open_loop
from loadtests._profile import Profile
from loadtests._scenario import Scenario

PROFILE = Profile(
    rate=lambda x: 1 - 0.8 * np.cos(2 * np.pi * x),
    integral=lambda x: x - 0.8 * np.sin(2 * np.pi * x) / (2 * np.pi),
    peak=1.8,
)

Diurnal = open_loop(Scenario("diurnal", rate=20.0, options=(), schedule=PROFILE.plan))
