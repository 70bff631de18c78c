"""Hostile clients against real servers: BentoML's own request path, and the lean one."""

import http.client
import json
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from builder.build import Request, build
from deploy.local import Server
from variants._spec import compose

# By name, whatever import mode pytest runs in.
sys.path.insert(0, str(Path(__file__).parent))
import hostile

pytestmark = pytest.mark.thorough

TINY = "synthetic:roberta-tiny"
REQUESTS = 400  # `hostile.py` is also a script, for more of them
# Thread stacks, arenas and caches of the first large bodies; a leak of a body a request is more.
MOST_GROWTH_BYTES = 100 << 20


@pytest.fixture(scope="module", params=["onnx", "onnx+lean+microbatch"])
def server(home: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    bento = build(compose(request.param), Request(model=TINY), lambda stage: None).path
    with Server(bento, home / "hostile.log") as running:
        yield running


def memory_bytes(server: Server) -> int:
    return sum(process.memory_info().rss for process in server.child.descendants())


def sockets(server: Server) -> int:
    # The listening one does not count.
    return sum(
        connection.status != psutil.CONN_LISTEN
        for process in server.child.descendants()
        for connection in process.net_connections("tcp")
    )


def good(server: Server) -> bool:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    body = json.dumps({"texts": ["A good film."]})
    connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    found = answer.status == 200 and len(json.loads(answer.read())) == 1
    connection.close()
    return found


def test_no_5xx_no_hang_and_nothing_is_left_of_hostile_clients(server: Server) -> None:
    hostile.besiege(server.url, 100, seed=1)
    before = memory_bytes(server)
    tally = hostile.besiege(server.url, REQUESTS, seed=2)
    assert tally.wrong == []
    assert tally.done == REQUESTS
    assert tally.statuses[200] > REQUESTS / 4
    assert tally.statuses[400] > REQUESTS / 4
    assert good(server)
    assert memory_bytes(server) - before < MOST_GROWTH_BYTES
    give_up_s = time.monotonic() + 60
    while sockets(server) and time.monotonic() < give_up_s:  # idle ones are closed after 5 s
        time.sleep(0.2)
    assert sockets(server) == 0


def test_every_attack_is_used() -> None:
    chosen = {random.Random(seed).choice(hostile.ATTACKS) for seed in range(REQUESTS)}
    assert chosen == set(hostile.ATTACKS)


def test_answers_are_counted_when_they_are_complete() -> None:
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"
    chunked = b"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"
    assert hostile.statuses(ok + chunked + b"HTTP/1.1 100 Continue\r\n\r\n" + ok) == [200, 400, 200]
    assert hostile.statuses(ok[:-1]) == []
    assert hostile.statuses(b"nothing of the kind") == []
