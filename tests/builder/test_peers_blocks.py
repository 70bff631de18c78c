"""What happens between two loads."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from peer_standins import ANSWER, OURS, options
from rich.console import Console

from builder import _peers_blocks, _peers_compare
from builder._peers_drain import DRAIN_S, PROBES, drained, idle_s
from builder._peers_limit import Way
from builder._peers_plan import Plan
from builder._peers_script import Best
from deploy.fake import FakeTarget
from variants._errors import OptbuildError


class Busy:
    """A server with a clock of its own; its queue is empty after `busy_s`."""

    def __init__(self, busy_s: float, refuses: bool = False) -> None:
        self.now_s = 0.0
        self.busy_s = busy_s
        self.refuses = refuses

    def probe(self, timeout_s: float) -> None:
        waits_s = max(0.0, self.busy_s - self.now_s)
        if self.refuses and waits_s:
            raise OptbuildError("status 503")
        self.now_s += min(timeout_s, waits_s + 0.01)
        if waits_s + 0.01 > timeout_s:
            raise OptbuildError("timed out")

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def clock(self) -> float:
        return self.now_s


@pytest.mark.parametrize("refuses", [False, True])
@pytest.mark.parametrize(("busy_s", "comes"), [(0.0, True), (4.0, True), (30.0, False)])
def test_a_backlog_is_waited_for_but_not_for_ever(
    busy_s: float, comes: bool, refuses: bool
) -> None:
    server = Busy(busy_s, refuses)
    assert drained(server.probe, 0.01, server.clock, server.sleep) is comes
    assert busy_s <= server.now_s if comes else server.now_s == pytest.approx(DRAIN_S, abs=0.1)
    at_rest = Busy(0.0)
    assert idle_s(at_rest.probe, at_rest.clock) == pytest.approx(0.01)
    assert at_rest.now_s == pytest.approx(PROBES * 0.01)


BUSY, IDLE = {"threads": 1}, {"threads": 2}


def blocks_of(tmp_path: Path, serve: Any) -> _peers_blocks.Blocks:
    asked = replace(options(tmp_path, tmp_path), loads=("saturated64", "steady80", "low"))
    texts = _peers_compare.load_texts(None)
    plan = Plan(
        choices=_peers_compare._choices(asked, texts),
        limit_way=Way(1, 1, 1),
        limit_probes={str(Way(1, 1, 1)): 100.0},
        graph_sha256="",
        machine="",
        requirements={},
        tags=(),
        settings={"good": Best(BUSY, IDLE)},
        probes={},
        absent={},
        taken_over=(),
        command="",
    )
    directory = tmp_path / "out"
    directory.mkdir()
    return _peers_blocks.Blocks(
        plan, tmp_path, texts, [ANSWER], directory, Console(quiet=True), serve
    )


@pytest.mark.usefixtures("stand_ins")
def test_a_server_that_stays_busy_or_has_other_settings_makes_way_for_a_fresh_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[object] = []
    measured: list[tuple[int, str]] = []

    def serve(_: str, settings: object, log: Path) -> FakeTarget:
        served.append(settings)
        return FakeTarget()

    def measure(_: Any, block: int, load: str, contender: str, url: str) -> bool:
        measured.append((len(served), load))
        return True

    blocks = blocks_of(tmp_path, serve)
    monkeypatch.setattr(_peers_blocks.Blocks, "_measure", measure)
    rests = iter([True, False, True])
    monkeypatch.setattr(_peers_blocks, "drained", lambda *_: next(rests))
    for contender in (OURS, "good"):
        left = ["saturated64", "steady80", "low"]
        while left:
            blocks._serve(1, contender, left, [])
    assert measured[:3] == [(1, "saturated64"), (1, "steady80"), (2, "low")]
    assert measured[3:] == [(3, "saturated64"), (3, "steady80"), (4, "low")]
    assert served == [{}, {}, BUSY, IDLE]


@pytest.mark.usefixtures("stand_ins")
def test_settings_that_fail_cost_a_peer_their_own_loads_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def serve(_: str, settings: object, log: Path) -> FakeTarget:
        if settings == IDLE:
            raise OptbuildError("no memory for so many threads")
        return FakeTarget()

    measured: list[str] = []

    def measure(_: Any, block: int, load: str, contender: str, url: str) -> bool:
        measured.append(f"{load} {contender}")
        return True

    blocks = blocks_of(tmp_path, serve)
    monkeypatch.setattr(_peers_blocks.Blocks, "_measure", measure)
    monkeypatch.setattr(_peers_blocks, "drained", lambda *_: True)
    blocks._pass(1, ["low", "saturated64", "steady80"])
    assert {one for one in measured if one.endswith("good")} == {
        "saturated64 good",
        "steady80 good",
    }
    failed = {path.name for path in (tmp_path / "out" / "runs").glob("b*")}
    assert failed == {"b001-low-good"}
