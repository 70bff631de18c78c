"""ONNX Runtime and the tokenizers library: neither torch nor transformers is needed."""

from collections.abc import Sequence
from operator import attrgetter

import numpy as np
import numpy.typing as npt
import onnxruntime
from tokenizers import Tokenizer

from bentofiles.cutting import encodings
from bentofiles.settings import VariantFile

Ids = npt.NDArray[np.int64]
# ONNX Runtime 1.31 takes a norm with AVX2 (microsoft/onnxruntime#31973), but a sum and its norm in
# one operator number by number. tests/benchmarks/bench_graph.py says what that is worth.
LEFT_APART = ["SkipLayerNormFusion"]
# What the tokenizer calls the inputs of a graph.
READ = {
    "input_ids": attrgetter("ids"),
    "attention_mask": attrgetter("attention_mask"),
    "token_type_ids": attrgetter("type_ids"),
}


class OnnxPredictor:
    """A sequence classifier exported to ONNX."""

    def __init__(
        self, variant: VariantFile, threads: int | None, tokenizer: Tokenizer | None = None
    ) -> None:
        self.variant, self.threads = variant, threads
        self.tokenizer = tokenizer or load_tokenizer(variant)
        options = onnxruntime.SessionOptions()
        if threads is not None:
            options.intra_op_num_threads = threads
            # A spinning thread takes the core that the next worker or the event loop needs.
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(
            str(variant.model_dir / "model.onnx"),
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=LEFT_APART,
        )
        padding = {"input_ids": variant.model.pad_id}
        self.inputs = [
            (node.name, READ[node.name], padding.get(node.name, 0))
            for node in self.session.get_inputs()
        ]

    def widened(self, times: int) -> "OnnxPredictor":
        """The same model with a larger thread pool; the weights are mapped, and so the same."""
        return OnnxPredictor(self.variant, times * (self.threads or 1), self.tokenizer)

    def probabilities(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """Class probabilities, shape (len(texts), labels); all texts run as one padded batch."""
        return self.classify(self.tokenize(texts))

    def tokenize(self, texts: list[str]) -> list[Ids]:
        """The texts as `classify` takes them, each of shape (tokens, inputs of the graph).

        Arrays, because what the tokenizer returns holds all that it has cut off.
        """
        return [
            np.array([read(encoding) for _, read, _ in self.inputs], dtype=np.int64).T
            for encoding in encodings(self.tokenizer, texts, self.variant.model.max_tokens)
        ]

    def classify(self, tokenized: Sequence[Ids]) -> npt.NDArray[np.float32]:
        """Class probabilities, shape (len(tokenized), labels)."""
        (logits,) = self.session.run(["logits"], self.feed(tokenized))
        return softmax(logits)

    def feed(self, tokenized: Sequence[Ids]) -> dict[str, Ids]:
        """The graph's inputs, each of shape (len(tokenized), tokens of the longest)."""
        padded = np.empty((len(self.inputs), len(tokenized), max(map(len, tokenized))), np.int64)
        for values, (_, _, pad) in zip(padded, self.inputs, strict=True):
            values.fill(pad)
        for row, ids in enumerate(tokenized):
            padded[:, row, : len(ids)] = ids.T
        return {name: values for (name, _, _), values in zip(self.inputs, padded, strict=True)}


def load_tokenizer(variant: VariantFile) -> Tokenizer:
    """The model's tokenizer, which does not pad: how long the texts are decides what they meet."""
    tokenizer = Tokenizer.from_file(str(variant.model_dir / "tokenizer.json"))
    tokenizer.enable_truncation(variant.model.max_tokens)
    tokenizer.no_padding()
    return tokenizer


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Softmax over the last axis."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: npt.NDArray[np.float32] = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return result
