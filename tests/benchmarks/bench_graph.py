"""What the form of the graph is worth, and which of its operators the time goes to.

    python tests/benchmarks/bench_graph.py [--spec onnx+quantized] [--model M] [--repeats 20]

The graph of a real Bento in two sessions of one thread: `apart`, as the Bento runs it, and
`fused`, with a sum and its norm in one operator, as ONNX Runtime's optimizers have it.
Passes in turn; ratios of the medians of `repeats` passes, with their exact signed-rank interval
over eight rounds. A benchmark, not a test.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx.helper import make_node
from ratios import ratio

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from bentofiles.onnx_predictor import LEFT_APART  # noqa: E402
from builder.build import Request  # noqa: E402
from builder.build_all import build_all  # noqa: E402
from builder.export import GRAPH  # noqa: E402
from variants._spec import compose  # noqa: E402

Feed = Mapping[str, npt.NDArray[np.int64]]

SIZES = ((1, 28), (4, 28), (1, 128))  # texts, tokens of each
ROUNDS = 8
SHOWN = 8  # operators


def session(graph: Path, profile: Path | None = None) -> onnxruntime.InferenceSession:
    """The graph on one thread; `profile` is where the times of its operators go."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    if profile:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    return onnxruntime.InferenceSession(
        str(graph), options, providers=["CPUExecutionProvider"], disabled_optimizers=LEFT_APART
    )


def fuse(graph: Path, made: Path) -> None:
    """Write the graph with SkipLayerNormalization for each sum in an encoder layer and its norm."""
    model = onnx.load(str(graph))
    nodes = model.graph.node
    maker = {output: node for node in nodes for output in node.output}
    _embeddings, *norms = [node for node in nodes if node.op_type == "LayerNormalization"]
    for norm in norms:
        added = maker[norm.input[0]]
        assert added.op_type == "Add"
        epsilon = next(each.f for each in norm.attribute if each.name == "epsilon")
        together = make_node(
            "SkipLayerNormalization",
            [*added.input, *norm.input[1:]],
            norm.output,
            domain="com.microsoft",
            epsilon=epsilon,
        )
        nodes[list(nodes).index(norm)].CopyFrom(together)
        nodes.remove(added)
    onnx.save(model, str(made))


def feed(asked: onnxruntime.InferenceSession, texts: int, tokens: int) -> Feed:
    """Random tokens without padding."""
    shape = (texts, tokens)
    ids = np.random.default_rng(0).integers(5, 500, shape)
    known = {"input_ids": ids, "attention_mask": np.ones(shape, np.int64)}
    return {
        each.name: known.get(each.name, np.zeros(shape, np.int64)) for each in asked.get_inputs()
    }


def seconds(asked: onnxruntime.InferenceSession, given: Feed) -> float:
    """Of one pass."""
    begin_s = perf_counter()
    asked.run(None, given)
    return perf_counter() - begin_s


def compare(graph: Path, repeats: int) -> None:
    """Print a line for each size."""
    with tempfile.TemporaryDirectory() as folder:
        fuse(graph, Path(folder) / GRAPH)
        ways = {"apart": session(graph), "fused": session(Path(folder) / GRAPH)}
    for texts, tokens in SIZES:
        given = feed(ways["apart"], texts, tokens)
        for asked in ways.values():
            seconds(asked, given)
        found: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            turns = [
                {name: seconds(ways[name], given) for name in sorted(ways, reverse=bool(turn % 2))}
                for turn in range(repeats)
            ]
            for name in ways:
                found[name].append(median(turn[name] for turn in turns))
        print(
            f"{texts} x {tokens} tokens: apart {1e3 * median(found['apart']):.2f} ms, "
            f"{ratio(found['apart'], found['fused']).text(3)} of fused"
        )


def operators(graph: Path, repeats: int) -> None:
    """Print the share of each operator in the time of the graph as the Bento runs it."""
    texts, tokens = SIZES[0]
    with tempfile.TemporaryDirectory() as folder:
        asked = session(graph, Path(folder) / "profile")
        given = feed(asked, texts, tokens)
        for _ in range(repeats):
            asked.run(None, given)
        events = json.loads(Path(asked.end_profiling()).read_text(encoding="utf-8"))
    spent: Counter[str] = Counter()
    for event in events:
        if event["name"].endswith("_kernel_time"):
            spent[event["args"]["op_name"]] += event["dur"]
    shares = [f"{name} {us / spent.total():.1%}" for name, us in spent.most_common(SHOWN)]
    print(f"{texts} x {tokens} tokens, shares: {', '.join(shares)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--spec", default="onnx+quantized")
    parser.add_argument("--model")
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args()
    (build,) = build_all([compose(options.spec)], Request(options.model))
    graph = build.path / "src" / "model" / GRAPH
    compare(graph, options.repeats)
    operators(graph, ROUNDS * options.repeats)


if __name__ == "__main__":
    main()
