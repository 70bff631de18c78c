"""What a variant costs in answers: compared with the baseline on a golden set."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.drift import points
from builder import artifacts
from builder.batch_invariance import BatchInvariance
from builder.golden import Golden
from builder.machine import library_versions
from variants._errors import OptbuildError

GATE_FAILED = 4
PROBABILITIES = "probabilities.npy"
Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Accuracy:
    """Share of right labels with its 95% Wilson interval (sampling of the texts)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Check:
    """A variant against the baseline on the same texts.

    `largest_difference` is over all texts and labels. The accuracies are None where the texts
    have no labels that the model knows. `batch_invariance` is of the model in the build's process,
    `served` of the same through its server; None in a check of before there was one, and `served`
    for weights that nobody serves.
    """

    source: str
    texts: int
    label_flips: int
    largest_difference: float
    accuracy: Accuracy | None
    baseline_accuracy: Accuracy | None
    batch_invariance: BatchInvariance | None = None
    served: BatchInvariance | None = None

    @property
    def flip_rate(self) -> float:
        """Share of texts whose most probable label differs from the baseline's."""
        return self.label_flips / self.texts

    @property
    def accuracy_drop(self) -> float:
        """Baseline's accuracy minus the variant's, as a share; 0 where there are no labels."""
        if self.accuracy is None or self.baseline_accuracy is None:
            return 0.0
        return self.baseline_accuracy.value - self.accuracy.value

    def to_json(self) -> dict[str, Any]:
        """The form in which a Bento and `run.json` keep it."""
        return {
            "golden": {
                "source": self.source,
                "count": self.texts,
                "labelled": self.texts if self.accuracy else 0,
            },
            "label_flips": self.label_flips,
            "label_flip_rate": self.flip_rate,
            "max_probability_difference": self.largest_difference,
            "accuracy": asdict(self.accuracy) if self.accuracy else None,
            "baseline_accuracy": asdict(self.baseline_accuracy) if self.baseline_accuracy else None,
            "batch_invariance": self.batch_invariance.to_json() if self.batch_invariance else None,
            "served": self.served.to_json() if self.served else None,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Check":
        """The inverse of `to_json`."""

        def accuracy(name: str) -> Accuracy | None:
            return Accuracy(**content[name]) if content[name] else None

        def invariance(name: str) -> BatchInvariance | None:
            return BatchInvariance.from_json(content[name]) if content.get(name) else None

        return cls(
            source=content["golden"]["source"],
            texts=content["golden"]["count"],
            label_flips=content["label_flips"],
            largest_difference=content["max_probability_difference"],
            accuracy=accuracy("accuracy"),
            baseline_accuracy=accuracy("baseline_accuracy"),
            batch_invariance=invariance("batch_invariance"),
            served=invariance("served"),
        )


@dataclass(frozen=True)
class Limits:
    """What a Bento may lose; shares, not percent."""

    accuracy_drop: float = 0.01
    flip_rate: float = 0.02
    # As many as may differ from the baseline's: whoever accepts those accepts these. Dynamic int8
    # of the bundled model flips 0 to 2 of 256 labels, by the draw of texts; fp32 and static none.
    batch_flip_rate: float = 0.02
    # Of a probability, whether or not the label flips; dynamic int8 of the bundled model drifts by
    # less than 0.01.
    batch_drift: float = 0.25


def equivalent(check: Check, limits: Limits) -> bool:
    """Whether accuracy and labels are near enough to the baseline's."""
    # A hair of tolerance: 0.86 - 0.85 is a little more than 0.01 in binary.
    return (
        check.accuracy_drop <= limits.accuracy_drop + 1e-9
        and check.flip_rate <= limits.flip_rate + 1e-9
    )


def require(check: Check, limits: Limits, spec: str) -> None:
    """Raise OptbuildError (exit code 4) with the figures if a check is beyond the limits."""
    for invariance, where in ((check.batch_invariance, ""), (check.served, " through its server")):
        if invariance is None or (
            invariance.flip_rate <= limits.batch_flip_rate + 1e-9
            and invariance.largest_drift <= limits.batch_drift + 1e-9
        ):
            continue
        raise OptbuildError(
            f"{spec} answers otherwise beside other texts than alone{where}: "
            f"{invariance.label_flips} of {invariance.texts} labels differ "
            f"({invariance.flip_rate:.2%}, limit {limits.batch_flip_rate:.2%}), largest drift of a "
            f"probability {points(invariance.largest_drift)} points (limit "
            f"{points(limits.batch_drift)}); take quantized=static for quantized, leave the layer "
            "out, or raise --max-batch-flips or --max-batch-drift",
            exit_code=GATE_FAILED,
        )
    if equivalent(check, limits):
        return
    drop, flips = check.accuracy_drop, check.flip_rate
    falls = f"falls by {drop:.2%} (limit {limits.accuracy_drop:.2%})"
    raise OptbuildError(
        f"{spec} is not equivalent to the baseline on {check.texts} texts: accuracy "
        f"{falls if check.accuracy else 'unknown without labels'}, labels flip in {flips:.2%} "
        f"(limit {limits.flip_rate:.2%}); leave the layer out, or raise --max-accuracy-drop "
        "or --max-flips",
        exit_code=GATE_FAILED,
    )


def compare(
    variant: Probabilities,
    baseline: Probabilities,
    golden: Golden,
    right: list[int] | None,
    batch_invariance: BatchInvariance | None = None,
) -> Check:
    """The check of two (texts, labels) arrays; `right` holds the index of each text's label."""
    answers, expected = variant.argmax(axis=1), baseline.argmax(axis=1)
    return Check(
        source=golden.source,
        texts=len(golden.texts),
        label_flips=int((answers != expected).sum()),
        largest_difference=float(np.abs(variant - baseline).max()),
        accuracy=None if right is None else wilson(answers == np.array(right)),
        baseline_accuracy=None if right is None else wilson(expected == np.array(right)),
        batch_invariance=batch_invariance,
    )


def wilson(hits: npt.NDArray[np.bool_]) -> Accuracy:
    """Mean of an array of hits, shape (texts,), with its 95% Wilson interval."""
    from scipy.stats import binomtest

    count = int(hits.sum())
    interval = binomtest(count, len(hits)).proportion_ci(0.95, method="wilson")
    return Accuracy(count / len(hits), float(interval.low), float(interval.high))


def predict(sources: Path, texts: tuple[str, ...]) -> Probabilities:
    """Probabilities of a Bento's own predictor, in batches as large as the Bento would form."""
    from bentofiles.predictor import load_predictor
    from bentofiles.settings import read_variant

    variant = read_variant(sources)
    predictor = load_predictor(variant)
    size = variant.settings.max_batch_size or 1
    chunks = [list(texts[start : start + size]) for start in range(0, len(texts), size)]
    return np.concatenate([predictor.probabilities(chunk) for chunk in chunks])


def kept(
    kind: str, recipe: artifacts.Facts, sources: Path, texts: tuple[str, ...]
) -> Probabilities:
    """`predict`, computed once for each recipe: everything that decides the answers."""

    def fill(folder: Path) -> dict[str, object]:
        np.save(folder / PROBABILITIES, predict(sources, texts), allow_pickle=False)
        return {"texts": len(texts)}

    folder = artifacts.make(kind, recipe, fill).path
    result: Probabilities = np.load(folder / PROBABILITIES, allow_pickle=False)
    return result


def reference(sources: Path, model_digest: str, golden: Golden) -> Probabilities:
    """The baseline's probabilities, computed once for each model and golden set."""
    recipe = {
        "model": model_digest,
        "golden": golden.digest,
        "libraries": library_versions(("torch", "transformers", "tokenizers")),
    }
    return kept("reference", recipe, sources, golden.texts)
