import asyncio
import contextlib
import threading
import time
from collections.abc import Sequence

import numpy as np
import pytest
from played import Model, opened, play, until

from bentofiles import lanes as lanes_module
from bentofiles.admission import Refused
from bentofiles.lanes import Lanes
from bentofiles.packing import Costs, size_of
from bentofiles.wide import Wide


def test_each_request_gets_its_own_rows() -> None:
    model = Model()
    with opened(model, count=3) as lanes:

        async def story() -> None:
            asked = [["x" * n, "y" * (n + 1)] for n in range(1, 60)]
            answers = await asyncio.gather(*map(lanes.submit, asked))
            assert [list(rows) for rows in answers] == [[n, n + 1] for n in range(1, 60)]

        play(story)


def test_an_idle_lane_starts_at_once_and_a_backlog_runs_together() -> None:
    model = Model()
    model.gate.clear()
    with opened(model) as lanes:

        async def story() -> None:
            first = lanes.submit(["first"])
            await until(lambda: model.batches)
            rest = [lanes.submit([f"text {n}"]) for n in range(5)]
            await until(lambda: lanes.queued == 5)
            model.gate.set()
            await asyncio.gather(first, *rest)
            assert model.batches[0] == ["first"]
            assert sorted(model.batches[1]) == [f"text {n}" for n in range(5)]

        play(story)


@pytest.mark.parametrize(
    ("saved", "texts", "wide"),
    [
        (0.5, ["alone"], True),
        (0.5, ["a" * 40, "b" * 40], True),  # in one pass
        (0.05, ["alone"], False),  # not worth it
    ],
)
def test_a_request_that_finds_the_lanes_idle_has_all_their_cpus(
    saved: float, texts: list[str], wide: bool
) -> None:
    narrowly, widely = Model(), Model()
    faster = Costs(call_s=0.01 * (1 - saved), token_s=1e-6 * (1 - saved))
    with opened(narrowly, count=2, wide=Wide(widely, 2, faster)) as lanes:

        async def story() -> None:
            widely.gate.clear()
            narrowly.gate.clear()
            first = lanes.submit(texts)
            await until(lambda: widely.batches or narrowly.batches)
            assert (widely.batches, narrowly.batches) == (([texts], []) if wide else ([], [texts]))
            second = lanes.submit(["the other lane is busy"])
            await until(lambda: len(widely.batches + narrowly.batches) == 2)
            widely.gate.set()
            narrowly.gate.set()
            await asyncio.gather(first, second)
            assert narrowly.batches[-1] == ["the other lane is busy"]

        play(story)


def test_what_others_wait_behind_takes_one_lane() -> None:
    narrowly, widely = Model(), Model()
    fast = Costs(1e-4, 1e-7)
    with opened(narrowly, count=1, wide=Wide(widely, 1, fast), most_tokens=None) as lanes:

        async def story() -> None:
            widely.gate.clear()
            jobs = [lanes.submit(["0"])]
            await until(lambda: widely.batches)
            jobs += [lanes.submit([f"{n}"]) for n in (1, 2)]
            widely.gate.set()
            await asyncio.gather(*jobs)
            assert narrowly.batches == [["1"]]
            assert widely.batches == [["0"], ["2"]]

        play(story)


def test_two_do_not_run_widely_at_a_time() -> None:
    """They would have the same helping threads."""
    narrowly, widely = Model(), Model()
    fast = Costs(call_s=0.001, token_s=1e-7)
    with opened(narrowly, count=4, wide=Wide(widely, 2, fast)) as lanes:

        async def story() -> None:
            widely.gate.clear()
            first = lanes.submit(["first"])
            await until(lambda: widely.batches)
            assert await lanes.submit(["second"]) == [6]
            widely.gate.set()
            await first

        play(story)
    assert (widely.batches, narrowly.batches) == ([["first"]], [["second"]])


