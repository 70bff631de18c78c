"""The two consoles: results on stdout, progress and notes on stderr."""

import os
import sys
from typing import IO

from rich.console import Console

PLAIN_WIDTH = 120  # of lines that go to a file or a pipe


def out() -> Console:
    """For what the user asked for."""
    return _console(sys.stdout)


def notes() -> Console:
    """For everything else."""
    return _console(sys.stderr)


def _console(file: IO[str]) -> Console:
    wide = None if file.isatty() or "COLUMNS" in os.environ else PLAIN_WIDTH
    return Console(file=file, width=wide, highlight=False)
