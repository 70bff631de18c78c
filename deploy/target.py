"""What an experiment asks of the place where a Bento runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, Self, runtime_checkable


class Target(Protocol):
    """A Bento that answers at `url` between entering and leaving the context."""

    @property
    def url(self) -> str:
        """Base URL, without a slash at the end; of several servers all, separated by commas."""
        ...

    def __enter__(self) -> Self:
        """Start it; return when every worker is warm."""
        ...

    def __exit__(self, *exception: object) -> None:
        """Stop it; nothing of it is left."""
        ...


@runtime_checkable
class OwnProcesses(Protocol):
    """A target whose processes can be watched from here: what it may add to `Target`."""

    def processes(self) -> Sequence[int]:
        """Ids of all its live processes; none if they cannot be seen from here after all."""
        ...


@runtime_checkable
class OwnGenerator(Protocol):
    """A target with a load generator near its servers: what it may add to `Target`."""

    def generate(
        self, scenario: str, options: Sequence[str], texts: Path, folder: Path, within_s: float
    ) -> None:
        """Run Locust with these options; `folder` then has `records.parquet` and `load.json`.

        Raises OptbuildError if the generator itself fails, or takes longer.
        """
        ...
