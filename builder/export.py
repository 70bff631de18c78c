"""The ONNX graphs: exported by optimum, fused by ONNX Runtime, with their weights beside them."""

import json
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from builder import artifacts, digests
from builder.artifacts import Artifact, Facts
from builder.isa import recorded_flags
from builder.machine import library_versions
from builder.prepare import Prepared
from variants._errors import OptbuildError

if TYPE_CHECKING:
    import onnxruntime

GRAPH = "model.onnx"
WEIGHTS = "weights.bin"
LIBRARIES = ("torch", "transformers", "optimum", "optimum-onnx", "onnx", "onnxruntime")
# Operators of a fused encoder layer. A pattern that a new exporter writes differently is left
# unfused without a word, and the "optimized" graph is then slower than it should be.
FUSED_PER_LAYER = {"Attention": 1, "LayerNormalization": 2, "BiasGelu": 1}
EMBEDDED = "EmbedLayerNormalization"  # the norm before the first layer, with what it is the norm of


def fused(prepared: Prepared, model_digest: str) -> Artifact:
    """The fp32 graph with fused operators; facts: the count of each operator."""
    recipe = {
        "model": model_digest,
        "libraries": library_versions(LIBRARIES),
        "code": digests.of_file(Path(__file__)),
    }
    return artifacts.make("fused", recipe, lambda target: _export_and_fuse(prepared, target))


def mapped(graph: Artifact) -> Artifact:
    """The same graph with its weights in a file beside it, which ONNX Runtime maps into memory.

    They stand there as they are and as the kernels of this kind of CPU want them, so that no
    worker and no session keeps a copy of its own: the second session of RoBERTa-base takes 3 MB
    instead of 84 in int8 and 629 in fp32, and is loaded in 0.07 s instead of 0.24 and 1.8. The file
    is 1.6 times as large. ONNX Runtime knows the packed form by the digest of its content: on
    another kind of CPU it is not found, and made in memory as usual.
    """
    from bentofiles.onnx_predictor import LEFT_APART

    recipe = {
        "graph": graph.content_digest,
        "facts": graph.facts,
        "libraries": library_versions(("onnxruntime",)),
        "cpu": recorded_flags(),
        "apart": LEFT_APART,
        "code": digests.of_file(Path(__file__)),
    }
    return artifacts.make("mapped", recipe, lambda folder: _pack(graph, folder))


def _pack(graph: Artifact, folder: Path) -> Facts:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # The next level would lay out tensors for one kind of CPU, which no operator of these needs.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(folder / GRAPH)
    for key, value in {
        "session.optimized_model_external_initializers_file_name": WEIGHTS,
        "session.optimized_model_external_initializers_min_size_in_bytes": "1024",
        "session.save_external_prepacked_constant_initializers": "1",
    }.items():
        options.add_session_config_entry(key, value)
    _optimize(graph.path / GRAPH, options)
    # Whoever serves it in a container is not its owner.
    for name in (GRAPH, WEIGHTS):
        (folder / name).chmod(0o644)
    return graph.facts


def _optimize(graph: Path, options: "onnxruntime.SessionOptions") -> None:
    """Have ONNX Runtime write what it makes of a graph to where the options say."""
    import onnxruntime

    from bentofiles.onnx_predictor import LEFT_APART

    onnxruntime.InferenceSession(
        str(graph), options, providers=["CPUExecutionProvider"], disabled_optimizers=LEFT_APART
    )


def _export_and_fuse(prepared: Prepared, target: Path) -> dict[str, object]:
    from onnxruntime.transformers import optimizer
    from onnxruntime.transformers.fusion_options import FusionOptions
    from optimum.exporters.onnx import main_export

    config = json.loads((prepared.folder / "config.json").read_text(encoding="utf-8"))
    if (activation := config.get("hidden_act", "gelu")) != "gelu":
        raise OptbuildError(
            f"ONNX Runtime fuses gelu, not this model's {activation}: leave out onnx"
        )
    exported = target / "exported"
    main_export(
        str(prepared.folder),
        output=exported,
        task="text-classification",
        framework="pt",
        dtype="fp32",
        do_validation=False,  # the check against the baseline is stricter, and runs anyway
    )
    apart = FusionOptions("bert")
    apart.enable_skip_layer_norm = False  # see LEFT_APART
    # The head count and width are found in the graph: that also proves that it was understood.
    model = optimizer.optimize_model(
        str(exported / GRAPH), model_type="bert", opt_level=0, optimization_options=apart
    )
    model.save_model_to_file(str(target / GRAPH), use_external_data_format=False)
    for path in exported.iterdir():
        path.unlink()
    exported.rmdir()
    counts = operator_counts(target / GRAPH)
    require_fused(counts, prepared.layers)
    return {"operators": counts}


def require_fused(operators: Mapping[str, int], layers: int) -> None:
    """Raise OptbuildError unless every layer of the graph was fused."""
    expected = {name: count * layers for name, count in FUSED_PER_LAYER.items()}
    if EMBEDDED not in operators:  # RoBERTa's embeddings are no pattern of ONNX Runtime's
        expected["LayerNormalization"] += 1
    for operator, count in expected.items():
        if (found := operators.get(operator, 0)) != count:
            raise OptbuildError(
                f"fusion left the graph with {found} {operator} instead of {count}: "
                "install the versions of constraints.txt"
            )


def running_counts(path: Path) -> dict[str, int]:
    """How often each operator is in what ONNX Runtime makes of a graph when it loads it."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as scratch:
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(Path(scratch) / GRAPH)
        options.log_severity_level = 3  # it warns that the file fits this machine only
        _optimize(path, options)
        return operator_counts(Path(scratch) / GRAPH)


def operator_counts(path: Path) -> dict[str, int]:
    """How often each operator stands in a graph, most frequent first."""
    import onnx

    graph = onnx.load(str(path), load_external_data=False).graph
    return dict(Counter(node.op_type for node in graph.node).most_common())
