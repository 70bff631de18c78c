"""The comparison with other servers, with stand-ins for the servers and for our Bentos."""

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner
from rich.console import Console

from analysis.gates import Gate
from builder import (
    _peers_blocks,
    _peers_compare,
    _peers_plan,
    _peers_probe,
    _peers_target,
    _peers_tune,
    peers,
)
from builder._peers_compare import Options, compare
from builder._peers_drain import DRAIN_S, PROBES, drained, idle_s
from builder._peers_limit import Way, in_passes, texts_per_second, ways
from builder._peers_plan import Plan
from builder._peers_probe import Limit
from builder._peers_saturate import Saturated, saturate
from builder._peers_script import Best, folder, read_script
from builder._peers_target import PeerServer, require_same_answers
from builder._peers_venv import ensure_venv
from builder.asking import predict
from builder.build import Build, Request, build
from builder.check import Check
from builder.model import Model
from deploy.fake import FakeTarget
from variants._errors import OptbuildError
from variants._spec import compose

STANDIN = Path(__file__).with_name("standin_peer.py").read_text(encoding="utf-8")
SETTINGS = "[{score = 1, die = 0}]"
ANSWER = {"label": "positive", "score": 1.0}
OURS, OTHER = "onnx+lean", "onnx"


# --- the whole of it ----------------------------------------------------------------------------


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


