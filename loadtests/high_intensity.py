"""As steady, at a rate that keeps the server busy: exponential gaps."""

from loadtests._openloop import open_loop
from loadtests._scenario import Scenario

HighIntensity = open_loop(Scenario("high_intensity", rate=60.0, cv=1.0))
