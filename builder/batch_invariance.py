"""Does a text get the same answer alone and in batches? Int8 scales taken from a batch say no."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from builder import digests

Probabilities = npt.NDArray[np.float32]
Predict = Callable[[list[str]], Probabilities]

TEXTS = 256  # of the golden set; each runs three times or twice
BESIDE_LONG = 64
BATCH = 32
BATCH_BESIDE_LONG = 4


@dataclass(frozen=True)
class BatchInvariance:
    """Answers to `texts` texts in batches, beside those to the same texts alone.

    `label_flips`: texts whose most probable label is another in any of them.
    `largest_drift`: of any probability of any text.
    """

    texts: int
    label_flips: int
    largest_drift: float

    @property
    def flip_rate(self) -> float:
        """Share of texts whose label depends on what runs beside them."""
        return self.label_flips / self.texts

    def to_json(self) -> dict[str, Any]:
        """The form in which a check keeps it."""
        return {**asdict(self), "label_flip_rate": self.flip_rate}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "BatchInvariance":
        """The inverse of `to_json`."""
        return cls(content["texts"], content["label_flips"], content["largest_drift"])


def sample(texts: Sequence[str]) -> list[str]:
    """The texts that are looked at: a fixed sample, in an order unrelated to their kind."""
    return sorted(texts, key=digests.of_json)[:TEXTS]


def batches(texts: Sequence[str]) -> Iterator[list[str]]:
    """Batches for the texts of a sample: mixed as they come, and beside the longest of all."""
    for start in range(0, len(texts), BATCH):
        yield list(texts[start : start + BATCH])
    longest = max(texts, key=len)
    for start in range(0, min(len(texts), BESIDE_LONG), BATCH_BESIDE_LONG - 1):
        yield [*texts[start : start + BATCH_BESIDE_LONG - 1], longest]


def compare(predict: Predict, texts: Sequence[str]) -> BatchInvariance:
    """Ask `predict` about each text alone and in its batches.

    `predict` gives probabilities (texts, labels) for a list of texts, run as one batch.
    """
    alone = {text: predict([text])[0] for text in dict.fromkeys(texts)}
    flipped: set[str] = set()
    largest = 0.0
    for batch in batches(list(alone)):
        expected = np.stack([alone[text] for text in batch])
        got = predict(batch)
        largest = max(largest, float(np.abs(got - expected).max()))
        others = got.argmax(axis=1) != expected.argmax(axis=1)
        flipped |= {text for text, other in zip(batch, others, strict=True) if other}
    return BatchInvariance(len(alone), len(flipped), largest)


def of_bento(sources: Path, texts: Sequence[str]) -> BatchInvariance:
    """The same of a Bento's own predictor, for a sample of the texts."""
    from bentofiles.predictor import load_predictor
    from bentofiles.settings import read_variant

    predictor = load_predictor(read_variant(sources))
    return compare(predictor.probabilities, sample(texts))
