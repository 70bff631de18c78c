"""Stage 2: sentiment of a text, on top of the pre-trained encoder."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import RobertaForSequenceClassification

from builder._train_data import SOURCES, Labelled
from builder._train_loop import Meter, Stepper, meter, shares
from builder._train_settings import Classification, Settings
from builder._train_tokens import MASK, SPECIAL_TOKENS, Ids, cut, pad

IMDB = SOURCES.index("imdb")


@dataclass(frozen=True)
class Checkpoint:
    """State of the model after one phase; accuracies are those of the validation side."""

    window_tokens: int
    step: int
    loss: float
    accuracy: dict[str, float]

    @property
    def score(self) -> float:
        """Mean accuracy of the sources, so that the smaller one counts as much."""
        return sum(self.accuracy.values()) / len(self.accuracy)


def classify(
    model: RobertaForSequenceClassification,
    train: Labelled,
    validation: Labelled,
    settings: Settings,
    console: Console,
) -> Iterator[Checkpoint]:
    """Trains `model` in place; yields after each phase, so that the caller can keep the best."""
    plan, max_tokens = settings.classification, settings.shape.max_tokens
    rng = np.random.default_rng([settings.seed, 2])
    batches_an_epoch = len(_order(train, max_tokens, plan, rng))
    steps = [max(1, round(plan.epochs * p.share * batches_an_epoch)) for p in plan.phases]
    stepper = Stepper(
        model, settings, peak_rate=plan.peak_rate, warmup=plan.warmup, total_steps=sum(steps)
    )
    with meter("classification", sum(steps), console) as progress:
        for phase, count in zip(plan.phases, steps, strict=True):
            model.train()
            for chosen in islice(_batches(train, phase.window_tokens, plan, rng), count):
                rows = [_seen(train, i, phase.window_tokens, plan, rng) for i in chosen]
                _step(model, stepper, rows, train.labels[chosen], plan, progress)
            with torch.autocast("cpu", torch.bfloat16):
                accuracy = {
                    s: _accuracy(model, validation.of_source(s), max_tokens) for s in SOURCES
                }
            yield Checkpoint(phase.window_tokens, progress.steps, progress.loss, accuracy)


def predict(
    model: RobertaForSequenceClassification, texts: tuple[Ids, ...], max_tokens: int
) -> NDArray[np.float32]:
    """Probability of each label, (n, 2), computed in the model's own precision."""
    model.eval()
    rows = [cut(ids, max_tokens) for ids in texts]
    order = np.argsort([len(row) for row in rows], kind="stable")  # equal lengths, no padding
    probabilities = np.empty((len(rows), 2), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(rows), 32):
            chosen = order[start : start + 32]
            ids, attended = pad([rows[i] for i in chosen])
            logits = model(torch.from_numpy(ids), torch.from_numpy(attended)).logits
            probabilities[chosen] = logits.float().softmax(-1).numpy()
    return probabilities


def _accuracy(model: RobertaForSequenceClassification, data: Labelled, max_tokens: int) -> float:
    guesses = predict(model, data.ids, max_tokens).argmax(axis=1)
    return float((guesses == data.labels).mean())


def _batches(
    data: Labelled, window: int, plan: Classification, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Batches of indices without end."""
    while True:
        yield from _order(data, window, plan, rng)


def _order(
    data: Labelled, window: int, plan: Classification, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """One epoch of batches in random order, each of texts of similar length within `window`."""
    long = np.flatnonzero(data.sources == IMDB)
    short = np.repeat(np.flatnonzero(data.sources != IMDB), plan.short_repeats)
    everything = np.concatenate((long, short))
    # A tenth of noise on the length keeps the same texts from always meeting.
    lengths = np.array([min(window, len(data.ids[i])) for i in everything]) * rng.uniform(
        0.9, 1.1, size=len(everything)
    )
    everything = everything[np.argsort(lengths)]
    size = plan.texts_per_batch
    batches = [everything[start : start + size] for start in range(0, len(everything), size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def _seen(
    data: Labelled, index: int, window: int, plan: Classification, rng: np.random.Generator
) -> Ids:
    """What the model sees of a text this time: a window of it with some words masked."""
    ids = data.ids[index]
    spare = max(0, len(ids) - window)
    start = 0 if rng.random() < plan.head_probability else int(rng.integers(0, spare + 1))
    row = cut(ids, window, start)
    hidden = (rng.random(len(row)) < plan.word_masking) & (row >= len(SPECIAL_TOKENS))
    return np.where(hidden, MASK, row)


def _step(
    model: RobertaForSequenceClassification,
    stepper: Stepper,
    rows: list[Ids],
    labels: NDArray[np.int64],
    plan: Classification,
    progress: Meter,
) -> None:
    def loss(rows: list[Ids], labels: NDArray[np.int64]) -> Tensor:
        ids, attended = pad(rows)
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(torch.from_numpy(ids), torch.from_numpy(attended)).logits
        return cross_entropy(
            logits.float(), torch.from_numpy(labels), label_smoothing=plan.label_smoothing
        )

    parts = [partial(loss, rows[share], labels[share]) for share in shares(len(rows))]
    progress.update(stepper.step(parts), sum(map(len, rows)))
