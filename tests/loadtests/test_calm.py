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


@pytest.mark.parametrize(
    "error",
    [PermissionError(1, "Operation not permitted"), OSError(22, "Invalid argument")],
    ids=["user", "sandbox"],
)
def test_without_the_right_it_goes_on_as_it_is(
    error: OSError, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    with real_time() as granted:
        assert granted is False
    monkeypatch.undo()
    with real_time() as granted:
        pass
    assert goes_first() == granted


def test_who_has_the_right_by_a_limit_is_ordinary_again_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Such a user may not take back that children are ordinary."""
    policies: list[int] = []

    def set_policy(_: int, policy: int, __: object) -> None:
        if policies and not policy & os.SCHED_RESET_ON_FORK:
            raise PermissionError(1, "Operation not permitted")
        policies.append(policy & ~os.SCHED_RESET_ON_FORK)

    monkeypatch.setattr(os, "sched_setscheduler", set_policy)
    with real_time() as granted:
        assert granted is True
    assert policies == [os.SCHED_RR, os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK]