@pytest.mark.usefixtures("stand_ins")
def test_settings_of_an_earlier_comparison_are_taken_over_if_it_served_the_same_model(
    tmp_path: Path, scripts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = replace(options(tmp_path, scripts), peers=("good",), loads=("saturated16",))
    compare(asked, Console(quiet=True))

    def tune(*_: Any) -> None:
        raise AssertionError("found anew")

    monkeypatch.setattr(_peers_compare, "tune", tune)
    first = _peers_plan.load(asked.directory)
    again = replace(asked, directory=tmp_path / "again", settings_of=(asked.directory,))
    text = compare(again, Console(quiet=True))
    second = _peers_plan.load(again.directory)
    assert first and second
    assert (first.settings, first.probes) == (second.settings, second.probes)
    assert "- good: die=0 score=1 (found in an earlier comparison)" in text
    assert first.machine in text

    shutil.move(asked.directory, tmp_path / "elsewhere")
    compare(replace(again, resume=True), Console(quiet=True))  # has its settings by now
    other = replace(again, directory=tmp_path / "x", settings_of=(tmp_path,))
    with pytest.raises(OptbuildError, match="holds no comparison: leave --settings-of out"):
        compare(other, Console(quiet=True))
    _peers_plan.save(replace(first, graph_sha256="another"), tmp_path)
    with pytest.raises(OptbuildError, match="another model"):
        compare(other, Console(quiet=True))
    _peers_plan.save(replace(first, machine="a faster one"), tmp_path)
    with pytest.raises(OptbuildError, match=r"another machine \(a faster one\)"):
        compare(other, Console(quiet=True))
    _peers_plan.save(replace(first, requirements={"good": ("good==0.9",)}), tmp_path)
    with pytest.raises(AssertionError, match="found anew"):
        compare(other, Console(quiet=True))
    (tmp_path / "plan.json").write_text('{"format": 1, "kind": "peers"}')
    with pytest.raises(OptbuildError, match=r"by this version.*leave --settings-of out"):
        compare(other, Console(quiet=True))


@pytest.mark.usefixtures("stand_ins")
def test_settings_that_a_peers_file_no_longer_offers_are_found_anew(
    tmp_path: Path, scripts: Path
) -> None:
    asked = replace(options(tmp_path, scripts), peers=("good",), loads=("saturated16",))
    compare(asked, Console(quiet=True))
    script = scripts / "good.py"
    text = script.read_text().replace("{score = 1, die = 0}", "{score = 1, die = 0, threads = 3}")
    script.write_text(text, encoding="utf-8")
    compare(
        replace(asked, directory=tmp_path / "again", settings_of=(asked.directory,)),
        Console(quiet=True),
    )
    found = _peers_plan.load(tmp_path / "again")
    only = {"score": 1, "die": 0, "threads": 3}
    assert found and found.settings == {"good": Best(only, only)}
    assert found.taken_over == ()


@pytest.mark.usefixtures("stand_ins")
@pytest.mark.parametrize("change", ["another setting", "never tried", "another load"])
def test_settings_that_were_not_chosen_among_all_there_are_now_are_found_anew(
    change: str, tmp_path: Path, scripts: Path
) -> None:
    asked = replace(options(tmp_path, scripts), peers=("good",), loads=("saturated16",))
    compare(asked, Console(quiet=True))
    again = replace(asked, directory=tmp_path / "again", settings_of=(asked.directory,))
    script, before = scripts / "good.py", _peers_plan.load(asked.directory)
    assert before
    if change == "another setting":
        more = SETTINGS.replace("]", ", {score = 1, die = 0, threads = 3}]")
        script.write_text(script.read_text().replace(SETTINGS, more))
    elif change == "never tried":  # one who has written it into the plan by hand
        other = {"score": 1, "die": 0, "threads": 4}
        _peers_plan.save(replace(before, settings={"good": Best(other, other)}), asked.directory)
    else:
        again = replace(again, loads=("low",))
    compare(again, Console(quiet=True))
    found = _peers_plan.load(tmp_path / "again")
    assert found and found.taken_over == ()


@pytest.mark.usefixtures("stand_ins")
def test_each_peer_takes_the_settings_of_the_last_comparison_that_has_it(
    tmp_path: Path, scripts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(scripts / "good.py", scripts / "second.py")
    asked = replace(options(tmp_path, scripts), peers=("good", "second"), loads=("saturated16",))
    compare(asked, Console(quiet=True))
    both = _peers_plan.load(asked.directory)
    assert both
    later = {"score=1 die=0": {"busy": 7.0}}
    without = replace(both, settings={"good": both.settings["good"]}, probes={"good": later})
    _peers_plan.save(without, tmp_path / "later")
    again = replace(
        asked, directory=tmp_path / "again", settings_of=(asked.directory, tmp_path / "later")
    )
    monkeypatch.setattr(_peers_compare, "tune", lambda *_: pytest.fail("found anew"))
    compare(again, Console(quiet=True))
    found = _peers_plan.load(again.directory)
    assert found and found.settings == both.settings
    assert found.probes == {**both.probes, **without.probes}
    assert found.taken_over == ("good", "second")


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


# --- a server in a venv of its own --------------------------------------------------------------


@pytest.mark.slow
def test_bare_asgi_in_two_processes_answers_and_leaves_none(home: Path, tmp_path: Path) -> None:
    request = Request(model="synthetic:roberta-tiny")
    sources = build(compose("onnx"), request, lambda stage: None).path / "src"
    settings = {"workers": 2, "lanes": 1, "batch": 8, "pinned": 1}
    python, log = Path(sys.executable), tmp_path / "log"
    with PeerServer("asgi", python, sources, settings, log, scripts=folder()) as target:
        for _ in range(8):  # each connection may be another process's
            assert len(predict(target.url, ["a film", "another"])) == 2
        process = psutil.Process(target.child.process.pid)
        listening = [
            one
            for one in [process, *process.children(recursive=True)]
            if any(each.status == psutil.CONN_LISTEN for each in one.net_connections())
        ]
        assert len(listening) == 2
    assert not any(one.is_running() for one in listening)


@pytest.mark.thorough
@pytest.mark.usefixtures("stand_ins")
def test_a_peer_runs_in_its_own_venv_and_nothing_of_it_is_left(
    tmp_path: Path, scripts: Path
) -> None:
    python = ensure_venv(tmp_path / "venv", ())
    made = python.stat().st_mtime_ns
    assert ensure_venv(tmp_path / "venv", ()).stat().st_mtime_ns == made
    settings = {"score": 1, "die": 0}
    log = tmp_path / "log"
    with PeerServer("good", python, tmp_path, settings, log, scripts=scripts) as target:
        require_same_answers(target.url, ["a", "b"], [ANSWER, ANSWER])
        with pytest.raises(OptbuildError, match="is right"):
            require_same_answers(target.url, ["a"], [{"label": "positive", "score": 0.998}])
        with pytest.raises(OptbuildError, match="is right"):
            require_same_answers(target.url, ["a"], [{"label": "negative", "score": 1.0}])
        process = target.child.process
    assert process.poll() is not None


# What they say last where another process listens: uvicorn, mosec, Triton's front.
LOST = {
    "uvicorn": "ERROR:    [Errno 98] Address already in use",
    "mosec": "RuntimeError: 127.0.0.1:1 is in use. Please change to a free one (use `--port`).",
    "front": "[Errno 98] error while attempting to bind: address already in use\\n"
    + "Timeout: Found 0 live models\\n" * 9,
}


@pytest.mark.usefixtures("stand_ins")
@pytest.mark.parametrize(("loses", "comes"), [(2, True), (3, False)])
@pytest.mark.parametrize("says", LOST.values(), ids=LOST)
def test_a_peer_that_lost_a_port_is_started_anew_on_another_but_not_for_ever(
    says: str, loses: int, comes: bool, tmp_path: Path
) -> None:
    starts = tmp_path / "starts"
    starts.touch()
    dies = (
        f"with open({str(starts)!r}, 'a+') as file:\n"
        "    print(os.environ['PEER_PORT'], file=file, flush=True)\n"
        "    file.seek(0)\n"
        f"    if len(file.readlines()) <= {loses}:\n"
        f"        sys.exit('{says}')\n"
    )
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "good.py").write_text(STANDIN.replace("SCORE =", dies + "SCORE ="), encoding="utf-8")
    python, settings, log = Path(sys.executable), {"score": 1, "die": 0}, tmp_path / "log"
    server = PeerServer("good", python, tmp_path, settings, log, scripts=scripts)
    if comes:
        with server as target:
            assert predict(target.url, ["a film"]) == [ANSWER]
    else:
        with pytest.raises(OptbuildError, match="ended with code 1"), server:
            pass
    ports = starts.read_text().split()
    assert len(ports) == 3
    assert not comes or server.url.endswith(ports[-1])


# --- the closed loop ----------------------------------------------------------------------------


def test_a_closed_loop_counts_answers_and_its_own_cpu_time() -> None:
    with FakeTarget(service_s=0.01) as target:
        found = saturate(target.url, ["a", "b"], connections=4, seconds=0.5, warm_s=0.1)
    assert 8 < found.answered <= 4 * 0.5 / 0.01 + 4
    assert 0 < found.rps <= found.answered / 0.5
    assert found.p50_s is not None and found.p50_s >= 0.01
    assert (found.errors, found.first_error) == (0, "")
    assert 0 < found.client_cpu_s < 0.01


def test_a_server_that_is_not_there_is_errors_and_no_hang() -> None:
    with FakeTarget() as target:
        gone = target.url
    found = saturate(gone, ["a"], connections=4, seconds=0.1, warm_s=0.0)
    assert (found.answered, found.rps, found.p50_s) == (0, 0.0, None)
    assert found.errors > 0
    assert "refused" in found.first_error


# --- the limit ----------------------------------------------------------------------------------


def test_passes_are_whole_and_of_like_length_within_a_window() -> None:
    texts = ["x" * (1 + at % 7) for at in range(128)]
    passes = in_passes(texts, 8)
    assert [len(one) for one in passes] == [8] * 16
    assert [text for one in passes[:8] for text in one] == sorted(texts[:64], key=len)
    assert in_passes(texts, 1) == [[text] for text in texts]
    assert len(in_passes(["only", "two"], 16)) == 4


@pytest.mark.parametrize("pinned", [True, False])
def test_pinned_lanes_of_the_limit_stay_on_a_cpu_each_and_leave_the_process_as_it_was(
    pinned: bool,
) -> None:
    class Where:
        """In the place of the model: on which CPUs its callers may run."""

        def __init__(self) -> None:
            self.cpus: dict[int, frozenset[int]] = {}

        def predict(self, texts: Any) -> list[Any]:
            self.cpus[threading.get_ident()] = frozenset(os.sched_getaffinity(0))
            time.sleep(0.01)
            return []

    allowed = os.sched_getaffinity(0)
    where: Any = Where()
    texts_per_second(where, Way(2, 1, 1, pinned), ["a"], seconds=0.05)
    if pinned:
        assert sorted(map(len, where.cpus.values())) == [1, 1]
        assert len(set(where.cpus.values())) == min(2, len(allowed))
    else:
        assert set(where.cpus.values()) == {frozenset(allowed)}
    assert os.sched_getaffinity(0) == allowed


def test_the_limit_tries_lanes_on_a_cpu_each_and_wherever_they_run() -> None:
    assert {way.pinned for way in ways(2) if way.lanes == 2} == {True, False}
    assert len({str(way) for way in ways(2)}) == len(ways(2)) == 9
    assert not any(way.pinned for way in ways(1))


def test_the_limit_is_the_best_way_by_the_median_of_rounds_a_process_for_each_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def ask(module: str, question: Any, log: Path, background: bool) -> dict[str, Any]:
        these = [Way(**way) for way in question["ways"]]
        (threads,) = {way.threads for way in these}
        asked.append(threads)
        rps = {str(way): 100.0 * threads + way.batch for way in these}
        if len(asked) > 6:
            rps = {way: found - 100.0 for way, found in rps.items()}
        if len(asked) < 3:  # luck
            rps = {way: 1000.0 * ("batch 1" in way) + found for way, found in rps.items()}
        return {"rps": rps, "answers": [{"threads": threads}]}

    monkeypatch.setattr(_peers_probe, "ask", ask)
    monkeypatch.setattr(_peers_probe, "cpus", lambda: 4)
    found = _peers_probe.tune_limit(tmp_path, ["a"], 1.0, tmp_path / "log")
    assert asked == [4, 1] * 3 + [4] * 3, "the best one once more: it was lucky, too"
    assert (found.probes[str(found.way)], found.way) == (308.0, Way(lanes=1, threads=4, batch=8))
    assert set(found.probes) == {str(way) for way in ways(4)}
    assert found.answers == [{"threads": 1}]


# --- the best settings --------------------------------------------------------------------------


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


# --- between two loads --------------------------------------------------------------------------


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


# --- the peers' files ---------------------------------------------------------------------------


def test_a_file_without_a_block_is_told(tmp_path: Path) -> None:
    path = tmp_path / "bare.py"
    path.write_text('"""Bare."""\n')
    with pytest.raises(OptbuildError, match="script block lacks"):
        read_script(path)
