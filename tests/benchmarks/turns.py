"""Closed loops on several servers, or on one in several states, by turns."""

import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2])]

from builder._peers_probe import saturate  # noqa: E402
from builder._peers_saturate import Saturated  # noqa: E402


def in_turn(names: Collection[str], repeats: int) -> Iterator[str]:
    """All of them so many times, every other time backwards: what drifts meets each alike."""
    for repeat in range(repeats):
        yield from sorted(names, reverse=bool(repeat % 2))


def saturated(
    name: str, url: str, texts: Sequence[str], connections: int, seconds: float, log: Path
) -> Saturated:
    """What one run found; SystemExit, with the reason, if not every request was answered."""
    found = saturate(url, texts, connections, seconds, log)
    if found.errors or not found.answered:
        raise SystemExit(f"{name}: {found.first_error}")
    return found
