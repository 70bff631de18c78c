"""The peers' files: what can be said of them without their libraries."""

import ast
import importlib
import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import onnxruntime
import pytest

from bentofiles.onnx_predictor import LEFT_APART, OnnxPredictor
from bentofiles.settings import read_variant
from builder._peers_script import folder, peers, read_script
from builder.paths import BUNDLED_MODEL
from loadtests.peers._model import Model
from loadtests.peers._settings import setting
from variants._spec import compose

ROOT = Path(__file__).parents[2]
NAMES = peers(folder())
SHARED = ("onnxruntime", "tokenizers")


def test_they_are_the_seven() -> None:
    assert NAMES == ["asgi", "bentoml", "fastapi", "litserve", "mosec", "ray", "triton"]


@pytest.mark.parametrize("name", NAMES)
def test_every_package_is_pinned_and_the_model_runs_on_ours(name: str) -> None:
    script = read_script(folder() / f"{name}.py")
    pins = dict(requirement.split("==") for requirement in script.requirements)
    assert all(re.fullmatch(r"\d[\w.]*", version) for version in pins.values())
    ours = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    for library in SHARED:
        assert f"{library}=={pins[library]}" in ours
    assert script.summary.endswith((".", ","))
    assert script.settings


@pytest.mark.parametrize("path", sorted(folder().glob("*.py")), ids=lambda path: path.stem)
def test_a_peer_imports_nothing_of_the_toolkit_but_its_neighbours(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    found += [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    ]
    ours = {"analysis", "bentofiles", "builder", "deploy", "loadtests", "variants"}
    inside = [name for name in found if name.partition(".")[0] in ours]
    assert all(name.startswith("loadtests.peers") for name in inside)


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_that_is_tried_is_one_that_the_peer_reads(name: str) -> None:
    path = folder() / f"{name}.py"
    read = set(re.findall(r'setting\("(\w+)"\)', path.read_text(encoding="utf-8")))
    for settings in read_script(path).settings:
        assert set(settings) == read


@pytest.mark.parametrize("name", [name for name in NAMES if name != "bentoml"])  # as its tutorial
def test_keeping_the_workers_on_a_cpu_each_is_tried_of_all_as_ours_are_kept(name: str) -> None:
    tried = {
        settings["pinned"]
        for settings in read_script(folder() / f"{name}.py").settings
        if settings["workers"] == "cpus"
    }
    assert tried == {0, 1}


@pytest.mark.parametrize(("said", "number"), [("cpus", 6), ("cpus+1", 7), ("3", 3)])
def test_cpus_are_those_that_the_runner_has_counted(
    said: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It knows of quotas, as our variants do."""
    monkeypatch.setenv("PEER_CPUS", "6")
    monkeypatch.setenv("PEER_WORKERS", said)
    assert setting("workers") == number


def test_processes_have_numbers_of_their_own_and_the_next_takes_that_of_a_dead_one(
    tmp_path: Path,
) -> None:
    says = "from loadtests.peers._settings import number; print(number(), number(), flush=True)"
    workers: list[subprocess.Popen[str]] = []

    def start() -> str:
        command = [sys.executable, "-c", f"{says}; input()"]
        env = {**os.environ, "PEER_SCRATCH": str(tmp_path)}
        pipe = subprocess.PIPE
        one = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=env, cwd=ROOT, text=True)
        workers.append(one)
        assert one.stdout is not None
        return one.stdout.readline().strip()

    try:
        assert [start(), start(), start()] == ["0 0", "1 1", "2 2"]
        workers[1].kill()
        workers[1].wait()
        assert [start(), start()] == ["1 1", "3 3"]
    finally:
        for one in workers:
            one.kill()
            one.communicate()


def test_a_peer_opens_the_graph_as_a_bento_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = {"labels": ["bad", "good"], "max_tokens": 8, "pad_id": 0, "pad_token": "<pad>"}
    content = {"settings": compose("onnx").settings(), "model": facts}
    (tmp_path / "variant.json").write_text(json.dumps(content))
    (tmp_path / "model").mkdir()
    shutil.copy(BUNDLED_MODEL / "tokenizer.json", tmp_path / "model")
    opened: list[Any] = []

    class Session:
        def __init__(self, path: str, options: onnxruntime.SessionOptions, **how: Any) -> None:
            spinning = options.get_session_config_entry("session.intra_op.allow_spinning")
            level = options.graph_optimization_level
            opened.append((path, options.intra_op_num_threads, spinning, level, how))

        def get_inputs(self) -> list[Any]:
            raise InterruptedError

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    monkeypatch.setenv("PEER_SOURCES", str(tmp_path))
    monkeypatch.setenv("RAYON_NUM_THREADS", "1")  # what the peer sets, for this test only
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    with pytest.raises(InterruptedError):
        OnnxPredictor(read_variant(tmp_path), threads=1)
    with pytest.raises(InterruptedError):
        Model(threads=1)
    ours, theirs = opened
    assert ours == theirs
    assert ours[-1]["disabled_optimizers"] == LEFT_APART


# --- FastAPI ------------------------------------------------------------------------------------


class Passes:
    """In the place of the model: how many passes have run at a time at most, and on which CPUs."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = self.most = 0
        self.cpus: set[frozenset[int]] = set()

    def predict(self, texts: list[str]) -> list[dict[str, Any]]:
        with self.lock:
            self.cpus.add(frozenset(os.sched_getaffinity(0)))
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.05)
        with self.lock:
            self.now -= 1
        return [{"label": "good", "score": 1.0} for _ in texts]


@pytest.fixture
def fastapi(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The peer on a stand-in for its library: an app that keeps what it is given."""

    class FastAPI:
        def __init__(self, lifespan: Any) -> None:
            self.lifespan = lifespan

        def post(self, path: str) -> Any:
            return lambda function: function

    library = ModuleType("fastapi")
    library.FastAPI = FastAPI  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fastapi", library)
    monkeypatch.delitem(sys.modules, "loadtests.peers.fastapi", raising=False)
    peer = importlib.import_module("loadtests.peers.fastapi")
    monkeypatch.setitem(sys.modules, "loadtests.peers.fastapi", peer)
    monkeypatch.setenv("PEER_THREADS", "1")
    return peer


async def eight_requests(peer: Any) -> None:
    async with peer.app.lifespan(peer.app), anyio.create_task_group() as group:
        for _ in range(8):
            request = peer.Request(texts=["a film"])
            group.start_soon(anyio.to_thread.run_sync, peer.predict, request)


@pytest.mark.parametrize(("tokens", "most"), [(1, 1), (2, 2), (40, 8)])
def test_fastapi_runs_as_many_passes_at_a_time_as_it_has_tokens(
    tokens: int, most: int, fastapi: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = Passes()
    monkeypatch.setattr(fastapi, "Model", lambda threads: passes)
    monkeypatch.setenv("PEER_TOKENS", str(tokens))
    monkeypatch.setenv("PEER_PINNED", "0")
    anyio.run(eight_requests, fastapi)
    assert passes.most == most
    assert passes.cpus == {frozenset(os.sched_getaffinity(0))}


def test_fastapi_keeps_the_threads_of_a_worker_on_one_cpu_and_its_event_loop_on_none(
    fastapi: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = os.sched_getaffinity(0)
    passes = Passes()
    monkeypatch.setattr(fastapi, "Model", lambda threads: passes)
    monkeypatch.setattr(fastapi, "number", lambda: 1)
    monkeypatch.setenv("PEER_TOKENS", "2")
    monkeypatch.setenv("PEER_PINNED", "1")
    anyio.run(eight_requests, fastapi)
    assert passes.cpus == {frozenset({sorted(allowed)[1 % len(allowed)]})}
    assert os.sched_getaffinity(0) == allowed


# --- Ray Serve ----------------------------------------------------------------------------------


def test_ray_is_told_to_write_no_line_for_each_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, dict[str, Any]] = {}

    def tell(name: str) -> Any:
        return lambda *_, **options: told.setdefault(name, options)

    class Deployment:
        def __init__(self, made: type) -> None:
            self.made = made

        def bind(self) -> None:
            pass

    library, serve = ModuleType("ray"), ModuleType("ray.serve")
    library.__dict__.update(serve=serve, init=tell("init"), shutdown=tell("end"))
    serve.__dict__.update(start=tell("start"), run=tell("run"), shutdown=tell("leave"))
    serve.__dict__["batch"] = lambda **_: lambda function: function
    serve.__dict__["deployment"] = lambda **_: Deployment
    monkeypatch.setitem(sys.modules, "ray", library)
    monkeypatch.setitem(sys.modules, "ray.serve", serve)
    settings = {"workers": 1, "threads": 1, "batch": 1, "ha_proxy": 0, "pinned": 0}
    for name, value in {**settings, "port": 1, "cpus": 2}.items():
        monkeypatch.setenv(f"PEER_{name.upper()}", str(value))
    monkeypatch.setenv("PEER_SCRATCH", str(tmp_path))
    monkeypatch.setattr(os, "environ", os.environ.copy())  # what it sets is for this test only
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(signal, "pause", lambda: signal.default_int_handler(signal.SIGINT, None))
    runpy.run_module("loadtests.peers.ray", run_name="__main__")
    for one in ("start", "run"):  # the proxies, the replicas
        assert told[one]["logging_config"] == {"enable_access_log": False}
