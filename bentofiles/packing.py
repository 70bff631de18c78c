"""Which of the waiting requests run together: a model of cost, and the choice that follows from it.

A forward pass over n texts padded to s tokens takes about `call_s + n * (text_s + token_s * s)`
seconds. So running two requests together saves one `call_s` and pays for the padding of the shorter
one. On a CPU the first is often small: then only texts of nearly the same length belong together,
and only where others wait behind them.
"""

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

CHARACTERS_A_TOKEN = 4.0  # of words under byte-level BPE
LONG_WORD = 12  # letters; where words are longer than this on average, they are none
Run = Callable[[list[Any]], Any]  # texts, or what is made of them, to one row each
SHORT, LONG = "film " * 12, "film " * 60  # what is measured with
# What running together saves is a small difference of large times: on a model that takes 20 ms a
# text, five turns leave an error of 5% of a pass, two one of 8%.
FEWEST_TURNS, MOST_TURNS, ENOUGH_S = 2, 20, 1.0
LEAST_S = 1e-9  # of a token, where a clock saw none
# What a pass takes beside the model: a thread that wakes, another that hears of it, a turn of the
# event loop. Between 0.15 and 0.3 ms where the model itself takes 2 ms.
HAND_OVER_S = 0.0002
# Who profits from a shorter line, for each who stands in it: those who come before it is empty do
# too, and they are 1 / (1 - load) times as many. Between 2 and 4, simulations differ little.
FOLLOWERS = 3
# What running together saves is measured with an error of about so much of a pass, and those who
# are overtaken pay for it with the slowest answers, whatever is gained on average.
UNSURE = 0.05
# So many characters a token are read of a long text (`cutting`), which the model sees less of.
READ = 8
READ_S = 1e-6  # a character; 0.4 to 1.2 us by kind of text
LETTERS_AND_SPACE = (string.ascii_letters + " ").encode()


@dataclass(frozen=True)
class Costs:
    """Seconds of a forward pass: for the pass, for each text in it, and for each padded token."""

    call_s: float
    token_s: float
    text_s: float = 0.0

    def of(self, texts: int, tokens: float, beside_s: float = 0.0) -> float:
        """Expected seconds for `texts` texts padded to `tokens` tokens, and `beside_s` more."""
        return self.call_s + texts * (self.text_s + self.token_s * tokens) + beside_s


class Size(NamedTuple):
    """How large a request is: its texts, the estimated tokens of the longest, and what is beside.

    That are the seconds which the tokenizer takes for text that the model never sees.
    """

    texts: int
    tokens: float
    beside_s: float = 0.0


def size_of(texts: Sequence[str], most_tokens: float) -> Size:
    """The size of these texts, with estimated tokens: real ones are known after tokenizing only.

    That takes 100 us for a sentence and 1 ms for a review, and this runs on the event loop: 1 and
    2.5 us.
    """
    # What is cut off has no tokens left: every character counts for at least a quarter.
    enough = int(most_tokens * CHARACTERS_A_TOKEN)
    tokens = max(_tokens(text[:enough].encode()) for text in texts)
    read = int(READ * most_tokens)
    cut_off = sum(min(read, len(text)) - enough for text in texts if len(text) > enough)
    return Size(len(texts), min(most_tokens, tokens), READ_S * cut_off)


def _tokens(text: bytes) -> float:
    """Words by their letters; whatever is no word has a token a byte at most, and mostly has it.

    On English reviews 0.9 to 1.4 times the bundled tokenizer's count; on digits, punctuation, runs
    of spaces, Cyrillic, Chinese and emoji 0.9 to 1.2; on accented Latin letters, 0.8.
    """
    others = len(text.translate(None, LETTERS_AND_SPACE))
    spaces = text.count(b" ")
    letters = len(text) - others - spaces
    if letters > LONG_WORD * (spaces + others + 1):
        return 2.0 + len(text)
    return 2.0 + others + max((letters + spaces) / CHARACTERS_A_TOKEN, spaces)


def split(
    tokens: Sequence[float], costs: Costs, most_tokens: float, most_texts: int
) -> list[list[int]]:
    """Indices of a request's texts by pass, from the estimated tokens of each.

    The longest come first, with the next shorter ones as long as a batch stays within its bounds
    and each saves more than its padding costs: nobody is answered before the last of them.
    """
    passes: list[list[int]] = []
    for index in sorted(range(len(tokens)), key=lambda i: -tokens[i]):
        if passes:
            texts, padded = len(passes[-1]), tokens[passes[-1][0]]
            apart_s = costs.of(texts, padded) + costs.of(1, tokens[index])
            within = texts < most_texts and (texts + 1) * padded <= most_tokens
            if within and costs.of(texts + 1, padded) < apart_s:
                passes[-1].append(index)
                continue
        passes.append([index])
    return passes


