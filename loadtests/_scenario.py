"""What a scenario is, and what a user settled for one run of it."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from loadtests._schedule import Schedule, renewal

PROCESSES = ("gamma", "mmpp")  # of arrivals in bursts
RESEND = ("stale", "never")


@dataclass(frozen=True)
class Settings:
    """The options of one run, checked."""

    rate: float  # requests per second
    cv: float  # coefficient of variation of the gaps between requests
    duration_s: float
    seed: int
    timeout_s: float  # of one request, connecting included
    texts: Path | None
    records: Path | None
    process: str = PROCESSES[0]
    trace: Path | None = None
    speed: float = 1.0  # of the trace
    resend: bool = True  # what a connection that went stale did not carry

    def to_message(self) -> dict[str, Any]:
        """Plain values for another process, whose working directory may be another."""
        values = asdict(self).items()
        return {k: str(v.resolve()) if isinstance(v, Path) else v for k, v in values}

    @staticmethod
    def from_message(message: Mapping[str, Any]) -> "Settings":
        """What `to_message` gave."""
        paths = {k: Path(message[k]) if message[k] else None for k in ("texts", "records", "trace")}
        return Settings(**{**message, **paths})


@dataclass(frozen=True)
class Scenario:
    """A named arrival process and its default settings.

    `schedule` turns the settings and the number of texts into the planned requests; `options` are
    those that it reads beside the ones that every scenario has.
    """

    name: str
    rate: float
    cv: float = 1.0
    duration_s: float = 60.0
    options: tuple[str, ...] = ("cv",)
    schedule: Callable[[Settings, int], Schedule] = lambda settings, texts: renewal(
        settings.rate, settings.cv, settings.duration_s, settings.seed, texts
    )
