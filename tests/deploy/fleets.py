"""A fleet of small real servers, and a client that counts."""

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from deploy.fleet import Fleet
from deploy.replica import ProcessReplica


def fake_process(folder: Path, *options: str) -> Callable[[str], ProcessReplica]:
    """What makes replicas that answer without a model."""
    return lambda name: ProcessReplica(
        name,
        lambda port: ["-m", "deploy.fake_server", str(port), *options],
        folder / f"{name}.log",
        background=False,
    )


@contextmanager
def fake_fleet(folder: Path, count: int, *options: str) -> Iterator[Fleet]:
    with Fleet(fake_process(folder, *options), count, folder / "fleet.log") as fleet:
        yield fleet


def ask(url: str, timeout_s: float = 10.0) -> tuple[int, bytes]:
    """Status and body of one prediction."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout_s)
    try:
        connection.request("POST", "/predict", json.dumps({"texts": ["a film"]}))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
