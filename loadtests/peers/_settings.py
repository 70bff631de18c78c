"""What the runner tells a peer, through its environment."""

import os
from pathlib import Path

HOST = "127.0.0.1"


def sources() -> Path:
    """`src` of a Bento: `variant.json` and the folder `model` with the graph and tokenizer."""
    return Path(os.environ["PEER_SOURCES"])


def scratch() -> Path:
    """A folder for what the peer writes; it is gone afterwards."""
    return Path(os.environ["PEER_SCRATCH"])


def port() -> int:
    """Where to listen."""
    return int(os.environ["PEER_PORT"])


def setting(name: str) -> int:
    """A number from the `settings` at the top of the peer's file; `cpus` is one for each CPU."""
    value = os.environ[f"PEER_{name.upper()}"]
    return cpus() if value == "cpus" else int(value)


def cpus() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0))


def pin(number: int) -> None:
    """Keep the thread that calls this on one CPU; threads of other numbers get others."""
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {allowed[number % len(allowed)]})