def pack(
    waiting: Sequence[Size],
    costs: Costs,
    most_tokens: float,
    most_texts: int,
    *,
    lanes: int = 1,
    beyond: int = 0,
) -> list[int]:
    """Indices into `waiting` (oldest first) of the requests to run now, the oldest among them.

    A pass makes all that are in it wait for the longest, and spares all who come after it what it
    surely saves. So others join the oldest, the nearest in length first, only as long as that makes
    the sum of all latencies smaller: few where few wait, many where there is a backlog.
    `lanes` share the line, which is `beyond` requests longer than `waiting`.

    The padded batch stays within `most_tokens` tokens and `most_texts` texts. The oldest always
    runs, so nothing starves; it may be larger than both bounds alone: it is one text, or `split`
    has seen to it.
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
        before_s, after_s = costs.of(texts, tokens), costs.of(together, padded)
        saved_s = before_s + (1 - UNSURE) * costs.of(other.texts, other.tokens) - after_s
        behind = FOLLOWERS * (len(waiting) + beyond - len(chosen) - 1) / lanes
        if saved_s * (1 + behind) > (after_s - before_s + other.beside_s) * len(chosen):
            chosen.append(index)
            texts, tokens = together, padded
    return chosen


def measure(
    run: Run, clock: Callable[[], float], wide: Run | None = None
) -> tuple[Costs, Costs | None]:
    """Costs of this model on this machine, and those of `wide`, another way to run it.

    Two lengths of a single text give the cost of a token and what a pass of one text costs beside.
    A batch of the short text then says how much of that is the pass's: what a second text in it
    does not pay again, for instance because the weights are read once for a batch. The other way
    is taken to save as much. Each is run 3 to 21 times, in turn.

    How long a pass takes is told by the fastest of its kind: whatever else the machine does only
    adds to it. What running together saves is told by the turns, each by itself, and of those by
    the one in the middle: the fastest of both kinds need not have met the same machine.
    """
    together = 4
    passes = [(run, [SHORT]), (run, [LONG]), (run, [SHORT] * together)]
    if wide:
        passes += [(wide, [SHORT]), (wide, [LONG])]
    turns = [[took_s + HAND_OVER_S for took_s in turn] for turn in _turns(passes, clock)]
    short_s, long_s, _, *wide_s = map(min, zip(*turns, strict=True))
    # 4 * (call + text + tokens), against call + 4 * (text + tokens): what is saved is 3 * call.
    share = median((together - batch / one) / (together - 1) for one, _, batch, *_ in turns)
    call_s = min(1.0, max(0.0, share)) * short_s
    return _fit(call_s, short_s, long_s), _fit(call_s, *wide_s) if wide else None


def _fit(call_s: float, short_s: float, long_s: float) -> Costs:
    """Costs through one SHORT and one LONG, with so much for the pass."""
    short, long = _tokens(SHORT.encode()), _tokens(LONG.encode())
    token_s = max(LEAST_S, (long_s - short_s) / (long - short))
    beside_s = short_s - short * token_s
    if call_s <= beside_s:
        return Costs(call_s, token_s, beside_s - call_s)
    # Attention grows with the square of the length, and the line begins too low: the one that
    # begins with the pass's cost and meets LONG is above SHORT.
    return Costs(call_s, max(LEAST_S, (long_s - call_s) / long))


def _turns(
    passes: Sequence[tuple[Run, list[str]]], clock: Callable[[], float]
) -> list[list[float]]:
    """Seconds of a few of each, one of each a turn.

    In turn, so that a moment when the machine is slow meets all of them; a fast model's are
    repeated more often, because there a moment weighs more.
    """
    for run, texts in passes:
        run(texts)
    turns: list[list[float]] = []
    begin_s = clock()
    while len(turns) < FEWEST_TURNS or (len(turns) < MOST_TURNS and clock() - begin_s < ENOUGH_S):
        turns.append([_seconds(run, texts, clock) for run, texts in passes])
    return turns


def _seconds(run: Run, texts: list[str], clock: Callable[[], float]) -> float:
    begin_s = clock()
    run(texts)
    return clock() - begin_s
