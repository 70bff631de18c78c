"""Everything that decides what the bundled model becomes, in one place."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """Size of the network; a RoBERTa in all but size."""

    vocabulary: int = 12_000
    layers: int = 4
    hidden: int = 256
    heads: int = 4
    feed_forward: int = 1024
    max_tokens: int = 256  # with <s> and </s>


@dataclass(frozen=True)
class Pretraining:
    """Masked-language modelling on the train texts, packed into rows of equal length."""

    epochs: float = 0.15
    row_tokens: int = 128
    rows_per_batch: int = 16
    mask_rate: float = 0.25
    peak_rate: float = 1e-3
    warmup: float = 0.08  # fraction of all steps
    cooccurrence_window: int = 5  # tokens to each side, for the first embeddings


@dataclass(frozen=True)
class Phase:
    """A part of the classification stage in which long reviews are seen through one window."""

    window_tokens: int
    share: float  # of the stage's steps


@dataclass(frozen=True)
class Classification:
    """Sentiment on both sources; from short windows, which are fast, to whole inputs."""

    epochs: float = 1.4
    phases: tuple[Phase, ...] = (Phase(64, 0.6), Phase(128, 0.25), Phase(256, 0.15))
    texts_per_batch: int = 32
    short_repeats: int = 2  # times a Rotten Tomatoes sentence is seen in an epoch
    head_probability: float = 0.5  # that a long review's window starts where the review does
    word_masking: float = 0.1
    dropout: float = 0.1
    label_smoothing: float = 0.1
    peak_rate: float = 5e-4
    warmup: float = 0.1


@dataclass(frozen=True)
class Settings:
    """All of a training; equal settings, seed and thread count give an equal model."""

    shape: Shape = Shape()
    pretraining: Pretraining = Pretraining()
    classification: Classification = Classification()
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    seed: int = 0
