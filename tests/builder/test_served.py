"""The same answers through a server as from the model alone."""

import re
import threading
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
import pytest
from played import Model, opened, play

from bentofiles.admission import Refused as NoTime
from bentofiles.packing import Costs
from builder import served
from builder.asking import Answer, Refused
from builder.batch_invariance import BatchInvariance, Probabilities
from builder.build import Request, build
from builder.check import Check, Limits, require
from builder.served import AT_ONCE, compare, patient, ways
from variants._errors import OptbuildError
from variants._spec import compose

LABELS = ("negative", "positive")
TEXTS = [f"text {number}" + "!" * number for number in range(40)]


def model(texts: list[str]) -> Probabilities:
    """Every text is positive, by 0.6 and a little that depends on it."""
    best = [0.6 + len(text) / 1000 for text in texts]
    return np.array([[1 - one, one] for one in best], dtype=np.float32)


def answer(texts: list[str]) -> Answer:
    return [{"label": "positive", "score": float(row[1])} for row in model(texts)]


def test_every_text_is_sent_alone_at_once_together_and_some_beside_the_longest() -> None:
    (one, alone), (many, at_once), (_, together), (_, beside) = ways(TEXTS)
    assert (one, many) == (1, AT_ONCE)
    assert alone == at_once == [[text] for text in TEXTS]
    assert [text for request in together for text in request] == TEXTS
    assert max(map(len, together)) > 1
    assert all(request[-1] == TEXTS[-1] for request in beside)


def test_a_right_server_shows_neither_flips_nor_drift_though_it_is_asked_all_at_once() -> None:
    lock, now, most = threading.Lock(), 0, 0

    def ask(texts: list[str]) -> Answer:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        sleep(0.002)
        with lock:
            now -= 1
        return answer(texts)

    found = compare(ask, model, LABELS, TEXTS)
    assert found == BatchInvariance(len(TEXTS), 0, pytest.approx(0, abs=1e-6))
    assert most > 1


def test_answers_in_another_order_or_swayed_by_others_are_seen() -> None:
    def swayed(texts: list[str]) -> Answer:
        moved = 0.05 * (len(texts) > 1)
        return [{**item, "score": item["score"] + moved} for item in answer(texts)]

    def turned(texts: list[str]) -> Answer:
        flipped: list[dict[str, Any]] = [{"label": "negative", "score": 0.7}]
        return (
            flipped + answer(texts[1:]) if TEXTS[0] in texts and len(texts) > 1 else answer(texts)
        )

    assert compare(swayed, model, LABELS, TEXTS).largest_drift == pytest.approx(0.05, abs=1e-6)
    found = compare(turned, model, LABELS, TEXTS)
    assert found.label_flips == 1
    assert found.largest_drift == pytest.approx(0.306, abs=1e-3)


def test_a_refusal_is_no_answer_but_one_for_ever_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(served, "PAUSE_S", 0.0)
    said = iter([Refused("status 503"), Refused("status 429")])

    def busy() -> Answer:
        for refusal in said:
            raise refusal
        return answer(["a"])

    def full() -> Answer:
        raise Refused("status 503")

    assert patient(busy, 1, None) == answer(["a"])
    with pytest.raises(OptbuildError, match="refused 50 times: status 503") as caught:
        patient(full, 1, 5.0)
    assert caught.value.exit_code == 1


def test_what_one_request_takes_is_said_where_it_is_more_than_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a server says it; one that is slower than its deadline."""
    monkeypatch.setattr(served, "PAUSE_S", 0.0)

    async def story() -> None:
        with opened(Model(), costs=Costs(0.5, 0.0), deadline_s=0.2, most_tokens=8) as lanes:
            with pytest.raises(NoTime) as refused:
                lanes.submit(["a film"] * 8)

            def ask() -> Answer:
                raise Refused(f"status 503: {refused.value}")

            said = r"0\.2 s is shorter than a request of 8 texts takes .* \(about 2 s\): raise"
            with pytest.raises(OptbuildError, match=said) as caught:
                patient(ask, 8, 0.2)
            assert caught.value.exit_code == 2

    play(story)


@pytest.mark.slow
def test_a_deadline_that_no_request_can_meet_is_the_users_mistake(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "PAUSE_S", 0.0)
    spec = compose("onnx+lean+microbatch:deadline=1ms,lanes=1")
    made = build(spec, Request("synthetic:roberta-tiny"), lambda stage: None)
    texts = [f"{number} {'word ' * 500}" for number in range(16)]
    with pytest.raises(OptbuildError) as caught:
        served.of_bento(made.path, home / "short.log", texts)
    said = r"the deadline of 0\.001 s is (too short for|shorter than) .*: raise `deadline`"
    assert re.fullmatch(said, str(caught.value))
    assert caught.value.exit_code == 2


def test_what_the_server_says_is_held_to_the_same_limit() -> None:
    check = Check(
        "test", 100, 0, 0.0, None, None, BatchInvariance(96, 0, 0.0), BatchInvariance(96, 3, 0.2)
    )
    assert Check.from_json(check.to_json()) == check
    with pytest.raises(OptbuildError, match="through its server: 3 of 96 labels differ") as caught:
        require(check, Limits(), "onnx+lean")
    assert caught.value.exit_code == 4
