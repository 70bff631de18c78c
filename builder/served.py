"""Does a text get the same answer through the real server as from the model alone?

Lanes, batchers, several workers and the contract stand between the two, and requests of other
clients beside it: each text is sent alone, at the same time as others, among others in one
request, and beside the longest of all.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import numpy as np

from bentofiles.admission import Refused as NoTime
from bentofiles.admission import expected
from builder.asking import Answer, Refused, predict
from builder.batch_invariance import BatchInvariance, Probabilities, sample
from deploy.local import Server
from variants._errors import OptbuildError

TEXTS = 100  # of the golden set: a large model takes 100 ms for each, four times
BESIDE_LONG = 24
AT_ONCE = 16
IN_ONE_REQUEST = 8
BESIDE = 3
# A batcher that does not know its costs yet refuses what it could well answer.
ATTEMPTS = 50
PAUSE_S = 0.1

Ask = Callable[[list[str]], Answer]  # one request; may be called from several threads at a time
Probability = Callable[[list[str]], Probabilities]


def ways(texts: Sequence[str]) -> Iterator[tuple[int, list[list[str]]]]:
    """(requests under way at a time, requests) for each way of sending these texts."""
    alone = [[text] for text in texts]
    yield 1, alone
    yield AT_ONCE, alone
    yield 1, [list(some) for some in _groups(texts, IN_ONE_REQUEST)]
    longest = max(texts, key=len)
    yield 1, [[*some, longest] for some in _groups(texts[:BESIDE_LONG], BESIDE)]


def _groups(texts: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (texts[start : start + size] for start in range(0, len(texts), size))


def compare(
    ask: Ask, model: Probability, labels: Sequence[str], texts: Sequence[str]
) -> BatchInvariance:
    """Ask a server about the texts in all ways; `model` gives their rows one at a time.

    A server says no more than the most probable label and its probability. Where the label is
    another, the drift is at least what its own old probability must have lost.
    """
    texts = list(dict.fromkeys(texts))
    expected = {text: model([text])[0] for text in texts}
    flipped: set[str] = set()
    drift = 0.0
    for at_once, requests in ways(texts):
        with ThreadPoolExecutor(at_once) as pool:
            for request, answer in zip(requests, pool.map(ask, requests), strict=True):
                for text, item in zip(request, answer, strict=True):
                    best = int(np.argmax(expected[text]))
                    probability = float(expected[text][best])
                    if item["label"] == labels[best]:
                        drift = max(drift, abs(item["score"] - probability))
                    else:
                        flipped.add(text)
                        drift = max(drift, probability - (1 - item["score"]))
    return BatchInvariance(len(texts), len(flipped), drift)


def of_bento(bento: Path, log: Path, texts: Sequence[str]) -> BatchInvariance:
    """The same of a Bento, served once; raises OptbuildError if it does not answer."""
    from bentofiles.predictor import load_predictor
    from bentofiles.settings import read_variant

    variant = read_variant(bento / "src")
    with Server(bento, log) as server:

        def ask(some: list[str]) -> Answer:
            deadline_s = variant.settings.deadline_s
            return patient(lambda: predict(server.url, some), len(some), deadline_s)

        return compare(
            ask, load_predictor(variant).probabilities, variant.model.labels, sample(texts)[:TEXTS]
        )


def patient(ask: Callable[[], Answer], texts: int, deadline_s: float | None) -> Answer:
    """Ask again while the server says that it is busy; raises OptbuildError if it stays so.

    With exit code 2 if it is the variant's own deadline that requests of `texts` texts cannot meet.
    """
    last = ""
    for _ in range(ATTEMPTS):
        try:
            return ask()
        except Refused as refusal:
            if not expected(last):  # which says more than that something else is under way
                last = str(refusal)
            sleep(PAUSE_S)
    if deadline_s is not None and (short := _short(last, texts)):
        raise OptbuildError(f"the deadline of {deadline_s:g} s is {short}: raise `deadline`")
    raise OptbuildError(f"a request is refused {ATTEMPTS} times: {last}", exit_code=1)


def _short(refusal: str, texts: int) -> str | None:
    """How a deadline is too short that is why a server refuses requests again and again."""
    if takes := expected(refusal):
        what = "a request of 1 text" if texts == 1 else f"a request of {texts} texts"
        return f"shorter than {what} takes on this machine ({takes})"
    if str(NoTime()) in refusal:
        return f"too short for {AT_ONCE} requests at a time on this machine"
    return None
