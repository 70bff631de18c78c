"""Hostile clients on raw sockets: what a server must take without a 5xx, a hang or a leak.

As a script it serves both request paths itself, one after the other, and after every thousand
requests looks at memory, open files, and whether a good request is answered:

    python tests/bentofiles/hostile.py --requests 100000
"""

import argparse
import contextlib
import random
import socket
import struct
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from hostile_attacks import ATTACKS, OK

PATHS = ("onnx", "onnx+lean+microbatch")  # BentoML's own, and the lean one
ANSWER_S = 30.0  # without a byte for this long, the server hangs


@dataclass
class Tally:
    """What has been seen; `wrong` are sentences, of which there should be none."""

    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    done: int = 0


def attack(url: str, seed: int, tally: Tally) -> None:
    """One attack, chosen by its seed."""
    rng = random.Random(seed)
    make = rng.choice(ATTACKS)
    plan = make(rng)
    parts = urlsplit(url)
    received = b""
    with socket.create_connection((parts.hostname or "", parts.port or 80), ANSWER_S) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for piece in plan.pieces:
                sock.sendall(piece)
                if plan.pause_s:
                    time.sleep(plan.pause_s)
            if plan.leaves == "reset":
                time.sleep(rng.choice([0.0, 0.002, 0.02]))
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif plan.leaves == "half":
                sock.shutdown(socket.SHUT_WR)
            if plan.leaves != "reset":
                while len(statuses(received)) < (plan.least or 99):
                    block = sock.recv(65536)
                    if not block:
                        break
                    received += block
        except TimeoutError:
            tally.wrong.append(f"{make.__name__} {seed}: nothing for {ANSWER_S:g} s")
        except OSError:
            pass  # the server may hang up on a client like this
    found = statuses(received)
    tally.statuses.update(found)
    tally.done += 1
    for status in found:
        if status not in plan.answers:
            tally.wrong.append(f"{make.__name__} {seed}: status {status}: {received[-200:]!r}")
    if plan.answers == OK and sum(status == 200 for status in found) < plan.least:
        tally.wrong.append(f"{make.__name__} {seed}: only {found}: {received[-200:]!r}")


def statuses(received: bytes) -> list[int]:
    """The statuses of the complete answers in what was received."""
    found = []
    while True:
        top, end, rest = received.partition(b"\r\n\r\n")
        if not end or not top.startswith(b"HTTP/1."):
            return found
        status = int(top[9:12])
        lowered = top.lower()
        if b"transfer-encoding: chunked" in lowered:
            _, end, received = rest.partition(b"0\r\n\r\n")
            if not end:
                return found
        else:
            length = 0
            if b"content-length:" in lowered:
                length = int(lowered.partition(b"content-length:")[2].partition(b"\r")[0])
            if len(rest) < length:
                return found
            received = rest[length:]
        if status >= 200:  # 100 announces another
            found.append(status)


def besiege(url: str, requests: int, seed: int, clients: int = 6) -> Tally:
    """So many attacks by a few clients at a time; `seed` decides which."""
    tally = Tally()
    seeds = iter(range(seed * 10**9, seed * 10**9 + requests))
    lock = threading.Lock()

    def client() -> None:
        while True:
            with lock:
                one = next(seeds, None)
            if one is None or len(tally.wrong) > 20:
                return
            try:
                attack(url, one, tally)
            except OSError as error:
                tally.wrong.append(f"{one}: no connection: {error}")

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally


def siege(spec: str, requests: int, seed: int, log: Path) -> list[str]:
    """Serve a variant, attack it, print how it is after each thousand; returns what is wrong."""
    # Imported here: whoever only wants `besiege` needs none of it.
    from hostile_watch import Look, bytes_a_request, complaints, look, sockets_left

    from builder.build import Request, build
    from deploy.local import Server
    from variants._spec import compose

    bento = build(compose(spec), Request(model="synthetic:roberta-tiny"), lambda stage: None).path
    with Server(bento, log) as server:
        begin_s = time.monotonic()
        tally = Tally()
        looks: list[Look] = []
        for part in range(0, requests, 1000):
            looks.append(look(server, part))
            found = besiege(server.url, min(1000, requests - part), seed + part)
            tally.statuses += found.statuses
            tally.wrong += found.wrong
            tally.done += found.done
            last = look(server, tally.done)
            print(
                f"{spec}: {tally.done} requests, {time.monotonic() - begin_s:.0f} s, "
                f"{last.memory_bytes >> 20} MiB ({bytes_a_request([*looks, last]):+.0f} B a "
                f"request), {last.files} files, {dict(tally.statuses)}",
                flush=True,
            )
            if tally.wrong:
                break
        left = sockets_left(server)
        looks.append(look(server, tally.done))
        wrong = tally.wrong + complaints(looks)
        return wrong + [f"{left} connections are still open"] * bool(left)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("specs", nargs="*", default=list(PATHS), metavar="SPEC")
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        for spec in options.specs:
            found = siege(spec, options.requests, options.seed, Path(folder) / "log")
            wrong += [f"{spec}: {sentence}" for sentence in found]
    print(*wrong, sep="\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
