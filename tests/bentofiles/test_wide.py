import math

import numpy as np
import pytest

from bentofiles.packing import Costs, Size
from bentofiles.wide import Meetings, Wide

ONE = Size(1, 30.0)


@pytest.mark.parametrize(
    ("narrow_s", "wide_s", "most_met"),
    [
        (0.010, 0.006, 4 / 6),  # gains 4 ms, takes 2 ms more of the CPUs
        (0.010, 0.008, 2 / 8),
        (0.010, 0.004, 1.0),  # takes less of the CPUs: always better
        (0.010, 0.0095, -math.inf),  # hardly faster
    ],
)
def test_what_a_request_gains_stands_against_what_it_takes_from_those_it_meets(
    narrow_s: float, wide_s: float, most_met: float
) -> None:
    way = Wide(lambda texts: None, 2, Costs(wide_s, 0.0))
    for met in np.linspace(0, 1, 41).tolist():
        if abs(met - most_met) > 0.01:
            assert way.pays(ONE, narrow_s, met) == (met < most_met)


def test_requests_that_follow_each_other_do_not_meet() -> None:
    meetings = Meetings()
    for now_s in range(100):
        meetings.arrived(float(now_s), left=0, lasts_s=5.0)  # the CPUs are idle again
    assert meetings.share == 0


@pytest.mark.parametrize(("after_s", "meets"), [(0.5, True), (1.5, False)])
def test_who_comes_while_a_wide_pass_would_run_is_met(after_s: float, meets: bool) -> None:
    """Whatever runs then: the narrow pass that runs in its place takes longer."""
    meetings = Meetings()
    for pair in range(100):
        meetings.arrived(10.0 * pair, left=0, lasts_s=1.0)
        meetings.arrived(10.0 * pair + after_s, left=-1, lasts_s=1.0)
    assert meetings.share == pytest.approx(float(meets), abs=0.01)


@pytest.mark.parametrize(("others", "meets"), [(4, False), (5, True)])
def test_on_a_large_machine_a_few_others_find_cpus_too(others: int, meets: bool) -> None:
    meetings = Meetings()
    for burst in range(100):
        for number in range(1 + others):
            meetings.arrived(10.0 * burst + 0.1 * number, left=4 - number, lasts_s=1.0)
    assert meetings.share == pytest.approx(float(meets), abs=0.01)


def test_a_burst_weighs_as_much_as_the_requests_that_found_room() -> None:
    """A lone request, and one that many others follow: half of those that found room are met."""
    meetings = Meetings()
    shares = []
    for pair in range(200):
        meetings.arrived(20.0 * pair, left=0, lasts_s=1.0)
        meetings.arrived(20.0 * pair + 10, left=0, lasts_s=1.0)
        for number in range(8):
            meetings.arrived(20.0 * pair + 10 + 0.1 * (1 + number), left=-1, lasts_s=1.0)
        shares.append(meetings.share)
    assert np.mean(shares[100:]) == pytest.approx(0.5, abs=0.05)
