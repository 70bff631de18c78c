"""The best settings of a peer."""

from pathlib import Path
from typing import Any

import pytest
from peer_standins import ANSWER

from builder import _peers_tune
from builder._peers_saturate import Saturated
from builder._peers_script import Best
from deploy.fake import FakeTarget
from variants._errors import OptbuildError


def test_settings_are_chosen_by_the_median_of_rounds_and_the_hopeless_run_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rps = {1: iter([100.0] * 6), 2: iter([180.0, *[90.0] * 5]), 3: iter([20.0])}
    rps[5] = iter([40.0] * 6)
    alone = {1: 10.0, 2: 9.0, 3: 2.0, 5: 20.0}  # when nearly idle
    connections: list[int] = []
    now = 0

    def start(one: Any) -> FakeTarget:
        nonlocal now
        if one["batch"] == 4:
            raise OptbuildError("no such batch")
        now = one["batch"]
        return FakeTarget()

    def throughput(_: str, __: Any, many: int, ___: float, ____: Path) -> Saturated:
        connections.append(many)
        if many == 64:
            speeds[now] = next(rps[now])
        return Saturated(10, alone[now] if many == 1 else speeds[now], 0.1, 0.1, 0, "", 0.0)

    speeds: dict[int, float] = {}
    monkeypatch.setattr(_peers_tune, "saturate", throughput)
    monkeypatch.setattr(_peers_tune, "warm", lambda *_: None)
    monkeypatch.setattr(_peers_tune, "WITHIN", (0.5,) * 5)
    settings = [{"batch": batch} for batch in (1, 2, 3, 4, 5)]
    best, found = _peers_tune.tune(start, settings, ["a"], [ANSWER], 1.0, tmp_path / "log")
    assert best == Best(busy={"batch": 1}, idle={"batch": 5})
    assert found["batch=1"] == pytest.approx({"busy": 100, "idle": 10})
    assert found["batch=2"] == pytest.approx({"busy": 90, "idle": 9})
    assert found["batch=3"] == pytest.approx({"busy": 20, "idle": 2})
    assert found["batch=4"] == "no such batch"
    assert len(connections) == (6 + 6 + 1 + 6) * 3
    assert set(connections) == {64, 16, 1}


def test_settings_are_chosen_for_the_loads_that_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections: list[int] = []
    now = 0

    def start(one: Any) -> FakeTarget:
        nonlocal now
        now = one["batch"]
        return FakeTarget()

    def throughput(_: str, __: Any, many: int, ___: float, ____: Path) -> Saturated:
        connections.append(many)
        return Saturated(10, 100.0 / now if many == 1 else 100.0 * now, 0.1, 0.1, 0, "", 0.0)

    monkeypatch.setattr(_peers_tune, "saturate", throughput)
    monkeypatch.setattr(_peers_tune, "warm", lambda *_: None)
    settings = [{"batch": batch} for batch in (1, 2)]
    for loads, asked, batch in ((["low"], {1}, 1), (["steady80", "saturated64"], {64, 16}, 2)):
        conditions = _peers_tune.conditions_of(loads)
        connections.clear()
        log = tmp_path / "log"
        best, _ = _peers_tune.tune(start, settings, ["a"], [ANSWER], 1.0, log, conditions)
        assert best == Best({"batch": batch}, {"batch": batch})
        assert set(connections) == asked


@pytest.mark.parametrize(
    ("fails", "starts", "stays"),
    [
        ([1], 4, True),  # a lost port, say: one more start than there are rounds
        ([1, 2], 2, False),
        ([1, 3], 5, True),
        ([2, 3], 3, False),
        ([], 3, True),
    ],
)
def test_a_setting_is_left_out_only_when_it_has_failed_twice_in_a_round(
    fails: list[int], starts: int, stays: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []

    def start(one: Any) -> FakeTarget:
        begun.append(one["name"])
        if one["name"] == "shaky" and begun.count("shaky") in fails:
            raise OptbuildError("ended with code 1")
        return FakeTarget()

    def throughput(*_: Any) -> Saturated:
        speed = 2.0 if begun[-1] == "shaky" else 1.0
        return Saturated(10, speed, 0.1, 0.1, 0, "", 0.0)

    monkeypatch.setattr(_peers_tune, "saturate", throughput)
    monkeypatch.setattr(_peers_tune, "warm", lambda *_: None)
    settings = [{"name": name} for name in ("shaky", "steady")]
    monkeypatch.setattr(_peers_tune, "WITHIN", (0.4, 0.4))
    best, found = _peers_tune.tune(start, settings, ["a"], [ANSWER], 1.0, tmp_path / "log")
    kept = "shaky" if stays else "steady"
    assert best == Best({"name": kept}, {"name": kept})
    assert begun.count("shaky") == starts
    if stays:
        assert found["name=shaky"] == pytest.approx({"busy": 2, "idle": 2})
    else:
        assert found["name=shaky"] == "ended with code 1"
