import gc
import os

import pytest

from loadtests._calm import calm_gc, goes_first, real_time


def test_the_collector_is_itself_again_afterwards() -> None:
    before = gc.get_threshold()
    with pytest.raises(KeyError), calm_gc():
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold() > before
        raise KeyError
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_priority_lasts_as_long_as_the_run() -> None:
    before = os.sched_getscheduler(0)
    with pytest.raises(KeyError), real_time() as granted:
        policy = os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK
        assert (policy == os.SCHED_RR) == granted
        raise KeyError
    assert os.sched_getscheduler(0) == before


def test_without_the_right_it_goes_on_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    with real_time() as granted:
        assert granted is False
    monkeypatch.undo()
    with real_time() as granted:
        pass
    assert goes_first() == granted
