"""Run directories on disk: finished ones, failed attempts, and which of them there are."""

import os
import re
import shutil
from pathlib import Path

from analysis.runs import read_fields
from variants._errors import OptbuildError

RUNS, INVALID = "runs", "invalid"


def run_id(block: int, scenario: str, spec: str) -> str:
    """Name of a run's directory."""
    return f"b{block:03d}-{scenario}-{spec}"


class RunStore:
    """The runs of one experiment below a directory.

    A run is written beside its final name and renamed when it is complete: whatever is in `runs`
    under a run's name is finished, and is never written again.
    """

    def __init__(self, directory: Path) -> None:
        """Raises OptbuildError where a run of before says no longer which one it is."""
        self.runs = directory / RUNS
        self.invalid = directory / INVALID
        self.runs.mkdir(parents=True, exist_ok=True)
        for leftover in self.runs.glob(".partial-*"):  # of a killed process
            shutil.rmtree(leftover)
        for folder in sorted(self.runs.glob("b*")):
            if folder.is_dir():
                self._set_aside_if_failed(folder)

    def finished(self, name: str) -> bool:
        """Whether a run is complete."""
        return (self.runs / name).exists()

    def start(self, name: str) -> Path:
        """An empty folder in which to write a run."""
        folder = self.runs / f".partial-{name}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def finish(self, name: str, partial: Path) -> None:
        """Give a complete run its name, once its content is on disk."""
        _to_disk(partial)
        partial.rename(self.runs / name)

    def attempts(self, block: int, scenario: str) -> int:
        """How often this block of this scenario has failed."""
        found = [0]
        for path in self.invalid.glob(f"b{block:03d}-{scenario}-*-attempt*"):
            match = re.search(r"-attempt(\d+)$", path.name)
            found.append(int(match[1]) if match else 0)
        return max(found)

    def fail(self, block: int, scenario: str, name: str, partial: Path) -> int:
        """Set a run that failed a gate aside, and with it the finished runs of its block.

        They are kept, but not compared. Returns how many finished runs went with it.
        """
        attempt = self.attempts(block, scenario) + 1
        self.invalid.mkdir(exist_ok=True)
        _to_disk(partial)
        # First of all: from here on the attempt counts, and nobody takes this run for a good one.
        partial.rename(self.invalid / f"{name}-attempt{attempt}")
        finished = sorted(self.runs.glob(f"b{block:03d}-{scenario}-*"))
        for path in finished:
            path.rename(self.invalid / f"{path.name}-attempt{attempt}")
        return len(finished)

    def _set_aside_if_failed(self, folder: Path) -> None:
        """What a kill in the middle of `fail` has left among the finished runs."""
        try:
            block, scenario, attempt = self._place(folder)
        except OptbuildError as error:
            raise OptbuildError(
                f"{error}; move {folder.name} out of {self.runs} (its run is then made again)"
            ) from None
        if attempt <= self.attempts(block, scenario):
            folder.rename(self.invalid / f"{folder.name}-attempt{attempt}")

    def _place(self, folder: Path) -> tuple[int, str, int]:
        """Block, scenario and attempt of a finished run."""
        run = read_fields(folder)
        return run.integer("block"), run.text("scenario"), run.integer("attempt")


def _to_disk(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
