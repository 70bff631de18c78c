"""Hostile clients against real servers: BentoML's own request path, and the lean one."""

import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builder.build import Request, build
from deploy.local import Server
from variants._spec import compose

# By name, whatever import mode pytest runs in.
sys.path.insert(0, str(Path(__file__).parent))
import hostile
from hostile_watch import Look, complaints, look, sockets_left

TINY = "synthetic:roberta-tiny"
REQUESTS = 400  # as a script, `hostile.py` sends more of them
# Thread stacks, arenas and caches of the first large bodies; a leak of a body a request is more.
MOST_GROWTH_BYTES = 100 << 20


@pytest.fixture(scope="module", params=["onnx", "onnx+lean+microbatch"])
def server(home: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    bento = build(compose(request.param), Request(model=TINY), lambda stage: None).path
    with Server(bento, home / "hostile.log") as running:
        yield running


@pytest.mark.thorough
def test_no_5xx_no_hang_and_nothing_is_left_of_hostile_clients(server: Server) -> None:
    hostile.besiege(server.url, 100, seed=1)
    before = look(server, 0)
    tally = hostile.besiege(server.url, REQUESTS, seed=2)
    assert tally.wrong == []
    assert tally.done == REQUESTS
    assert tally.statuses[200] > REQUESTS / 4
    assert tally.statuses[400] > REQUESTS / 4
    assert sockets_left(server) == 0
    after = look(server, REQUESTS)
    assert complaints([before, after]) == []
    assert after.memory_bytes - before.memory_bytes < MOST_GROWTH_BYTES


@pytest.mark.parametrize(
    ("memory_bytes", "files", "answers", "said"),
    [
        (lambda n: 10**8 + 3 * (n % 7), 20, True, ""),
        (lambda n: 10**8 if n > 2000 else 10**7, 20, True, ""),  # caches fill at first
        (lambda n: 10**8 + 1000 * n, 20, True, "memory grows by 1000 bytes a request"),
        (lambda n: 10**8, 300, True, "open files: 20 before, 300 after"),
        (lambda n: 10**8, 20, False, "10000: no answer to a good request"),
    ],
)
def test_what_a_siege_complains_of(
    memory_bytes: Callable[[int], int], files: int, answers: bool, said: str
) -> None:
    looks = [Look(n, memory_bytes(n), 20, True) for n in range(0, 10_000, 1000)]
    looks.append(Look(10_000, memory_bytes(10_000), files, answers))
    assert complaints(looks) == ([said] if said else [])


def test_every_attack_is_used() -> None:
    chosen = {random.Random(seed).choice(hostile.ATTACKS) for seed in range(REQUESTS)}
    assert chosen == set(hostile.ATTACKS)


def test_answers_are_counted_when_they_are_complete() -> None:
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"
    chunked = b"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"
    assert hostile.statuses(ok + chunked + b"HTTP/1.1 100 Continue\r\n\r\n" + ok) == [200, 400, 200]
    assert hostile.statuses(ok[:-1]) == []
    assert hostile.statuses(b"nothing of the kind") == []
