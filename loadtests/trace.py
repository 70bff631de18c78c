"""Replays recorded traffic: a CSV with one timestamp a line, --speed times as fast.

Its rate is that of the file, whatever --rate says; --duration ends it early.
"""

from loadtests._openloop import open_loop
from loadtests._scenario import Scenario
from loadtests._trace import replay

Trace = open_loop(
    Scenario(
        "trace",
        rate=20.0,
        duration_s=86_400.0,
        options=("trace", "speed"),
        schedule=lambda s, texts: replay(s.trace, s.speed, s.duration_s, s.seed, texts),
    )
)
