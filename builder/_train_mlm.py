"""Stage 1: masked-language pre-training on packed rows of the train texts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from scipy import sparse
from scipy.sparse.linalg import svds
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import RobertaConfig, RobertaForMaskedLM

from builder._train_loop import Stepper, meter, shares
from builder._train_settings import Pretraining, Settings
from builder._train_tokens import MASK, PAD, SPECIAL_TOKENS, Ids


def pretrain(
    config: RobertaConfig, texts: Sequence[Ids], settings: Settings, console: Console
) -> RobertaForMaskedLM:
    """A language model of `texts` (ids of each, <s> and </s> included)."""
    plan = settings.pretraining
    rng = np.random.default_rng([settings.seed, 1])
    model = RobertaForMaskedLM(config)
    if plan.epochs == 0:
        return model
    embeddings = cooccurrence_embeddings(texts, config.vocab_size, config.hidden_size, plan)
    with torch.no_grad():
        model.roberta.embeddings.word_embeddings.weight.copy_(torch.from_numpy(embeddings))
        # Steps of 1e-3 would spend the whole training on learning how rare each token is.
        model.lm_head.bias.copy_(torch.from_numpy(log_frequencies(texts, config.vocab_size)))
    total_steps = max(1, round(plan.epochs * len(pack(texts, plan)) / plan.rows_per_batch))
    stepper = Stepper(
        model, settings, peak_rate=plan.peak_rate, warmup=plan.warmup, total_steps=total_steps
    )
    model.train()
    with meter("pre-training", total_steps, console) as progress:
        batches = _batches(texts, plan, rng)
        for _ in range(total_steps):
            rows = next(batches)
            masked = _masked(rows, config, plan, rng)
            parts = [partial(_loss, model, masked.part(share)) for share in shares(len(rows))]
            progress.update(stepper.step(parts), rows.size)
    return model


def pack(texts: Sequence[Ids], plan: Pretraining) -> Ids:
    """The texts one after the other, cut into (rows, row_tokens); the last, short row is padded."""
    stream = np.concatenate(texts)
    missing = -len(stream) % plan.row_tokens
    return np.pad(stream, (0, missing), constant_values=PAD).reshape(-1, plan.row_tokens)


def mask(
    rows: Ids, vocabulary: int, rate: float, rng: np.random.Generator
) -> tuple[Ids, NDArray[np.bool_]]:
    """Hidden rows and the positions to guess, both (rows, row_tokens).

    Of the chosen tokens 80% become <mask>, 10% another token, 10% stay (Devlin et al. 2019, 3.1).
    """
    chosen = (rng.random(rows.shape) < rate) & (rows >= len(SPECIAL_TOKENS))
    fate = rng.random(rows.shape)
    others = rng.integers(len(SPECIAL_TOKENS), vocabulary, size=rows.shape)
    hidden = np.where(chosen & (fate < 0.8), MASK, rows)
    hidden = np.where(chosen & (fate >= 0.8) & (fate < 0.9), others, hidden)
    return hidden, chosen


def log_frequencies(texts: Sequence[Ids], vocabulary: int) -> NDArray[np.float32]:
    """Log of each token's share of `texts`, (vocabulary,), with one added to each count."""
    counts = np.bincount(np.concatenate(texts), minlength=vocabulary) + 1.0
    counts[: len(SPECIAL_TOKENS)] = 1.0  # never to be guessed
    frequencies: NDArray[np.float32] = np.log(counts / counts.sum()).astype(np.float32)
    return frequencies


def cooccurrence_embeddings(
    texts: Sequence[Ids], vocabulary: int, width: int, plan: Pretraining
) -> NDArray[np.float32]:
    """First word embeddings (vocabulary, width): factors of the tokens' positive PMI.

    A few thousand steps are too few to learn 12,000 embeddings from noise; counting neighbours
    gives most of it in a minute (Levy and Goldberg 2014, eq. 10: U sqrt(S)). Scaled to a standard
    deviation of 0.04; tokens that never occur with another stay small and random.
    """
    stream = np.concatenate(texts)
    counts = sparse.csr_matrix((vocabulary, vocabulary), dtype=np.float32)
    for offset in range(1, plan.cooccurrence_window + 1):
        left, right = stream[:-offset], stream[offset:]
        ones = np.ones(len(left), dtype=np.float32)
        counts += sparse.csr_matrix((ones, (left, right)), shape=counts.shape)
    pairs = sparse.coo_matrix(counts + counts.T)
    share = np.asarray(pairs.sum(axis=0)).ravel() ** 0.75
    totals = np.asarray(pairs.sum(axis=1)).ravel()
    pmi = np.log(pairs.data * share.sum() / (totals[pairs.row] * share[pairs.col]))
    ppmi = sparse.csr_matrix(
        (np.maximum(pmi, 0).astype(np.float32), (pairs.row, pairs.col)), shape=counts.shape
    )
    rng = np.random.default_rng(0)
    u, s, _ = svds(ppmi, k=width, v0=rng.normal(size=vocabulary), tol=1e-2)
    factors = u * np.sqrt(s)
    noise = rng.normal(scale=0.01, size=factors.shape)
    noise[PAD] = 0
    return np.asarray(0.04 * factors / factors.std() + noise, dtype=np.float32)


def _batches(texts: Sequence[Ids], plan: Pretraining, rng: np.random.Generator) -> Iterator[Ids]:
    """Batches (rows_per_batch, row_tokens) without end; each epoch packs the texts anew."""
    while True:
        order = rng.permutation(len(texts))
        rows = rng.permutation(pack([texts[i] for i in order], plan))
        for start in range(0, len(rows), plan.rows_per_batch):
            yield rows[start : start + plan.rows_per_batch]


@dataclass(frozen=True)
class _Masked:
    """A batch; all are (rows, row_tokens)."""

    hidden: Tensor
    chosen: Tensor
    truth: Tensor
    positions: Tensor

    def part(self, rows: slice) -> "_Masked":
        return _Masked(self.hidden[rows], self.chosen[rows], self.truth[rows], self.positions[rows])


def _masked(
    rows: Ids, config: RobertaConfig, plan: Pretraining, rng: np.random.Generator
) -> _Masked:
    hidden, chosen = mask(rows, config.vocab_size, plan.mask_rate, rng)
    positions = _positions(rows.shape, config, rng)
    return _Masked(*(torch.from_numpy(a) for a in (hidden, chosen, rows, positions)))


def _loss(model: RobertaForMaskedLM, batch: _Masked) -> Tensor:
    """Mean cross-entropy at the masked positions; logits are computed nowhere else."""
    with torch.autocast("cpu", torch.bfloat16):
        states = model.roberta(
            batch.hidden, (batch.truth != PAD).long(), position_ids=batch.positions
        )[0]
        logits = model.lm_head(states[batch.chosen])
    return cross_entropy(logits.float(), batch.truth[batch.chosen])


def _positions(shape: tuple[int, ...], config: RobertaConfig, rng: np.random.Generator) -> Ids:
    """Position ids (rows, row_tokens); half of the rows are shifted, to train all positions."""
    first = config.pad_token_id + 1  # where RoBERTa's positions start
    free = config.max_position_embeddings - first - shape[1]
    shifts = rng.integers(0, free + 1, size=(shape[0], 1)) * rng.integers(0, 2, size=(shape[0], 1))
    return np.asarray(first + shifts + np.arange(shape[1]), dtype=np.int64)
