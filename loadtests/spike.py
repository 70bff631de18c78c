"""One spike: Poisson at 5/7 of the mean rate, for a tenth of the run, from 40% on, at 25/7 of it.

So the spike is five times as high as the rest, and the mean is that of --rate.
"""

import numpy as np

from loadtests._openloop import open_loop
from loadtests._profile import Profile
from loadtests._scenario import Scenario

BASE, PEAK = 5 / 7, 25 / 7
BEGIN, END = 0.4, 0.5

PROFILE = Profile(
    rate=lambda x: np.where((x >= BEGIN) & (x < END), PEAK, BASE),
    integral=lambda x: BASE * x + (PEAK - BASE) * (np.clip(x, BEGIN, END) - BEGIN),
    peak=PEAK,
)

Spike = open_loop(Scenario("spike", rate=20.0, options=(), schedule=PROFILE.plan))
