"""The model card and metrics.json: what was trained, how, and how well it does."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch
import transformers
from safetensors.numpy import load_file
from scipy.stats import binomtest

from builder._train_card_text import CARD
from builder._train_classify import Checkpoint
from builder._train_settings import Settings


@dataclass(frozen=True)
class Score:
    """Accuracy on the test side of one source with its 95% Wilson score interval.

    The interval covers the sampling of the test texts, not the seed of the training.
    """

    source: str
    correct: int
    n: int
    low: float
    high: float

    @property
    def accuracy(self) -> float:
        """Share of texts labelled correctly."""
        return self.correct / self.n

    def __str__(self) -> str:
        return (
            f"{self.source}: {self.accuracy:.1%} (95% interval {self.low:.1%} to {self.high:.1%},"
            f" n = {self.n:,})"
        )


def score(source: str, correct: int, n: int) -> Score:
    """The Score of `correct` right answers among `n` > 0."""
    interval = binomtest(correct, n).proportion_ci(0.95, method="wilson")
    return Score(source, correct, n, float(interval.low), float(interval.high))


@dataclass(frozen=True)
class TrainingFacts:
    """What happened in a training; times are wall time."""

    settings: Settings
    checkpoints: tuple[Checkpoint, ...]
    pretraining_s: float  # reading and tokenizing included
    classification_s: float


def write_metrics(folder: Path, facts: TrainingFacts, scores: tuple[Score, ...]) -> None:
    """Writes metrics.json into `folder`, which holds the model they are of."""
    parameters = sum(w.size for w in load_file(folder / "model.safetensors").values())
    metrics = {
        "format": 1,
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "parameters": parameters,
        "vocabulary": json.loads((folder / "config.json").read_text())["vocab_size"],
        "test": {s.source: {**asdict(s), "accuracy": s.accuracy} for s in scores},
        "validation": [asdict(checkpoint) for checkpoint in facts.checkpoints],
        "kept_step": max(facts.checkpoints, key=lambda c: c.score).step,
        "settings": asdict(facts.settings),
        "pretraining_s": round(facts.pretraining_s, 1),
        "classification_s": round(facts.classification_s, 1),
        "cpu_model": _cpu_model(),
        "threads": torch.get_num_threads(),
        "libraries": {"torch": torch.__version__, "transformers": transformers.__version__},
    }
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")


def write_card(folder: Path) -> None:
    """Writes README.md into `folder`; every figure in it is one of metrics.json there."""
    metrics = json.loads((folder / "metrics.json").read_text())
    settings = metrics["settings"]
    scores = [
        Score(s["source"], s["correct"], s["n"], s["low"], s["high"])
        for s in metrics["test"].values()
    ]
    card = CARD.format(
        **metrics,
        shape=settings["shape"],
        mlm=settings["pretraining"],
        cls=settings["classification"],
        rows="\n".join(_row(s) for s in scores),
        windows=", ".join(
            f"{phase['window_tokens']} ({phase['share']:.0%} of the steps)"
            for phase in settings["classification"]["phases"]
        ),
        last_step=metrics["validation"][-1]["step"],
        pretraining_min=metrics["pretraining_s"] / 60,
        classification_min=metrics["classification_s"] / 60,
    )
    (folder / "README.md").write_text(card)


def _row(s: Score) -> str:
    return f"| {s.source} | {s.accuracy:.1%} | {s.low:.1%} to {s.high:.1%} | {s.n:,} |"


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "unknown")
