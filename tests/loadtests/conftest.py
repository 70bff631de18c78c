"""The fake server, and Locust as users start it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# `fake_server` is imported by name, whatever import mode pytest runs in.
sys.path.insert(0, str(Path(__file__).parent))

from fake_server import Server, serving

ROOT = Path(__file__).parents[2]


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


def locust(scenario: str, *arguments: object) -> "subprocess.Popen[str]":
    """Start Locust as a user does."""
    command = [sys.executable, "-m", "locust", "-f", str(ROOT / "loadtests" / f"{scenario}.py")]
    return subprocess.Popen(
        [*command, "--loglevel", "WARNING", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """`locust`, and no process is left behind."""
    started: list[subprocess.Popen[str]] = []

    def start_one(*arguments: object) -> "subprocess.Popen[str]":
        started.append(locust(*arguments))  # type: ignore[arg-type]
        return started[-1]

    yield start_one
    for process in started:
        process.kill()
        process.communicate()
