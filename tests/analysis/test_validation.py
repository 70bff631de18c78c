"""A small version of the validation; the page in the repository is written by the large one."""

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from analysis import validation
from analysis._validation_page import bars, page
from analysis.simulate import Queue
from analysis.validation import grid, main, speed_for, validate

SMALL = Queue(0.5, 1.0, requests=100)


def test_a_small_validation_keeps_its_promises() -> None:
    found, sequential = validate(SMALL, 80, seed=3)
    assert [one.blocks for one in found] == [8, 10]
    assert [one.contrasts for one in sequential] == [1, 5]
    for one in found:
        assert one.equal.family <= one.equal.test <= 0.12  # 5%, and 3 standard errors of 80
        assert one.equal.coverage > 0.9 and one.planted.coverage > 0.9
        assert one.off < 0.25
        assert one.at_margin <= 0.05 and one.at_margin_quiet <= 0.05  # 2.5% of 400 comparisons
        assert one.same_quiet > 0.5  # there is something to be found
    assert all(8 < one.stopped.blocks < 28 and one.stopped.coverage > 0.88 for one in sequential)
    assert validate(SMALL, 5, seed=3) == validate(SMALL, 5, seed=3)


def test_every_setting_that_is_promised_is_simulated() -> None:
    calm = {(one.utilization, one.arrivals_cv) for one in grid() if not one.spike}
    assert calm == {(u, cv) for u in (0.5, 0.7, 0.85) for cv in (1.0, 3.0)}
    assert sum(bool(one.spike) for one in grid()) == 2


def test_a_faster_server_gains_more_than_its_speed() -> None:
    speed = speed_for(np.random.default_rng(1), replace(SMALL, utilization=0.7), 0.2)
    assert 1.02 < speed < 1.15


def test_a_broken_promise_is_said_and_ends_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(validation, "grid", lambda: (SMALL,))
    out = tmp_path / "v.md"
    code = main(["--experiments", "3", "--seed", "2", "--out", str(out)], date(2026, 1, 2))
    text = out.read_text(encoding="utf-8")
    assert code == (1 if "**no**" in text else 0)
    assert "--experiments 3 --seed 2` on 2026-01-02" in text
    assert text.strip() in capsys.readouterr().out
    found, sequential = validate(SMALL, 3, 2)
    liar = replace(found[0], equal=replace(found[0].equal, family=0.9, coverage=0.5), at_margin=0.2)
    broken, met = page([liar], sequential, 2, date(2026, 1, 2))
    assert not met and broken.count("**no**") >= 3
    assert sum(not one.met for one in bars([liar], sequential)) >= 3


def test_the_page_in_the_repository_keeps_every_promise() -> None:
    text = Path(validation.__file__).with_name("validation.md").read_text(encoding="utf-8")
    assert "**no**" not in text
    experiments = re.search(r"--experiments (\d+) --seed \d+` on \d{4}-\d\d-\d\d", text)
    assert experiments is not None and int(experiments[1]) >= 1000
    for queue in grid():
        assert f"utilization {queue.utilization:g}, CV {queue.arrivals_cv:g}" in text
