import asyncio

import pytest

from bentofiles.line import Job, Line, Part
from bentofiles.packing import Size


def test_the_line_costs_what_waits_in_it_whenever_that_turns_out_longer() -> None:
    loop = asyncio.new_event_loop()
    line = Line()
    jobs = [Job(1, number, 10.0, loop.create_future()) for number in range(3)]
    parts = [Part(job, range(1), ["text"], Size(1, 10), 0.01) for job in jobs]
    for job, part in zip(jobs, parts, strict=True):
        line.join(job, [part])
    line.resize(parts[0], Size(1, 30), 0.03)
    assert line.cost_s == pytest.approx(0.05)
    line.remove(parts[1])
    line.resize(parts[1], Size(1, 30), 0.03)  # too late
    assert line.cost_s == pytest.approx(0.04)
    line.remove(parts[0])
    assert line.cost_s == pytest.approx(0.01)
    loop.close()
