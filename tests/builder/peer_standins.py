"""What tests of a comparison with other servers stand on: stand-ins for the servers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analysis.gates import Gate
from builder import _peers_blocks, _peers_compare, _peers_plan, _peers_probe, _peers_target
from builder._peers_compare import Options
from builder._peers_limit import Way
from builder._peers_probe import Limit
from builder.build import Build
from builder.check import Check
from builder.model import Model
from deploy.fake import FakeTarget
from variants._spec import compose

STANDIN = Path(__file__).with_name("standin_peer.py").read_text(encoding="utf-8")
SETTINGS = "[{score = 1, die = 0}]"
ANSWER = {"label": "positive", "score": 1.0}
OURS, OTHER = "onnx+lean", "onnx"


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    folder = tmp_path / "scripts"
    folder.mkdir()
    for name, settings, needs in (
        ("good", SETTINGS, "[]"),
        ("wrong", "[{score = 0.5, die = 0}]", "[]"),
        ("dead", "[{score = 1, die = 1}]", "[]"),
        ("uninstallable", SETTINGS, '["./no-such-file.whl"]'),
    ):
        text = STANDIN.replace(SETTINGS, settings)
        text = text.replace("dependencies = []", f"dependencies = {needs}")
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Bentos that are a file, a limit that is a number, a generator that is always on time."""

    def build(spec: str) -> Build:
        path = tmp_path / "bentos" / spec
        (path / "src" / "model").mkdir(parents=True, exist_ok=True)
        (path / "src" / "model" / "model.onnx").write_text("the one graph")
        check = Check("test", 2, 0, 0.0, None, None)
        model = Model("fake", "synthetic", "d", None)
        return Build(compose(spec), model, f"fake:{spec}", path, check, {}, True, 0.0)

    way = Way(1, 1, 1)

    def limit(_: Path, __: Any, asked: Any, *___: Any) -> Any:
        assert asked == [way]  # the one that was found best
        return {str(way): 100.0}, [ANSWER] * 3

    def tune_limit(*_: Any) -> Limit:
        return Limit(way, {str(way): 100.0}, [ANSWER] * 3)

    monkeypatch.setattr(
        _peers_compare, "build_all", lambda variants, _: [build(v.spec) for v in variants]
    )
    monkeypatch.setattr(_peers_compare, "tune_limit", tune_limit)
    monkeypatch.setattr(_peers_compare, "limit", limit)
    monkeypatch.setattr(_peers_blocks, "limit", limit)
    monkeypatch.setattr(_peers_compare, "serve_locally", lambda build, log: FakeTarget())
    passed = (Gate("lateness p99", 0.0, 1.0, "s", True),)
    monkeypatch.setattr(_peers_blocks, "check_run", lambda *_: passed)
    monkeypatch.setattr(_peers_target, "WARM_UP_S", 0.05)
    monkeypatch.setattr(_peers_probe, "WARM_S", 0.05)
    monkeypatch.setattr(_peers_plan, "REQUESTS_FOR_P99", 1.0)
    # A test must not depend on what else the machine does: no giving way to it.
    monkeypatch.setattr("deploy.child.yield_to_others", lambda: None)
    monkeypatch.setattr("deploy.child.Child.yield_sessions", lambda _: None)
    yield


def options(tmp_path: Path, scripts: Path, resume: bool = False) -> Options:
    return Options(
        specs=(OURS, OTHER),
        peers=("good", "wrong", "dead", "uninstallable"),
        loads=("saturated16", "steady50"),
        blocks=1,
        seconds=0.5,
        seed=1,
        model=None,
        texts=None,
        directory=tmp_path / "out",
        venvs=tmp_path / "venvs",
        resume=resume,
        scripts=scripts,
    )