def test_where_requests_often_meet_each_has_one_lane_until_they_are_rare_again() -> None:
    narrowly, widely = Model(), Model()
    fast, slow = Costs(0.06, 1e-7), Costs(0.1, 1e-6)
    with opened(narrowly, count=2, costs=slow, wide=Wide(widely, 2, fast)) as lanes:

        async def story() -> None:
            for _ in range(60):
                await asyncio.gather(lanes.submit(["first"]), lanes.submit(["second"]))
            widely.batches.clear()
            await lanes.submit(["among many"])
            assert not widely.batches
            for _ in range(60):
                await lanes.submit(["alone"])
            widely.batches.clear()
            await lanes.submit(["rare again"])
            assert widely.batches == [["rare again"]]

        play(story)


def test_a_wide_pass_that_fails_gives_its_cpus_back() -> None:
    widely = Model()
    fast = Costs(1e-4, 1e-7)
    with opened(Model(), count=2, wide=Wide(widely, 2, fast)) as lanes:

        async def story() -> None:
            with pytest.raises(ValueError, match="bad"):
                await lanes.submit(["bad"])
            await lanes.submit(["good"])
            assert widely.batches == [["bad"], ["good"]]

        play(story)


def test_more_run_together_the_more_wait_for_each_lane() -> None:
    costs = Costs(call_s=0.0001, token_s=0.0001)  # a pass of two saves a tenth
    texts = ["film " * 6] * 17
    held = []
    for count in (1, 8):
        model = Model()
        model.gate.clear()
        with opened(model, count=count, costs=costs) as lanes:

            async def story(lanes: Lanes = lanes, model: Model = model, count: int = count) -> None:
                running = [lanes.submit(texts[:1]) for _ in range(count)]
                await until(lambda: len(model.batches) == count)
                waiting = [lanes.submit([text]) for text in texts[1:]]
                await until(lambda: lanes.queued == 16)
                model.gate.set()
                await asyncio.gather(*running, *waiting)

            play(story)
        held.append(len(model.batches[count]))
    assert held[0] > held[1] == 1


def test_a_wide_pass_takes_the_cpus_of_the_lanes_that_it_needs() -> None:
    narrowly, widely = Model(), Model()
    fast = Costs(1e-4, 1e-7)
    with opened(narrowly, count=3, wide=Wide(widely, 2, fast)) as lanes:

        async def story() -> None:
            widely.gate.clear()
            first = lanes.submit(["first"])
            await until(lambda: widely.batches)
            await lanes.submit(["one CPU is left"])
            assert narrowly.batches == [["one CPU is left"]]
            widely.gate.set()
            await first

        play(story)


def test_without_microbatching_every_request_runs_alone() -> None:
    model = Model()
    model.gate.clear()
    with opened(model, most_tokens=None) as lanes:

        async def story() -> None:
            jobs = [lanes.submit([f"{n}"]) for n in range(4)]
            await until(lambda: lanes.queued == 3)
            model.gate.set()
            await asyncio.gather(*jobs)
            assert model.batches == [["0"], ["1"], ["2"], ["3"]]

        play(story)


def test_what_nobody_waits_for_is_not_run() -> None:
    model = Model()
    model.gate.clear()
    with opened(model, most_tokens=None) as lanes:

        async def story() -> None:
            first = lanes.submit(["first"])
            await until(lambda: model.batches)
            gone = lanes.submit(["gone"])
            last = lanes.submit(["last"])
            await until(lambda: lanes.queued == 2)
            gone.cancel()
            await asyncio.sleep(0)
            model.gate.set()
            await asyncio.gather(first, last)
            assert model.batches == [["first"], ["last"]]

        play(story)


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_cancelled_request_is_in_no_batch(gone: int) -> None:
    model = Model()
    model.gate.clear()
    with opened(model) as lanes:

        async def story() -> None:
            first = lanes.submit(["first"])
            await until(lambda: model.batches)
            rest = [lanes.submit([f"{n}"]) for n in range(3)]
            rest[gone].cancel()
            await until(lambda: lanes.queued == 2)
            model.gate.set()
            await asyncio.gather(first, *rest, return_exceptions=True)
            assert model.batches == [["first"], [f"{n}" for n in range(3) if n != gone]]

        play(story)


