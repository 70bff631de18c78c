"""Requests that come independently of each other: exponential gaps, one rate (Poisson)."""

from loadtests._openloop import open_loop
from loadtests._scenario import Scenario

Steady = open_loop(Scenario("steady", rate=20.0, cv=1.0))
