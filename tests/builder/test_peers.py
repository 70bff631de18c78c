"""The comparison with other servers, with stand-ins for the servers and for our Bentos."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from peer_standins import OTHER, OURS, options
from rich.console import Console

from builder import _peers_compare, _peers_plan, peers
from builder._peers_compare import compare
from builder.build import Build
from builder.check import Check
from builder.model import Model
from variants._errors import OptbuildError
from variants._spec import compose


@pytest.mark.thorough
@pytest.mark.usefixtures("stand_ins")
def test_every_server_meets_every_load_and_what_does_not_work_is_a_row_that_says_why(
    tmp_path: Path, scripts: Path
) -> None:
    console = Console(quiet=True)
    text = compare(options(tmp_path, scripts), console)
    out = tmp_path / "out"
    found = json.loads((out / "peers.json").read_text())
    assert {(row["load"], row["figure"], row["contender"]) for row in found["rows"]} >= {
        (load, figure, contender)
        for load, figure in (("saturated16", "texts/s"), ("steady50", "p50"))
        for contender in (OURS, OTHER, "good")
    }
    assert all(row["errors"] == 0 for row in found["rows"])
    absent = found["plan"]["absent"]
    assert set(absent) == {"wrong", "dead", "uninstallable"}
    assert absent["dead"] == "ended with code 1: there is no such accelerator"
    assert "no-such-file.whl" in absent["uninstallable"]
    assert "0.5" in absent["wrong"] and "is right" in absent["wrong"]
    for name in absent:
        assert f"| {name} | | not measured: {absent[name]} |" in text
    assert (out / "peers.md").read_text() == text

    runs = {path: path.stat().st_mtime_ns for path in out.glob("runs/*/run.json")}
    assert len(runs) == 1 + 3 * 2
    with pytest.raises(OptbuildError, match="--resume"):
        compare(options(tmp_path, scripts), console)
    plan = _peers_plan.load(out)
    assert plan
    for changed, said in (
        (replace(plan, machine="a faster one"), r"on another machine \(a faster one, not"),
        (replace(plan, requirements={"good": ("good==0.9",)}), "good has other versions"),
    ):
        _peers_plan.save(changed, out)
        with pytest.raises(OptbuildError, match=said):
            compare(options(tmp_path, scripts, resume=True), console)
    _peers_plan.save(plan, out)
    victim = out / "runs" / "b001-saturated16-good"
    victim.rename(tmp_path / "elsewhere")
    del runs[victim / "run.json"]
    compare(options(tmp_path, scripts, resume=True), console)
    assert victim.exists()
    assert runs == {path: path.stat().st_mtime_ns for path in runs}


def test_specs_of_different_graphs_are_refused(tmp_path: Path) -> None:
    builds = []
    for spec, graph in ((OURS, "one"), (OTHER, "another")):
        path = tmp_path / spec / "src" / "model"
        path.mkdir(parents=True)
        (path / "model.onnx").write_text(graph)
        check = Check("test", 2, 0, 0.0, None, None)
        model = Model("fake", "synthetic", "d", None)
        builds.append(Build(compose(spec), model, "t", tmp_path / spec, check, {}, True, 0.0))
    with pytest.raises(OptbuildError, match="different graphs"):
        _peers_compare.same_graph(builds)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--peers", "moseq"], "unknown peer 'moseq': known are asgi, bentoml,"),
        (["--peers", ""], "unknown peer '': known are asgi, bentoml,"),
        (["--loads", "idle"], "unknown load 'idle': known are saturated64,"),
        (["--loads", ""], "unknown load '': known are saturated64,"),
        (["--spec", "onx"], "did you mean 'onnx'"),
        (
            ["--spec", "onnx", "--spec", "onnx+replicas=2"],
            "'onnx+replicas=2' has deployment layers",
        ),
        (["--spec", "onnx+limits:cpu=1"], "cannot have: drop them"),
        (["--settings-of", "/nowhere"], "/nowhere holds no comparison: leave --settings-of out"),
        (["--settings-of", "/"], "/ holds no comparison: leave --settings-of out"),
        (["--blocks", "0"], "'--blocks': 0 is not in the range 1<=x<=1000; see: "),
        (["--seconds", "nan"], "not a number"),
        (["--texts", "/nowhere"], "does not exist"),
        (["--nonsense"], "No such option"),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_built(
    tmp_path: Path, words: list[str], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at_work(*_: Any, **__: Any) -> None:
        raise AssertionError("too late")

    for name in ("build_all", "ensure_venv", "resolve"):
        monkeypatch.setattr(_peers_compare, name, at_work)
    result = CliRunner().invoke(peers.main, ["--out", str(tmp_path / "out"), *words])
    assert result.exit_code == 2
    assert line in result.stderr
    assert result.stderr.startswith("optbuild: ")
    assert result.stderr.count("\n") == 1


def test_without_an_option_that_it_needs_it_says_so_in_one_line() -> None:
    result = CliRunner().invoke(peers.main, [])
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "Missing option '--out'" in result.stderr
