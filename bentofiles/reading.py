"""Texts as the model takes them, tokenized before it is chosen which of them run together.

A length that is estimated from characters is off by a tenth, so texts that look alike are not, and
each is padded to the longest: passes of four out of 64 waiting sentences by 12%, which is all that
running them together saves. With counted tokens it is 5%.
"""

from collections.abc import Callable, Sequence, Sized
from itertools import islice
from time import perf_counter
from typing import Any

from bentofiles.line import Part
from bentofiles.packing import LONG, Size, size_of

# Parts that one lane reads before it runs any: a burst is read by all lanes, and run meanwhile.
MOST_AHEAD = 16
Tokenize = Callable[[list[str]], Sequence[Sized]]  # texts to what the model takes, one each


class Reader:
    """Tokenizes texts on whichever lane is about to choose or to run them.

    Without `tokenize` the model takes the texts themselves, and lengths stay estimates.
    """

    def __init__(self, tokenize: Tokenize | None = None) -> None:
        self._tokenize = tokenize
        # Costs count estimated tokens, and of those English words have more than of real ones.
        self._estimated = 1.0
        if tokenize:
            self._estimated = size_of([LONG], len(LONG)).tokens / len(tokenize([LONG])[0])

    def estimated(self, tokens: float) -> float:
        """So many real tokens, as estimates have them."""
        return tokens * self._estimated

    def claim(self, parts: Sequence[Part]) -> list[Part]:
        """A few of the parts to read ahead, which no other lane does. Its callers hold a lock.

        Texts of which some may be cut off are not among them: to read one may take as long as to
        run many others.
        """
        if not self._tokenize:
            return []
        unread = (part for part in parts if not (part.claimed or part.size.beside_s))
        claimed = list(islice(unread, MOST_AHEAD))
        for part in claimed:
            part.claimed = True
        return claimed

    def read(self, parts: Sequence[Part]) -> list[Size]:
        """Tokenize the parts; returns their sizes, as counted."""
        assert self._tokenize
        begin_s = perf_counter()
        inputs = self._tokenize([text for part in parts for text in part.texts])
        token_s = (perf_counter() - begin_s) / max(1, sum(map(len, inputs)))
        following, sizes = iter(inputs), []
        for part in parts:
            part.inputs = list(islice(following, len(part.texts)))
            lengths = [len(one) for one in part.inputs]
            part.read_s = token_s * sum(lengths)
            sizes.append(Size(len(lengths), self.estimated(max(lengths))))
        return sizes

    def inputs(self, parts: Sequence[Part]) -> list[Any]:
        """What the model takes of these parts; reads those that are not yet."""
        if not self._tokenize:
            return [text for part in parts for text in part.texts]
        if unread := [part for part in parts if part.inputs is None]:
            self.read(unread)
        return [one for part in parts for one in part.inputs or ()]