def test_cancelled_requests_take_no_time_from_those_behind_them() -> None:
    model = Model()
    model.gate.clear()
    with opened(model, most_tokens=None, deadline_s=0.3) as lanes:

        async def story() -> None:
            first = lanes.submit(["first"])
            await until(lambda: model.batches)
            for job in [lanes.submit([f"{n}"]) for n in range(19)]:  # 10 ms each
                job.cancel()
            await until(lambda: lanes.queued == 0)
            rest = [lanes.submit([f"{n}"]) for n in range(19)]
            model.gate.set()
            await asyncio.gather(first, *rest)

        play(story)


APART = Costs(call_s=1e-3, token_s=1e-3, text_s=3.0)  # texts unlike in length do not run together


def test_costs_that_are_far_too_high_do_not_refuse_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a slow moment, say: an idle server that refuses everything would never learn better."""
    monkeypatch.setattr(lanes_module, "LEARNED_S", 0.0)
    model = Model()
    texts = ["a" * 4, "b" * 4000]  # a pass each
    with opened(model, costs=APART, deadline_s=5.0) as lanes:

        async def story() -> None:
            for _ in range(100):
                with contextlib.suppress(Refused):
                    assert await lanes.submit(texts) == [4, 4000]
                    return
                await until(lambda: not lanes.queued)
            raise AssertionError("still refused")

        play(story)
    assert len(model.batches) > 2


def test_what_is_refused_at_rest_runs_one_part_at_a_time_and_stands_in_nobodys_way() -> None:
    model = Model()
    model.gate.clear()
    texts = ["a" * 4, "b" * 4000]
    with opened(model, count=2, costs=APART, deadline_s=4.0) as lanes:

        async def story() -> None:
            for _ in range(3):
                with pytest.raises(Refused):
                    lanes.submit(texts)
            await until(lambda: model.batches)
            small = lanes.submit(["a"])
            await until(lambda: len(model.batches) == 2)
            model.gate.set()
            assert await small == [1]
            with pytest.raises(Refused):
                lanes.submit(texts)  # what there is to learn has just been learned
            assert not lanes.queued

        play(story)
    assert model.batches == [texts[1:], ["a"]]


def test_what_still_waits_at_the_deadline_is_refused_then() -> None:
    model = Model()
    model.gate.clear()
    with opened(model, most_tokens=None, deadline_s=0.1) as lanes:

        async def story() -> None:
            stuck = lanes.submit(["stuck"])
            await until(lambda: model.batches)
            with pytest.raises(Refused):
                await lanes.submit(["waits"])  # and no lane comes free
            assert lanes.queued == 0
            model.gate.set()
            assert await stuck == [5]
            assert model.batches == [["stuck"]]

        play(story)


def test_behind_a_stuck_pass_a_request_is_refused_at_once() -> None:
    model = Model()
    model.gate.clear()
    with opened(model, most_tokens=None, deadline_s=0.1) as lanes:

        async def story() -> None:
            stuck = lanes.submit(["stuck"])
            await asyncio.sleep(0.25)
            with pytest.raises(Refused):
                lanes.submit(["late"])
            model.gate.set()
            await stuck

        play(story)


def test_lanes_are_stuck_when_none_has_got_on_for_a_while_and_end_all_the_same() -> None:
    model = Model()
    model.gate.clear()
    with opened(model, count=2) as lanes:

        async def story() -> None:
            first = lanes.submit(["first"])
            await until(lambda: len(model.batches) == 1)
            await asyncio.sleep(0.05)
            assert not lanes.stuck(after_s=0.02)  # the other lane is idle
            second = lanes.submit(["second"])
            await until(lambda: len(model.batches) == 2)
            assert not lanes.stuck(after_s=10)
            await until(lambda: lanes.stuck(after_s=0.02))
            lanes.close(within_s=0.01)  # waits no longer
            model.gate.set()
            await asyncio.gather(first, second)
            assert not lanes.stuck(after_s=0)

        play(story)


def test_a_stuck_pass_does_not_stop_the_other_lane() -> None:
    model = Model()
    model.gate.clear()
    with opened(model, count=2, most_tokens=None, deadline_s=0.1) as lanes:

        async def story() -> None:
            stuck = lanes.submit(["stuck"])
            await until(lambda: model.batches)
            shut, model.gate = model.gate, threading.Event()
            model.gate.set()
            await asyncio.sleep(0.25)
            assert await asyncio.gather(*(lanes.submit(["x"]) for _ in range(5))) == [[1]] * 5
            shut.set()
            await stuck

        play(story)


def test_a_model_slower_than_its_deadline_serves_at_rest_and_refuses_what_would_wait() -> None:
    model = Model()
    model.gate.clear()
    with opened(model, most_tokens=None, deadline_s=0.005) as lanes:  # a pass takes 10 ms

        async def story() -> None:
            for _ in range(3):  # the lane counts as free as soon as its answer is known
                model.gate.clear()
                served = lanes.submit(["x"])
                with pytest.raises(Refused):
                    lanes.submit(["y"])
                await asyncio.sleep(0.02)
                model.gate.set()
                assert await served == [1]

        play(story)


def test_a_large_request_runs_in_passes_within_the_bound_and_in_turn_with_others() -> None:
    model = Model()
    model.gate.clear()
    with opened(model) as lanes:

        async def story() -> None:
            texts = [f"{n:02} " + "word " * (20 + n) for n in range(40)]
            large = lanes.submit(texts)
            await until(lambda: model.batches)
            small = lanes.submit(["small"])
            model.gate.set()
            assert await small == [5]
            assert await large == [len(text) for text in texts], "in the order of the texts"
            for batch in model.batches:
                tokens = size_of(batch, 256)
                assert tokens.texts * tokens.tokens <= 1000
            assert any("small" in batch for batch in model.batches[:3])

        play(story)


def test_a_large_request_is_refused_whole_or_not_at_all() -> None:
    model = Model()
    with opened(model, deadline_s=0.1) as lanes:

        async def story() -> None:
            with pytest.raises(Refused, match=r"about 0.1\d s, and 0.1 s is .* fewer texts"):
                lanes.submit(["word " * 200] * 40)
            await until(lambda: model.batches)  # a first part, to see what it takes
            await until(lambda: not lanes.queued)
            await asyncio.sleep(0.01)
            assert len(model.batches) == 1
            model.batches.clear()
            model.gate.clear()
            large = lanes.submit(["word " * 200] * 8)
            await until(lambda: model.batches)
            with pytest.raises(Refused):  # its first pass is stuck
                await large
            assert lanes.queued == 0
            model.gate.set()
            await asyncio.sleep(0.05)
            assert len(model.batches) == 1, "its other parts are not run"

        play(story)


def test_each_pass_is_observed_once() -> None:
    model = Model()
    model.gate.clear()
    seen: list[tuple[int, int]] = []

    def observe(requests: int, waited_s: Sequence[float]) -> None:
        seen.append((requests, len(waited_s)))

    with opened(model, observe=observe) as lanes:

        async def story() -> None:
            first = lanes.submit(["first"])
            await until(lambda: model.batches)
            rest = [lanes.submit([f"{n}"]) for n in range(4)]
            model.gate.set()
            await asyncio.gather(first, *rest)
            with pytest.raises(ValueError, match="bad"):
                await lanes.submit(["bad"])
            await lanes.submit(["word " * 200] * 7)  # in three passes
            await until(lambda: len(seen) == 6)
            assert seen == [(1, 1), (4, 4), (1, 1), (1, 1), (1, 0), (1, 0)]

        play(story)


def test_a_request_that_would_come_too_late_is_refused_at_once() -> None:
    model = Model()
    model.gate.clear()
    with opened(model, most_tokens=None, deadline_s=0.05) as lanes:

        async def story() -> None:
            taken, refused = [], 0
            for number in range(40):
                try:
                    taken.append(lanes.submit([f"{number}"]))
                except Refused:
                    refused += 1
            assert 30 <= refused < 39  # 50 ms at 10 ms each hold about five
            model.gate.set()
            await asyncio.gather(*taken, return_exceptions=True)

        play(story)


def test_what_has_waited_beyond_its_deadline_costs_no_pass() -> None:
    model = Model()
    model.gate.clear()
    with opened(model, most_tokens=None, deadline_s=0.03) as lanes:

        async def story() -> None:
            first = lanes.submit(["first"])
            await until(lambda: model.batches)
            late = lanes.submit(["late"])
            await asyncio.sleep(0.1)
            model.gate.set()
            await first
            with pytest.raises(Refused):
                await late
            assert model.batches == [["first"]]

        play(story)


def test_a_model_that_fails_fails_its_own_requests_only() -> None:
    model = Model()
    with opened(model, most_tokens=None) as lanes:

        async def story() -> None:
            with pytest.raises(ValueError, match="bad"):
                await lanes.submit(["bad"])
            assert await lanes.submit(["good"]) == [4]

        play(story)


class Panic(BaseException):
    """What a library written in Rust raises."""


def test_what_is_no_exception_ends_no_lane() -> None:
    class Panicking(Model):
        def __call__(self, texts: list[str]) -> list[int]:
            if "panic" in texts:
                raise Panic("index out of bounds")
            return super().__call__(texts)

    with opened(Panicking()) as lanes:

        async def story() -> None:
            for _ in range(3):
                with pytest.raises(RuntimeError, match="Panic: index out of bounds"):
                    await lanes.submit(["panic"])
            assert await lanes.submit(["good"]) == [4]

        play(story)


def test_those_who_run_with_one_that_fails_have_their_answers() -> None:
    model = Model()
    with opened(model) as lanes:

        async def story() -> None:
            model.gate.clear()
            first = lanes.submit(["first"])
            await until(lambda: model.batches)
            rest = [lanes.submit([text]) for text in ("one", "bad", "two")]
            model.gate.set()
            found = await asyncio.gather(first, *rest, return_exceptions=True)
            assert ["one", "bad", "two"] in model.batches  # they did run together
            assert [found[0], found[1], found[3]] == [[5], [3], [3]]
            assert isinstance(found[2], ValueError)

        play(story)


def test_a_flood_gets_its_answers_in_time_or_a_refusal_at_once() -> None:
    """Of texts of all lengths, sent four times as fast as the model runs, none is answered late."""
    deadline_s, sent = 0.4, 800
    costs = Costs(call_s=0.0005, token_s=1e-4)

    class Timed(Model):
        def __call__(self, texts: list[str]) -> list[int]:
            time.sleep(costs.of(*size_of(texts, 256)))
            return super().__call__(texts)

    waited_s: list[float] = []
    refused = 0

    async def ask(lanes: Lanes, number: int) -> None:
        nonlocal refused
        texts = ["word " * (1 + number * 7 % 60)]
        try:
            answer = lanes.submit(texts)
        except Refused:
            refused += 1
            return
        begin_s = time.perf_counter()
        try:
            await answer
        except Refused:
            return
        waited_s.append(time.perf_counter() - begin_s)

    options = {"deadline_s": deadline_s, "most_tokens": 4096, "most_texts": 64}
    with opened(Timed(), costs=costs, **options) as lanes:

        async def story() -> None:
            begin_s = time.perf_counter()
            async with asyncio.TaskGroup() as flood:
                for number in range(sent):
                    flood.create_task(ask(lanes, number))
                    due_s = begin_s + (number + 1) * costs.of(1, 40) / 4
                    await asyncio.sleep(due_s - time.perf_counter())

        play(story)
    assert sent * 0.1 < len(waited_s) < sent * 0.7
    assert refused > 0.8 * (sent - len(waited_s)), "nearly all at once"
    assert np.quantile(waited_s, 0.95) < deadline_s + 0.05
