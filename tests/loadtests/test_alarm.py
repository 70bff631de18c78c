from time import perf_counter

import gevent
import pytest

from loadtests._alarm import Alarm


def test_it_rings_at_the_time_and_not_before() -> None:
    alarm = Alarm()
    late_s = []
    for _ in range(100):
        at_s = perf_counter() + 0.0033
        alarm.wait_until(at_s)
        late_s.append(perf_counter() - at_s)
    alarm.close()
    assert min(late_s) >= 0
    assert sorted(late_s)[50] < 0.02


@pytest.mark.parametrize("at_s", [0.0, -5.0, 1e-12])
def test_the_past_rings_at_once(at_s: float) -> None:
    alarm = Alarm()
    begin = perf_counter()
    alarm.wait_until(at_s)
    alarm.close()
    assert perf_counter() - begin < 0.5


def test_others_run_meanwhile() -> None:
    alarm = Alarm()
    other = gevent.spawn(lambda: 7)
    alarm.wait_until(perf_counter() + 0.02)
    alarm.close()
    assert other.value == 7


def test_silence_ends_this_wait_and_later_ones() -> None:
    alarm = Alarm()
    gevent.spawn_later(0.05, alarm.silence)
    begin = perf_counter()
    alarm.wait_until(perf_counter() + 60)
    alarm.wait_until(perf_counter() + 60)
    assert 0.04 < perf_counter() - begin < 5
    alarm.close()
