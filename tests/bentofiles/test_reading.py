import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from played import Model, opened, play, until

from bentofiles.lanes import Lanes
from bentofiles.line import Job, Part
from bentofiles.packing import Costs, Size
from bentofiles.reading import Reader

Answer = asyncio.Future[Sequence[Any]]
# A pass of two saves what 50 tokens cost.
COSTS = Costs(call_s=0.005, token_s=0.0001)


class Words:
    """Takes four letters for a token, and dots, which are estimated to be one each, for none."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def __call__(self, texts: list[str]) -> list[str]:
        self.read += texts
        if "cannot be read" in texts:
            raise ValueError("cannot be read")
        return ["x" * max(1, len(text.replace(".", "")) // 4) for text in texts]


def behind(
    tokenize: Callable[[list[str]], Sequence[Any]] | None, texts: Sequence[str]
) -> tuple[list[list[int]], list[Any]]:
    """Lengths in each batch after the first pass, and the answers, when all waited behind it."""
    model = Model()
    model.gate.clear()
    answers: list[Any] = []
    with opened(model, costs=COSTS, reader=Reader(tokenize)) as lanes:

        async def story() -> None:
            first, rest = await line_up(lanes, model, texts)
            await first
            answers.extend(await asyncio.gather(*rest, return_exceptions=True))

        play(story)
    return lengths(model)[1:], answers


async def line_up(lanes: Lanes, model: Model, texts: Sequence[str]) -> tuple[Answer, list[Answer]]:
    """A first pass, and a request for each text that waited behind it; both go on from here."""
    first = lanes.submit(["x"])
    await until(lambda: model.batches)
    rest = [lanes.submit([text]) for text in texts]
    model.gate.set()
    return first, rest


def lengths(model: Model) -> list[list[int]]:
    return [sorted(map(len, batch)) for batch in model.batches]


class Held:
    """Tokenizes nothing; the first time that it has more than one text, it stays with them."""

    def __init__(self) -> None:
        self.reading, self.go_on = threading.Event(), threading.Event()

    def __call__(self, texts: list[str]) -> list[str]:
        if len(texts) > 1 and not self.reading.is_set():
            self.reading.set()
            assert self.go_on.wait(20)
        return texts


# Of one look, and of two lengths, in turn.
ALIKE = ["x" * 240 + "." * 20, "." * 76 + "x" * 16] * 4


def test_texts_run_with_those_of_their_counted_length() -> None:
    batches, answers = behind(Words(), ALIKE)
    assert batches == [[60] * 4, [4] * 4]
    assert answers == [[60], [4]] * 4


def test_without_a_tokenizer_the_model_takes_texts_and_all_that_look_alike_run_together() -> None:
    """By their estimated lengths."""
    batches, answers = behind(None, ALIKE)
    assert 92 in batches[0] and 260 in batches[0]
    assert answers == [[260], [92]] * 4


def test_each_text_is_tokenized_once() -> None:
    words = Words()
    behind(words, ALIKE)
    read = [text for text in words.read if text in ALIKE]
    assert sorted(read) == sorted(ALIKE)


def test_what_runs_alone_anyway_is_not_looked_at_before_its_turn() -> None:
    words = Words()
    seen: list[int] = []

    class Counting(Model):
        def __call__(self, texts: list[Any]) -> list[int]:
            seen.append(len(words.read))
            return super().__call__(texts)

    with opened(Counting(), costs=COSTS, reader=Reader(words), most_tokens=None) as lanes:
        begun = len(words.read)

        async def story() -> None:
            await asyncio.gather(*(lanes.submit([text]) for text in ALIKE))

        play(story)
    assert seen == [begun + number for number in range(1, 9)]


def test_a_text_that_is_cut_off_is_not_read_ahead() -> None:
    """To read it may take a second, and the lane has others to run."""
    words = Words()
    long = "word " * 20_000  # 100,000 letters
    batches, _ = behind(words, [*ALIKE, long])
    assert words.read.index(long) == len(words.read) - 1
    assert batches == [[60] * 4, [4] * 4, [25_000]]


def test_a_text_that_cannot_be_tokenized_fails_and_the_lane_goes_on() -> None:
    words = Words()
    _, answers = behind(words, ["cannot be read", "x" * 400])
    assert isinstance(answers[0], ValueError)
    assert answers[1] == [100]


@pytest.mark.parametrize("gone", [0, 3])
def test_a_request_that_leaves_while_it_is_read_is_not_run(gone: int) -> None:
    model, tokenize = Model(), Held()
    model.gate.clear()
    with opened(model, costs=COSTS, reader=Reader(tokenize)) as lanes:

        async def story() -> None:
            first, rest = await line_up(lanes, model, ["x" * 10] * 4)
            await until(tokenize.reading.is_set)
            rest[gone].cancel()
            await asyncio.sleep(0.01)
            assert lanes.queued == 3
            tokenize.go_on.set()
            await asyncio.gather(first, *rest, return_exceptions=True)
            assert lanes.queued == 0

        play(story)
    assert lengths(model) == [[1], [10] * 3]


def test_a_lane_does_not_wait_for_another_that_reads() -> None:
    """It runs what is to be run next; nothing is lost or answered twice."""
    model, tokenize = Model(), Held()
    model.gate.clear()
    with opened(model, count=2, costs=COSTS, reader=Reader(tokenize)) as lanes:

        async def story() -> None:
            first = [lanes.submit(["x"]), lanes.submit(["x"])]
            await until(lambda: len(model.batches) == 2)
            rest = [lanes.submit(["x" * number]) for number in range(10, 16)]
            model.gate.set()
            assert await asyncio.gather(*first) == [[1], [1]]
            await until(tokenize.reading.is_set)
            assert await rest[0] == [10], "while the other lane reads"
            tokenize.go_on.set()
            assert await asyncio.gather(*rest) == [[number] for number in range(10, 16)]
            assert lanes.queued == 0

        play(story)
    run = sorted(length for batch in lengths(model) for length in batch)
    assert run == [1, 1, *range(10, 16)]


def test_a_lane_that_reads_without_end_is_stuck() -> None:
    model, tokenize = Model(), Held()
    model.gate.clear()
    with opened(model, costs=COSTS, reader=Reader(tokenize)) as lanes:

        async def story() -> None:
            first, rest = await line_up(lanes, model, ["x"] * 4)
            await first
            await asyncio.sleep(0.1)
            assert lanes.stuck(0.05)
            tokenize.go_on.set()
            await asyncio.gather(*rest)
            assert not lanes.stuck(0.0)

        play(story)


def test_the_time_that_reading_takes_is_shared_by_length() -> None:
    class Slow(Words):
        def __call__(self, texts: list[str]) -> list[str]:
            time.sleep(0.01 * len(texts))
            return super().__call__(texts)

    reader = Reader(Slow())
    loop = asyncio.new_event_loop()
    parts = [
        Part(Job(1, 0.0, 1.0, loop.create_future()), range(1), [text], Size(1, 1), 0.01)
        for text in ("x" * 40, "x" * 360)
    ]
    sizes = reader.read(parts)
    loop.close()
    assert parts[1].read_s == pytest.approx(9 * parts[0].read_s)
    assert 0.02 <= parts[0].read_s + parts[1].read_s < 2
    assert sizes[1].tokens == pytest.approx(9 * sizes[0].tokens)
