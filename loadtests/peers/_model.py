"""The model as every peer runs it: one session, one tokenizer, one form of answer.

It does what a Bento's predictor does, with the same graph, the same tokenizer and the same thread
settings, so that two servers differ in how they serve and in nothing else.
"""

import gc
import json
import os
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from loadtests.peers._settings import sources

Answer = list[dict[str, Any]]
# What the tokenizer calls the inputs of a graph.
READ = {
    "input_ids": attrgetter("ids"),
    "attention_mask": attrgetter("attention_mask"),
    "token_type_ids": attrgetter("type_ids"),
}


class Model:
    """A loaded classifier; its methods may be called from several threads at a time."""

    def __init__(self, threads: int) -> None:
        # Read by the tokenizer when it first takes several texts. A pool of one thread would only
        # stand in the way of several threads that tokenize.
        os.environ["RAYON_NUM_THREADS"] = str(threads)
        os.environ["TOKENIZERS_PARALLELISM"] = "true" if threads > 1 else "false"
        facts = json.loads((sources() / "variant.json").read_text(encoding="utf-8"))["model"]
        self.labels: list[str] = facts["labels"]
        self.tokenizer = Tokenizer.from_file(str(sources() / "model" / "tokenizer.json"))
        self.tokenizer.enable_truncation(facts["max_tokens"])
        self.tokenizer.enable_padding(pad_id=facts["pad_id"], pad_token=facts["pad_token"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # A spinning thread takes the core that the next worker or the event loop needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(
            str(sources() / "model" / "model.onnx"),
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=["SkipLayerNormFusion"],  # slower than what it replaces
        )
        self.inputs = [(node.name, READ[node.name]) for node in self.session.get_inputs()]
        for text in ("A film.", "A slow, warm and rather long film about a summer. " * 4):
            self.best([text])
        spare_gc()

    def best(self, texts: Sequence[str]) -> tuple[list[int], list[float]]:
        """Index and probability of each text's most probable label; one padded batch."""
        encodings = self.tokenizer.encode_batch_fast(list(texts))
        feed = {
            name: np.array([read(encoding) for encoding in encodings], dtype=np.int64)
            for name, read in self.inputs
        }
        (logits,) = self.session.run(["logits"], feed)
        exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
        rows = exponentials / exponentials.sum(axis=-1, keepdims=True)
        return rows.argmax(axis=1).tolist(), rows.max(axis=1).tolist()

    def predict(self, texts: Sequence[str]) -> Answer:
        """The answer to one request."""
        return [
            {"label": self.labels[index], "score": score}
            for index, score in zip(*self.best(texts), strict=True)
        ]

    def predict_many(self, requests: Sequence[Sequence[str]]) -> list[Answer]:
        """The answers to several requests, whose texts run as one batch."""
        found = iter(self.predict([text for texts in requests for text in texts]))
        return [[next(found) for _ in texts] for texts in requests]


def spare_gc() -> None:
    """Keep the garbage collector out of the tail, as our variants do once all is loaded."""
    gc.collect()
    gc.freeze()  # what is loaded stays: looking through it again only costs time
    gc.set_threshold(10_000, 20, 50)
