import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto
from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor_value_info

from builder.artifacts import Artifact
from builder.export import GRAPH, WEIGHTS, fused, mapped, require_fused, running_counts
from builder.prepare import Prepared
from variants._errors import OptbuildError

WIDTH = 64


def run(graph: Path, rows: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": rows})
    return np.asarray(found)


def save(
    graph: Path,
    nodes: list[onnx.NodeProto],
    inputs: list[str],
    shape: list[int | None],
    weights: dict[str, np.ndarray],
) -> None:
    """A graph from these inputs to `y`, all of one shape."""
    *given, y = (make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in (*inputs, "y"))
    constants = [onnx.numpy_helper.from_array(values, name) for name, values in weights.items()]
    made = make_graph(nodes, "a test", given, [y], constants)
    model = make_model(made, opset_imports=[make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(graph))


def test_weights_go_beside_the_graph_and_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTBUILD_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(WIDTH, WIDTH)).astype(np.float32)
    product = make_node("MatMul", ["x", "w"], ["y"])
    save(tmp_path / GRAPH, [product], ["x"], [None, WIDTH], {"w": weights})
    found = mapped(Artifact(tmp_path, {"operators": 1}, "the graph"))
    assert found.facts == {"operators": 1}
    assert (found.path / WEIGHTS).stat().st_size >= weights.nbytes
    assert (found.path / GRAPH).stat().st_size < 1024
    assert (found.path / WEIGHTS).stat().st_mode & 0o777 == 0o644
    rows = rng.normal(size=(3, WIDTH)).astype(np.float32)
    assert np.array_equal(run(found.path / GRAPH, rows), run(tmp_path / GRAPH, rows))


def test_a_sum_and_its_norm_are_not_fused_again(tmp_path: Path) -> None:
    scale, shift = np.random.default_rng(1).normal(size=(2, WIDTH)).astype(np.float32)
    nodes = [
        make_node("Add", ["x", "skip"], ["sum"]),
        make_node("LayerNormalization", ["sum", "scale", "shift"], ["y"], axis=-1),
    ]
    shape = [2, 3, WIDTH]
    save(tmp_path / GRAPH, nodes, ["x", "skip"], shape, {"scale": scale, "shift": shift})
    assert running_counts(tmp_path / GRAPH) == {"Add": 1, "LayerNormalization": 1}


def test_a_layer_that_was_not_fused_is_named() -> None:
    whole = {"Attention": 2, "LayerNormalization": 5, "BiasGelu": 2}
    require_fused(whole, layers=2)
    require_fused(whole | {"EmbedLayerNormalization": 1, "LayerNormalization": 4}, layers=2)
    with pytest.raises(OptbuildError, match="with 4 LayerNormalization instead of 5"):
        require_fused(whole | {"LayerNormalization": 4}, layers=2)
    with pytest.raises(OptbuildError, match="with 0 BiasGelu instead of 2"):
        require_fused(whole | {"BiasGelu": 0}, layers=2)


def test_an_activation_that_cannot_be_fused_is_said_before_the_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTBUILD_CACHE", str(tmp_path / "cache"))
    (tmp_path / "config.json").write_text(json.dumps({"hidden_act": "relu"}))
    prepared = Prepared(tmp_path, 2, ("negative", "positive"), 512, 1, "<pad>")
    with pytest.raises(OptbuildError, match="not this model's relu: leave out onnx"):
        fused(prepared, "digest")
