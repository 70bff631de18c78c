import math

import pytest

from bentofiles.passes import Passes


def test_one_pass_of_a_process_that_was_stopped_says_little_of_the_next() -> None:
    passes = Passes(1)
    passes.learn(cost_s=0.0025, took_s=5.0, now_s=1.0)
    assert passes.slowdown < 1.2
    for _ in range(100):  # but a machine that is slow stays slow
        passes.learn(cost_s=0.0025, took_s=0.025, now_s=2.0)
    assert passes.slowdown == pytest.approx(10, rel=0.1)


def test_it_is_known_since_when_no_lane_has_got_on() -> None:
    passes = Passes(2)
    passes.begin(0, 1.0, cost_s=0.1, cpus=1)
    assert passes.begun_s() == math.inf
    passes.begin(1, 3.0, cost_s=0.1, cpus=1)
    assert passes.begun_s() == 3.0
    passes.end(0)
    assert passes.begun_s() == math.inf
