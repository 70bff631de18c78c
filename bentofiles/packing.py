"""Which of the waiting requests run together: a model of cost, and the choice that follows from it.

A forward pass over n texts padded to s tokens takes about `call_s + token_s * n * s` seconds. So
running two requests together saves one `call_s` and pays for the padding of the shorter one. On a
CPU the first is often small: then only texts of nearly the same length belong together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

CHARACTERS_A_TOKEN = 4.0  # of English under byte-level BPE; only an ordering is needed


@dataclass(frozen=True)
class Costs:
    """Seconds of a forward pass: fixed, and for each padded token."""

    call_s: float
    token_s: float

    def of(self, texts: int, tokens: float) -> float:
        """Expected seconds for `texts` texts padded to `tokens` tokens."""
        return self.call_s + self.token_s * texts * tokens


@dataclass(frozen=True)
class Size:
    """How large a request is: its texts, and the estimated tokens of the longest."""

    texts: int
    tokens: float


def size_of(texts: Sequence[str], most_tokens: int) -> Size:
    """Estimate from the characters: real tokens are only known after tokenizing."""
    longest = max(map(len, texts))
    return Size(len(texts), min(float(most_tokens), 2 + longest / CHARACTERS_A_TOKEN))


def pack(waiting: Sequence[Size], costs: Costs, most_tokens: int, most_texts: int) -> list[int]:
    """Indices into `waiting` (oldest first) of the requests to run now, the oldest among them.

    The oldest always runs, so nothing starves. Others join it in order of how near their length
    is, as long as each saves more than its padding costs, and the padded batch stays within
    `most_tokens` tokens and `most_texts` texts. The oldest alone may be larger than both.
    """
    oldest = waiting[0]
    chosen, texts, tokens = [0], oldest.texts, oldest.tokens
    others = range(1, len(waiting))
    for index in sorted(others, key=lambda i: abs(waiting[i].tokens - oldest.tokens)):
        other = waiting[index]
        padded = max(tokens, other.tokens)
        together = texts + other.texts
        if together > most_texts or together * padded > most_tokens:
            continue
        apart_s = costs.of(texts, tokens) + costs.of(other.texts, other.tokens)
        if costs.of(together, padded) < apart_s:
            chosen.append(index)
            texts, tokens = together, padded
    return chosen


def measure(run: Callable[[list[str]], object], clock: Callable[[], float]) -> Costs:
    """Fit the costs to this model on this machine with a few passes, about 30 of a short text.

    Two lengths of a single text give a line: its slope is the cost of a token, its value at zero
    tokens the fixed cost. A batch of the short text then says what a call really saves, because
    on a CPU the weights are read once for a batch, and that is part of the fixed cost.
    """
    word = "film "
    short, long = word * 12, word * 60
    short_tokens, long_tokens = size_of([short], 10**6).tokens, size_of([long], 10**6).tokens
    together = 4
    run([short])
    alone_s = _fastest(run, [short], clock)
    batch_s = _fastest(run, [short] * together, clock)
    # together + call, against together * (token + call): what is saved is call * (together - 1).
    call_s = max(0.0, (together * alone_s - batch_s) / (together - 1))
    token_s = max(1e-9, (alone_s - call_s) / short_tokens)
    long_s = _fastest(run, [long], clock)
    # Attention grows with the square of the length: take the dearer of the two slopes.
    token_s = max(token_s, (long_s - call_s) / long_tokens)
    return Costs(min(call_s, alone_s), token_s)


def _fastest(
    run: Callable[[list[str]], object], texts: list[str], clock: Callable[[], float]
) -> float:
    """Seconds of the fastest of a few passes: whatever else the machine does only adds to them."""
    best = float("inf")
    for _ in range(7):
        begin = clock()
        run(texts)
        best = min(best, clock() - begin)
    return best
