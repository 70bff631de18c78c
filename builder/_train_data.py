"""The movie reviews as ids and labels, by side of the split."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from builder._train_tokens import Ids, encode
from loadtests._texts import Review, Split, read_reviews, split_of

SOURCES = ("imdb", "rotten_tomatoes")


@dataclass(frozen=True)
class Labelled:
    """Texts of one side: ids (uncut), labels (n,) and indices into SOURCES (n,)."""

    ids: tuple[Ids, ...]
    labels: NDArray[np.int64]
    sources: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    def of_source(self, source: str) -> "Labelled":
        """Only the texts of `source`."""
        chosen = np.flatnonzero(self.sources == SOURCES.index(source))
        return Labelled(
            tuple(self.ids[i] for i in chosen), self.labels[chosen], self.sources[chosen]
        )


def reviews_of(split: Split, limit: int | None = None) -> list[Review]:
    """Reviews of one side in file order; at most `limit` of each source and label."""
    reviews: list[Review] = []
    seen: dict[tuple[str, int], int] = {}
    for review in read_reviews():
        kind = (review.source, review.label)
        if split_of(review.text) == split and (limit is None or seen.get(kind, 0) < limit):
            seen[kind] = seen.get(kind, 0) + 1
            reviews.append(review)
    return reviews


def label(tokenizer: Tokenizer, reviews: Sequence[Review]) -> Labelled:
    """The reviews as the networks take them."""
    return Labelled(
        tuple(encode(tokenizer, [review.text for review in reviews])),
        np.array([review.label for review in reviews], dtype=np.int64),
        np.array([SOURCES.index(review.source) for review in reviews], dtype=np.int64),
    )
