"""The peers' files: what can be said of them without their libraries."""

import ast
import importlib
import json
import re
import shutil
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
    """In the place of the model: how many of its passes have run at the same time at most."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = self.most = 0

    def predict(self, texts: list[str]) -> list[dict[str, Any]]:
        with self.lock:
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


@pytest.mark.parametrize(("tokens", "most"), [(1, 1), (2, 2), (40, 8)])
def test_fastapi_runs_as_many_passes_at_a_time_as_it_has_tokens(
    tokens: int, most: int, fastapi: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = Passes()
    monkeypatch.setattr(fastapi, "Model", lambda threads: passes)
    monkeypatch.setenv("PEER_TOKENS", str(tokens))

    async def requests() -> None:
        async with fastapi.app.lifespan(fastapi.app), anyio.create_task_group() as group:
            for _ in range(8):
                request = fastapi.Request(texts=["a film"])
                group.start_soon(anyio.to_thread.run_sync, fastapi.predict, request)

    anyio.run(requests)
    assert passes.most == most
