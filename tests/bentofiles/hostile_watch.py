"""What hostile clients must not change: memory, open files, and the answers of everybody else."""

import http.client
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import psutil

from deploy.local import Server

# A leak of the smallest request or of one file a request is more; the allocator's own growth,
# over as many requests as a siege has, is less.
MOST_BYTES_A_REQUEST = 512
MOST_FILES = 64  # beyond those at the beginning: connections that are idle end after 5 s
SETTLES = 3  # the first looks see caches and thread stacks fill


@dataclass(frozen=True)
class Look:
    """Of all processes of a server together, after so many requests."""

    requests: int
    memory_bytes: int
    files: int
    answers: bool


def look(server: Server, requests: int) -> Look:
    """How the server is now."""
    processes = server.child.descendants()
    return Look(
        requests,
        sum(process.memory_info().rss for process in processes),
        sum(process.num_fds() for process in processes),
        good(server),
    )


def bytes_a_request(looks: Sequence[Look]) -> float:
    """Slope of the memory over the requests by least squares, the first looks left out."""
    settled = looks[SETTLES:]
    if len(settled) < 3:
        return 0.0
    requests = [each.requests for each in settled]
    return float(np.polyfit(requests, [each.memory_bytes for each in settled], 1)[0])


def complaints(looks: Sequence[Look]) -> list[str]:
    """Sentences on what is wrong; none if all is well."""
    found = [f"{each.requests}: no answer to a good request" for each in looks if not each.answers]
    if looks[-1].files > looks[0].files + MOST_FILES:
        found.append(f"open files: {looks[0].files} before, {looks[-1].files} after")
    if bytes_a_request(looks) > MOST_BYTES_A_REQUEST:
        found.append(f"memory grows by {bytes_a_request(looks):.0f} bytes a request")
    return found


def sockets(server: Server) -> int:
    """Open connections; the listening one does not count."""
    return sum(
        connection.status != psutil.CONN_LISTEN
        for process in server.child.descendants()
        for connection in process.net_connections("tcp")
    )


def sockets_left(server: Server, patience_s: float = 60.0) -> int:
    """Connections that stay open after everybody has gone; idle ones are closed after 5 s."""
    give_up_s = time.monotonic() + patience_s
    while (left := sockets(server)) and time.monotonic() < give_up_s:
        time.sleep(0.2)
    return left


def good(server: Server) -> bool:
    """Whether a good request gets its answer."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    try:
        body = json.dumps({"texts": ["A good film."]})
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status == 200 and len(json.loads(answer.read())) == 1
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
