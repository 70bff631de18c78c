"""Texts that judge nothing, and the ranges of activations that static quantization fixes on them.

The user's, else training texts where the reviews are installed, else generated ones; never a text
of the golden set: what is also judged by would pass for better than it is.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx.helper import make_tensor_value_info

from bentofiles.onnx_predictor import OnnxPredictor
from bentofiles.settings import ModelFacts, Settings, VariantFile
from builder.export import GRAPH
from builder.fixed_scales import Range
from builder.golden import Golden
from builder.prepare import Prepared
from loadtests._texts import generated_sentences, load_texts, read_reviews, split_of
from variants._errors import OptbuildError
from variants._layer import Variant

SENTENCES, LONG_REVIEWS = 96, 32
MOST_OWN = 256  # of the user's own: each runs through the graph several times
SEED = 1  # not the golden set's
# The share of an activation's values inside its range. On the bundled model 99.99 flips 3 of 1,042
# labels and the whole range 3; 99.9 flips 7 and moves a probability by 0.1 instead of 0.02. Of the
# two good ones this does not let a single value decide.
PERCENTILE = 99.99
BINS = 2048


@dataclass(frozen=True)
class Calibration:
    """Texts to calibrate with, and where they come from."""

    source: str
    texts: tuple[str, ...]


def calibration_for(golden: Golden, path: Path | None = None) -> Calibration:
    """Texts for a model that is judged on `golden`: none of its texts is among them."""
    judged = set(golden.texts)
    if path is not None:
        return _from_file(path, judged)
    try:
        reviews = read_reviews()
    except OptbuildError:  # the reviews are an extra
        sentences = generated_sentences(SENTENCES + LONG_REVIEWS, SEED)
        return Calibration("generated sentences", tuple(t for t in sentences if t not in judged))
    chosen: list[str] = []
    for source, count in (("rotten_tomatoes", SENTENCES), ("imdb", LONG_REVIEWS)):
        texts = [review.text for review in reviews if review.source == source]
        # From the whole file, which has all positive reviews first; twice as many as needed.
        spread = texts[:: max(1, len(texts) // (2 * count))]
        fit = [text for text in spread if split_of(text) == "train" and text not in judged]
        chosen += fit[:: max(1, len(fit) // count)][:count]
    return Calibration("training movie reviews", tuple(chosen))


def _from_file(path: Path, judged: set[str]) -> Calibration:
    """The user's texts, from the whole file if it has more than it takes."""
    given = load_texts(path).texts
    own = [text for text in given if text not in judged]
    if not own:
        raise OptbuildError(f"every text of {path} is in the golden set too: calibrate on others")
    chosen = own[:: -(-len(own) // MOST_OWN)]
    return Calibration(f"of {len(given)} in {path.name}", tuple(chosen))


def open_graph(graph: Path, prepared: Prepared) -> OnnxPredictor:
    """A graph as a Bento would run it."""
    facts = ModelFacts(prepared.labels, prepared.max_tokens, prepared.pad_id, prepared.pad_token)
    settings = Settings(**Variant(runtime="onnx").settings())  # type: ignore[arg-type]  # JSON
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder)
        (model / GRAPH).symlink_to(graph.resolve())
        (model / "tokenizer.json").symlink_to((prepared.folder / "tokenizer.json").resolve())
        return OnnxPredictor(VariantFile(settings, facts, model), None)


def ranges(
    graph: Path, tensors: Sequence[str], prepared: Prepared, texts: Sequence[str]
) -> Mapping[str, Range]:
    """Lowest and highest value to represent of each tensor of a float graph, from its histogram.

    The texts run one by one: padding is no text, and has no say in the range.
    """
    from onnxruntime.quantization.calibrate import HistogramCollector

    model = onnx.load(str(graph))
    float_type = onnx.TensorProto.FLOAT
    model.graph.output.extend(make_tensor_value_info(name, float_type, None) for name in tensors)
    with tempfile.TemporaryDirectory() as scratch:
        open_to_see = Path(scratch) / GRAPH
        onnx.save(model, str(open_to_see))
        predictor = open_graph(open_to_see, prepared)
    collector = HistogramCollector("percentile", False, BINS, BINS, PERCENTILE, "same")
    for text in texts:
        values = predictor.session.run(list(tensors), predictor.feed(predictor.tokenize([text])))
        collector.collect({name: [np.ravel(v)] for name, v in zip(tensors, values, strict=True)})
    found = collector.compute_collection_result()
    bounds = {name: found[name][:2] for name in tensors}
    return {name: (float(low), float(high)) for name, (low, high) in bounds.items()}
