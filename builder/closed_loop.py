"""A closed loop of a few connections: for warming a server up and for finding its capacity.

Never for latencies: a client that waits for an answer before it sends again does not see the
queue that it would have stood in.
"""

import http.client
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from builder.asking import reason
from variants._errors import OptbuildError

REQUEST_TIMEOUT_S = 60.0


@dataclass
class Tally:
    """What the connections have done so far."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    finished_s: list[float] = field(default_factory=list)  # monotonic clock
    failures: list[str] = field(default_factory=list)


def throughput(url: str, texts: Sequence[str], connections: int, seconds: float) -> float:
    """Requests per second that are answered while `connections` always have one under way.

    `url` may be several, separated by commas: the connections are dealt out to them in turn. Each
    request holds one text. Counted from the first answer to the last, so that neither the start
    nor the last unfinished requests take part. Raises OptbuildError if any request fails.
    """
    tally = _run(url, texts, connections, seconds, least=connections + 1)
    finished = sorted(tally.finished_s)
    return (len(finished) - 1) / (finished[-1] - finished[0])


def warm_up(url: str, texts: Sequence[str], connections: int, seconds: float, least: int) -> None:
    """Keep `connections` busy for `seconds` and at least `least` requests in all.

    Of several servers (a comma between their URLs) each gets at least one connection.
    Trains BentoML's batcher, grows thread pools and memory arenas, and compiles what is compiled
    late, before the first measured request. A request that the server refuses because it is busy
    warms it all the same. Raises OptbuildError if any other request fails.
    """
    _run(url, texts, connections, seconds, least, refusals=(429, 503))


def _run(
    url: str,
    texts: Sequence[str],
    connections: int,
    seconds: float,
    least: int,
    refusals: tuple[int, ...] = (),
) -> Tally:
    tally = Tally()
    servers = url.split(",")
    connections = max(connections, len(servers))
    ends_s = time.monotonic() + seconds
    bodies = [json.dumps({"texts": [text]}).encode() for text in texts]
    threads = [
        threading.Thread(
            target=_connection,
            args=(
                *(servers[start % len(servers)], bodies[start::connections] or bodies),
                *(ends_s, least, refusals, tally),
            ),
            daemon=True,
        )
        for start in range(connections)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if tally.failures:
        raise OptbuildError(f"{url}/predict does not answer as it should: {tally.failures[0]}", 1)
    return tally


def _connection(
    url: str,
    bodies: list[bytes],
    ends_s: float,
    least: int,
    refusals: tuple[int, ...],
    tally: Tally,
) -> None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(
        parts.hostname or "", parts.port, timeout=REQUEST_TIMEOUT_S
    )
    headers = {"Content-Type": "application/json"}
    path, number = f"{parts.path}/predict", 0
    while not tally.failures and (time.monotonic() < ends_s or len(tally.finished_s) < least):
        try:
            connection.request("POST", path, bodies[number % len(bodies)], headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            tally.failures.append(f"{type(error).__name__}: {error}")
            break
        if answer.status not in (200, *refusals):
            tally.failures.append(f"status {answer.status}: {reason(content)}")
            break
        with tally.lock:
            tally.finished_s.append(time.monotonic())
        number += 1
    connection.close()
