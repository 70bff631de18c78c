"""PyTorch eager through a transformers pipeline, as BentoML's tutorial has it."""

import numpy as np
import numpy.typing as npt
import torch
from transformers import pipeline

from bentofiles.settings import VariantFile


class TorchPredictor:
    """A sequence classifier in a text-classification pipeline."""

    def __init__(self, variant: VariantFile, threads: int | None) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self.labels = variant.model.labels
        self.tokenize = None  # the pipeline does
        self.pipeline = pipeline(
            "text-classification",
            model=str(variant.model_dir),
            dtype=torch.bfloat16 if variant.settings.precision == "bf16" else torch.float32,
            top_k=None,
            truncation=True,
            max_length=variant.model.max_tokens,
            # The pipeline takes texts one by one unless it is told otherwise.
            batch_size=variant.settings.max_batch_size or 1,
        )

    def widened(self, times: int) -> None:
        """PyTorch has one number of threads for the whole process."""

    def probabilities(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """Class probabilities, shape (len(texts), labels)."""
        rows = [{item["label"]: item["score"] for item in row} for row in self.pipeline(texts)]
        return np.array([[row[label] for label in self.labels] for row in rows], dtype=np.float32)

    classify = probabilities
