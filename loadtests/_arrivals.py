"""Schedules of scenarios that nobody plays: for who plans what a test will be able to show.

    python -m loadtests._arrivals arrivals.npz 1000 ramp:30:20 bursty:30:20

draws 1000 schedules for each scenario, here at 30 requests a second for 20 s, with seeds 0 to 999
and the scenario's own settings. The file then holds an array for each, shape (1000, n), of times as
shares of the duration: a row ascends and ends in infinities. To be run in a process of its own: a
locustfile imports Locust, and that replaces Python's sockets.
"""

import sys
from importlib import import_module

import numpy as np

from loadtests._law import Floats
from loadtests._openloop import opened_last
from loadtests._scenario import Scenario, Settings


def arrivals(scenario: Scenario, rate: float, duration_s: float, schedules: int) -> Floats:
    """Planned sends as shares of the duration, shape (schedules, n > 0), filled with infinities."""
    rows = [
        scenario.schedule(
            Settings(rate, scenario.cv, duration_s, seed, timeout_s=1.0, texts=None, records=None),
            1,
        ).planned_s
        for seed in range(schedules)
    ]
    found = np.full((schedules, max(1, *map(len, rows))), np.inf)
    for at, row in enumerate(rows):
        found[at, : len(row)] = row / duration_s
    return found


def main(file: str, schedules: str, *loads: str) -> None:
    """Write the file."""
    found = {}
    for load in loads:
        name, rate, duration_s = load.split(":")
        import_module(f"loadtests.{name}")
        found[name] = arrivals(opened_last(), float(rate), float(duration_s), int(schedules))
    np.savez(file, **found)  # type: ignore[arg-type]  # its stub takes them for other options


if __name__ == "__main__":
    main(*sys.argv[1:])
