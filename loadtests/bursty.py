"""Requests that come in bursts: gamma gaps whose coefficient of variation is 3.

`--process mmpp` makes as much of it by switching between a quiet and a busy rate (_bursts.py).
"""

from loadtests._bursts import bursts
from loadtests._openloop import open_loop
from loadtests._scenario import Scenario
from loadtests._schedule import renewal

PROCESSES = {"gamma": renewal, "mmpp": bursts}

Bursty = open_loop(
    Scenario(
        "bursty",
        rate=20.0,
        cv=3.0,
        options=("cv", "process"),
        schedule=lambda s, texts: PROCESSES[s.process](s.rate, s.cv, s.duration_s, s.seed, texts),
    )
)
